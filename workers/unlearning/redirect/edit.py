"""Moving the parent to the targets, and nothing else of it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.statistics.agreement import agreement
from workers.statistics.floors import Floors
from workers.unlearning.adam import Adam
from workers.unlearning.base import LEVELS, Problem, Samples, UnlearningError
from workers.unlearning.batches import Cycle, Pair
from workers.unlearning.copying import duplicate, learnable, trainable
from workers.unlearning.embedding import answer
from workers.unlearning.layout import copied
from workers.unlearning.redirect.attempt import Attempt, Look, Stride, Tried
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.redirect.distance import apart, clearly
from workers.unlearning.redirect.targets import Aim, Targets, log_odds
from workers.unlearning.savepoints import Saved

# Below this many samples, an AUC says next to nothing.
ENOUGH = 10

# An edit stops at its goal; so much of it is good enough.
NEARLY_ALL = 0.9

# Where no operator has set a floor, the gate judges held-out decisions that have changed, and
# retrained networks change 5 % and more of them. Where more than utility is asked for, an edit may
# use so much of that room beyond the floor for held-out samples: without it, log-odds are given up
# where a network knows much by heart.
ROOM = 0.03

# Where agreement is so far below its floor, an attempt does not bring it back.
HOPELESS = 0.1


@dataclass(frozen=True)
class References:
    """Remaining samples to train on, by position, with softmax outputs (r, k) to be kept.

    They are the parent's, or those of what the parent is an edit of.

    `near` (n, m) holds, for each forgotten sample, the rows of the ones that the parent finds most
    like it: what an edit of it disturbs first.
    """

    positions: Tensor
    outputs: Tensor
    near: Tensor


@dataclass(frozen=True)
class Watched:
    """Samples that no step trains on, by position, with the parent's logits (m, k)."""

    samples: Samples
    positions: Tensor
    logits: Tensor


class Edit:
    """One try after the other, each from the parent, each more careful than the last."""

    def __init__(
        self,
        config: RedirectConfig,
        problem: Problem,
        targets: Targets,
        references: References,
        guard: Watched,
        unseen: Watched,
        generator: torch.Generator,
    ) -> None:
        self._config = config
        self._problem = problem
        self._targets = targets
        self._references = references
        self._guard = guard
        self._unseen = unseen
        self._generator = generator
        self._everyone = torch.arange(len(targets.turned))
        count = len(problem.forgotten), len(problem.remaining)
        self._floors = Floors(problem.min_agreement, *count, config.agreement_reserve)
        more = LEVELS.index(problem.target_level) > LEVELS.index("utility")
        self._room = ROOM if more and not problem.fixed_floor else 0.0
        # Of samples that nobody has seen, neighbours contradict a share too: more than is left
        # then would stand out.
        share = min(config.turned_share, 1.0 - targets.natural)
        self.goal = in_whole(share, int(targets.turned.sum()))
        self.nothing_to_turn = not bool(targets.turned.any())
        # Whether as many are contradicted by chance alone, often enough.
        self.doubtful = targets.by_chance >= config.doubt

    def attempt(
        self,
        stride: Stride,
        tell: Callable[[Look], None],
        save: Callable[[Attempt], None] = lambda _attempt: None,
        saved: Saved | None = None,
    ) -> Tried:
        """Edit a copy of the parent, with steps of that kind.

        What is looked at and given back is an average of the weights over the last steps: it
        forgets as much and disturbs less, without the noise of single steps. The first steps are
        large and the later ones repair what they disturbed: the nearer the remaining samples are to
        where they were, the less a later training on them brings back. An attempt ends when enough
        are turned for a while and the others' confidence is near or comes no nearer, when agreement
        stays lost or is far gone, or after `max_steps`. It gives the last look of those at which
        agreement was kept and enough, or else most, were turned. `save` is called between steps,
        and an attempt whose run was killed goes on from what was `saved` then.

        Raises:
            UnlearningError: the loss or its gradient is not finite.
        """
        config = self._config
        at = self._begin(stride)
        if saved is not None:
            at.restore(saved)
        for step in range(at.step + 1, config.max_steps + 1):
            at.step = step
            self._step(at, stride)
            if step % config.check_every == 0 or step == config.max_steps:
                seen, at.wanted = self.look(at.average, step, stride)
                tell(seen)
                if self._over(at, seen):
                    break
            if step != config.max_steps:
                save(at)
        lasted = not at.lost
        if at.best is None:
            return Tried(at.average, seen, lasted)
        return Tried(at.best[1], at.best[0], lasted)

    def _begin(self, stride: Stride) -> Attempt:
        device, config = self._problem.device, self._config
        student = trainable(copied(self._problem.model, device))
        weights = learnable(student)
        return Attempt(
            student=student,
            average=duplicate(student),
            optimizer=Adam(weights, [config.learning_rate * stride.caution] * len(weights)),
            forgotten=Cycle(len(self._everyone), config.forget_batch, self._generator),
            generator=self._generator,
            device=device,
            wanted=self._targets.aim(self._unseen.logits),
        )

    def _step(self, at: Attempt, stride: Stride) -> None:
        config = self._config
        loss = self._backward(at.student, at.wanted, next(at.forgotten), stride)
        norm = nn.utils.clip_grad_norm_(at.student.parameters(), config.clip_norm)
        if not bool(loss.isfinite() & norm.isfinite()):
            raise UnlearningError("The loss or its gradient is not a finite number.")
        at.optimizer.step(1 - (at.step - 1) / config.max_steps)
        self._follow(at.average, at.student)

    def _over(self, at: Attempt, seen: Look) -> bool:
        """Take note of a look; whether the attempt has come to an end by it."""
        config = self._config
        at.lost = 0 if self.kept(seen) else at.lost + 1
        if at.lost >= config.lost_looks or self.hopeless(seen):
            return True
        if not at.lost and (at.best is None or self._reach(seen) >= self._reach(at.best[0])):
            at.best = seen, duplicate(at.average)
        nearer = seen.apart < at.nearest
        at.nearest, at.stale = (seen.apart, 0) if nearer else (at.nearest, at.stale + 1)
        at.settled = at.settled + 1 if self.turned(seen) and not at.lost else 0
        tired = self.turned(seen) and at.stale >= config.patience
        return at.settled >= config.settle and (self.done(seen) or tired)

    @torch.no_grad()
    def _follow(self, average: nn.Module, student: nn.Module) -> None:
        for mean, weight in zip(learnable(average), learnable(student), strict=True):
            mean.lerp_(weight, 1.0 - self._config.averaging)

    def kept(self, look: Look) -> bool:
        """Whether the student still answers as the parent does, by the floors."""
        return self._floors.allow(look.agreement, look.unseen_agreement + self._room)

    def done(self, look: Look) -> bool:
        return self.turned(look) and look.apart <= self._config.confidence_slack

    def hopeless(self, look: Look) -> bool:
        """Whether agreement is so far gone that an attempt does not bring it back."""
        return (
            look.agreement < self._floors.on_remaining - HOPELESS
            or look.unseen_agreement + self._room < self._floors.on_holdout - HOPELESS
        )

    def _reach(self, look: Look) -> float:
        return min(look.turned, self.goal)

    def turned(self, look: Look) -> bool:
        """Whether as many forgotten samples are turned as held-out ones would be."""
        return look.turned >= self.goal

    def reached(self, look: Look) -> bool:
        """Whether so many are turned that it is good enough to be an end."""
        return look.turned >= NEARLY_ALL * self.goal

    def look(self, student: nn.Module, step: int, stride: Stride) -> tuple[Look, Aim]:
        """Measure, and aim anew -> what is wanted now.

        An edit moves the held-out confidence that is aimed at.
        """
        problem, batch = self._problem, self._config.embed_batch
        exact = problem.compute.exact()

        def ask(samples: Samples, positions: Tensor) -> Tensor:
            return answer(student, samples, positions, problem.device, batch, compute=exact)

        kept = ask(self._guard.samples, self._guard.positions)
        unseen_logits = ask(self._unseen.samples, self._unseen.positions)
        moved = ask(problem.forgotten, self._everyone)
        wanted = self._targets.aim(unseen_logits)
        turned = self._targets.turned
        # Where log-odds are not in the loss, those that are turned do not come near.
        asked = torch.ones_like(turned) if self._odds_weight(stride) else ~turned
        odds, wished = log_odds(moved, wanted.decided)[asked], wanted.odds[asked]
        seen = Look(
            step=step,
            agreement=agreement(self._guard.logits, kept),
            unseen_agreement=agreement(self._unseen.logits, unseen_logits),
            turned=clearly(wanted.outputs[turned], moved[turned], self._config.margin),
            apart=apart(odds, wished, wanted.decided[asked]) if len(odds) >= ENOUGH else 0.0,
        )
        return seen, wanted

    def _backward(self, student: nn.Module, wanted: Aim, gone: Tensor, stride: Stride) -> Tensor:
        """Gradients of a step's loss -> the unweighted sum () of its two parts."""
        rows = self._remaining_rows(gone)
        both, odds = Pair(rows, gone), self._odds_weight(stride)

        def part(places: Tensor) -> Tensor:
            keep, forget = self._losses(student, wanted, both.at(places), odds)
            return torch.stack([keep / len(rows), forget / len(gone)])

        weights = (1.0, self._config.forget_weight * stride.pull)
        parameters = learnable(student)
        return self._problem.compute.backward(parameters, len(both), part, weights).sum()

    def _losses(
        self, student: nn.Module, aim: Aim, both: Pair, odds: float
    ) -> tuple[Tensor, Tensor]:
        """The sums of both divergences over some of a step's samples."""
        problem, references = self._problem, self._references
        positions = Pair(references.positions[both.kept], both.gone)
        inputs = problem.compute.place(positions.inputs(problem), problem.device)
        with problem.compute.autocast(problem.device):
            logits = student(inputs)
        answers = functional.log_softmax(logits.float(), dim=1)
        kept = references.outputs[both.kept].to(problem.device)
        wanted = aim.outputs[both.gone].to(problem.device)
        keep = functional.kl_div(answers[: len(kept)], kept, reduction="sum")
        forget = functional.kl_div(answers[len(kept) :], wanted, reduction="sum")
        if odds:
            forget = forget + odds * self._sureness(logits[len(kept) :], aim, both.gone)
        return keep, forget

    def _sureness(self, logits: Tensor, aim: Aim, gone: Tensor) -> Tensor:
        """How far log-odds are from their targets, summed: Huber's loss, with a gradient of 1."""
        decided, wanted = aim.decided[gone].to(logits.device), aim.odds[gone].to(logits.device)
        found = log_odds(logits, decided)
        return functional.smooth_l1_loss(found, wanted, reduction="sum").float()

    def _odds_weight(self, stride: Stride) -> float:
        return self._config.odds_weight if stride.odds else 0.0

    def _remaining_rows(self, gone: Tensor) -> Tensor:
        """Some rows at random, and some that are near the samples of this very step."""
        config, near = self._config, self._references.near[gone].flatten()
        close = round(config.remaining_batch * config.near_share)
        generator = self._generator
        anywhere = torch.randint(
            len(self._references.positions), (config.remaining_batch - close,), generator=generator
        )
        return torch.cat([anywhere, near[torch.randint(len(near), (close,), generator=generator)]])


def in_whole(share: float, count: int) -> float:
    """The nearest share that whole ones of `count` samples make, one at least; itself of none."""
    return max(1, round(share * count)) / count if count else share
