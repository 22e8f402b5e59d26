"""Distillation: a student with fresh weights learns the parent's answers to remaining data."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from workers.statistics.agreement import agreement
from workers.statistics.floors import Floors
from workers.statistics.hindsight import Hindsight, hindsight
from workers.unlearning.base import Offer, Problem, Progress, Report, Unlearned, UnlearningError
from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.distil.forecast import work_of
from workers.unlearning.distil.position import Position
from workers.unlearning.distil.rates import QUARTER, quarterings
from workers.unlearning.distil.student import Lesson, Student
from workers.unlearning.distil.teacher import Targets, decided, soften
from workers.unlearning.embedding import answer, draw
from workers.unlearning.isolation import isolated
from workers.unlearning.layout import copied, lay_out
from workers.unlearning.registry import register
from workers.unlearning.savepoints import Saved

# A step size at which the loss has not fallen by a tenth after a fifth of the steps, and not before
# the fiftieth, is too large.
TRIES = 4
LEARNED = 0.9
FAIR_TRIAL = 50
REPORT_EVERY = 25
# Of each set, so many answers tell what they owe to forgotten samples.
TELLING = 20_000


@register
class Distil:
    """No forgotten sample is seen: what passes of it passes through answers to other samples."""

    name = "distil"

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that `DistilConfig` does not have or allow."""
        DistilConfig.read(parameters)

    def offer(self, problem: Problem) -> Offer | None:
        """For all but encoders.

        Answers to a few dozen prototypes do not say where in the space of representations a student
        with fresh weights is to put a sample.
        """
        return None if problem.encodes else Offer(work_of(problem))

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        """Unlearn `problem.forgotten`. The parent is only asked.

        Raises:
            ValueError: a set is empty, or a parameter is unknown or out of range.
            UnlearningError: answers are not finite, or the student does not learn.
        """
        config = DistilConfig.read(problem.parameters)
        for label, samples in (("forgotten", problem.forgotten), ("remaining", problem.remaining)):
            if not len(samples):
                raise ValueError(f"There are no {label} samples.")
        with isolated(problem.device, problem.seed):
            student, summary = _Run(config, problem, report).go()
        home = next(problem.model.parameters(), torch.empty(0)).device
        lay_out(student.to(home), torch.contiguous_format)
        for ours, its in zip(student.modules(), problem.model.modules(), strict=True):
            ours.training = its.training
        # The gate may refuse it for its answers about held-out data: it can guide all the same.
        wanted = min(problem.min_agreement, summary["agreement_aimed_at"])
        guides = summary["agreement"] >= wanted
        return Unlearned(student, self.name, asdict(config), summary, guides=guides)


class _Run:
    def __init__(self, config: DistilConfig, problem: Problem, report: Report) -> None:
        self.config = config
        self.problem = problem
        self.report = report
        self.generator = torch.Generator().manual_seed(problem.seed)
        self.rate = config.base_learning_rate if problem.warm else config.learning_rate
        count = len(problem.forgotten), len(problem.remaining)
        self.floors = Floors(problem.min_agreement, *count, config.agreement_reserve)

    def go(self) -> tuple[nn.Module, dict[str, Any]]:
        remaining, forgotten = self._answers()
        goal, shift = self._goal(remaining, forgotten)
        self.report(Progress("modelling", 1.0))
        watched = draw(len(remaining), self.config.check_samples, self.generator)
        wanted = self._wanted(remaining, watched)
        known = self._hindsight(remaining, forgotten)

        def look(student: nn.Module) -> float:
            return agreement(wanted, self._exactly(student, watched), known)

        student, trainer, at = self._first_lesson(goal, watched)
        most = self.config.most_of(len(remaining))
        floor = self._floor(wanted)
        # Later lessons go on from what is known, at half the step size: where agreement is not
        # there yet, the data are hard, and time helps.
        more = max(1, self.config.steps_of(len(remaining)) // 2)
        while True:
            if not at.step:
                reached = look(student)
                if reached >= floor or at.taken + more > most:
                    break
            rate = self.rate / QUARTER**at.quartered / 2**at.lessons
            self._teach(trainer, Lesson(more, rate), at, "continued")
        self.report(Progress("unlearning", 1.0, {"agreement": reached}))
        return student, {
            "steps_taken": at.taken,
            "lessons": at.lessons,
            "began_with": "base" if self.problem.warm else "fresh weights",
            "learning_rate": self.rate / QUARTER**at.quartered,
            "prior_shift_used": shift,
            "agreement": reached,
            "agreement_aimed_at": floor,
            "agreement_kept": reached >= floor,
            "forgotten": len(forgotten),
            "remaining": len(remaining),
        }

    def _floor(self, wanted: Tensor) -> float:
        """The agreement until which lessons go on: what a retrained network would have, at most.

        Two networks that are trained independently disagree as often as either is wrong, and a
        calibrated one is wrong as often as it says (Jiang et al., ICLR 2022, arXiv 2106.13799). So
        the mean of the parent's largest output, from its logits (n, k), tells how far another
        network that is as good agrees with it. A floor that an operator has set is kept to.
        """
        floor = self.floors.on_remaining
        if self.problem.fixed_floor:
            return floor
        return min(floor, float(wanted.softmax(dim=1).amax(dim=1).double().mean()))

    def _wanted(self, remaining: Tensor, watched: Tensor) -> Tensor:
        """The parent's logits on some remaining samples, in the numbers that the gate looks at."""
        compute = self.problem.compute
        if compute.precision == compute.exact().precision:
            return remaining[watched]
        return self._exactly(copied(self.problem.model, self.problem.device), watched)

    def _exactly(self, network: nn.Module, watched: Tensor) -> Tensor:
        problem = self.problem
        return answer(
            network,
            problem.remaining,
            watched,
            problem.device,
            self.config.embed_batch,
            compute=problem.compute.exact(),
        )

    def _hindsight(self, remaining: Tensor, forgotten: Tensor) -> Hindsight:
        """What the student is not held to, by a draw that fits into memory."""
        generator = torch.Generator().manual_seed(self.problem.seed)
        some = remaining[draw(len(remaining), TELLING, generator)]
        gone = forgotten[draw(len(forgotten), TELLING, generator)]
        return hindsight(some, gone, (len(remaining), len(forgotten)))

    def _goal(self, remaining: Tensor, forgotten: Tensor) -> tuple[Targets, float]:
        """What is learnt, and how far it follows the classes' shares in what remains."""
        rows, width = remaining.shape
        flips = self.config.flips_share * (1 - self.problem.min_agreement)

        def fill(soft: Tensor) -> float:
            return soften(remaining, forgotten, self.config.prior_shift, flips, soft)

        table, shift = self.problem.compute.filled("targets", rows, width, fill)
        return decided(table), shift

    def _answers(self) -> tuple[Tensor, Tensor]:
        """The parent's logits on all remaining and all forgotten samples."""
        problem, ready = self.problem, 0
        total = len(problem.remaining) + len(problem.forgotten)

        def done(count: int) -> None:
            nonlocal ready
            ready += count
            self.report(Progress("embedding", ready / total))

        parent = copied(problem.model, problem.device)
        batch = self.config.embed_batch
        remaining, forgotten = (
            answer(
                parent,
                samples,
                torch.arange(len(samples)),
                problem.device,
                batch,
                done,
                problem.compute,
                name,
            )
            for name, samples in (
                ("remaining", problem.remaining),
                ("forgotten", problem.forgotten),
            )
        )
        return remaining, forgotten

    def _first_lesson(self, goal: Targets, watched: Tensor) -> tuple[nn.Module, Student, Position]:
        """The student after its first lesson, or where a run that was killed had come later."""
        saved, steps = (
            self.problem.compute.saves.load("student"),
            self.config.steps_of(len(self.problem.remaining)),
        )
        if saved is not None:
            at = Position(**saved.facts["at"])
        elif self.problem.warm:
            at = Position(quarterings(self.config, self.problem, goal, watched, steps))
        else:
            at = Position()
        while at.tries < TRIES:
            torch.manual_seed(self.problem.seed)
            student = self.problem.fresh().to(self.problem.device)
            lay_out(student, torch.channels_last)
            trainer = Student(self.config, self.problem, student, goal, self.generator)
            if saved is not None:
                trainer.restore(saved)
                saved = None
            if at.lessons:
                return student, trainer, at
            rate = self.rate / QUARTER**at.quartered
            if self._teach(trainer, Lesson(steps, rate), at, "first"):
                return student, trainer, at
            at.try_again()
        raise UnlearningError("The student does not learn: set another learning_rate.")

    def _teach(self, trainer: Student, lesson: Lesson, at: Position, which: str) -> bool:
        """Take one lesson; False if it was given up because the step size is too large."""
        saves = self.problem.compute.saves
        for loss in trainer.learn(lesson, at.step):
            at.heard(loss)
            if at.step % REPORT_EVERY == 0 or at.step == lesson.steps:
                fraction = min(0.99, at.step / lesson.steps)
                self.report(Progress("unlearning", fraction, {f"loss_{which}": at.recent}))
            # A base can know the answers already; its step size was found by trying.
            fresh = which == "first" and not self.problem.warm
            judged = fresh and at.step == max(FAIR_TRIAL, lesson.steps // 5)
            if judged and at.recent > LEARNED * at.first:
                return False
            if saves.due():
                state = trainer.state()
                saves.save("student", Saved(state.tensors, state.facts | {"at": asdict(at)}))
        at.end_lesson()
        return True
