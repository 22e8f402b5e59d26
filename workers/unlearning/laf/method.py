"""LAF: embed once, model two densities, move the extractor until parity."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import torch
from torch import Tensor

from workers.statistics.floors import Floors
from workers.unlearning.base import Offer, Problem, Progress, Report, Samples, Unlearned
from workers.unlearning.copying import trainable
from workers.unlearning.embedding import Embedded, draw, embed
from workers.unlearning.isolation import isolated
from workers.unlearning.laf import modelling
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.laf.forecast import work_of
from workers.unlearning.laf.search import Search, step_budget
from workers.unlearning.laf.step import Stepper, extractor_parameters
from workers.unlearning.laf.stopping import Judge, Look
from workers.unlearning.layout import copied, lay_out
from workers.unlearning.registry import register
from workers.unlearning.resuming import once, pack_embedded, unpack_embedded
from workers.unlearning.savepoints import Saved
from workers.unlearning.tap import Tapped

T = TypeVar("T")


@register
class Laf:
    """Label-agnostic forgetting after Shen et al., ICLR 2024 (arXiv 2404.00506)."""

    name = "laf"

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that `LafConfig` does not have or allow."""
        LafConfig.read(parameters)

    def offer(self, problem: Problem) -> Offer | None:
        """A last resort: it takes long, and forgets least."""
        return Offer(work_of(problem), last_resort=True)

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:
        """Unlearn `problem.forgotten`. The parent is only copied.

        Raises:
            ValueError: a set is empty, or a parameter is unknown or out of range.
            UnlearningError: the model's answers or a loss are not finite.
        """
        config = LafConfig.read(problem.parameters)
        for label, samples in (("forgotten", problem.forgotten), ("remaining", problem.remaining)):
            if not len(samples):
                raise ValueError(f"There are no {label} samples.")
        modes = [module.training for module in problem.model.modules()]
        wanted = [parameter.requires_grad for parameter in problem.model.parameters()]
        home = next(problem.model.parameters(), torch.empty(0)).device
        student = trainable(copied(problem.model, problem.device))

        with isolated(problem.device, problem.seed), Tapped(student, problem.tap) as tapped:
            summary = _Run(config, problem, tapped, report).go()

        lay_out(student.to(home), torch.contiguous_format)
        for parameter, flag in zip(student.parameters(), wanted, strict=True):
            parameter.grad = None
            parameter.requires_grad_(flag)
        for module, mode in zip(student.modules(), modes, strict=True):
            module.training = mode
        # Where parity cannot be measured, there is nothing that it could have missed.
        reached = bool(summary["parity_reached"] or not summary["parity_measured"])
        return Unlearned(student, self.name, asdict(config), summary, reached=reached)


class _Run:
    """One run. Until its first step the student is the parent, so embedding it is enough."""

    def __init__(self, config: LafConfig, problem: Problem, tapped: Tapped, report: Report) -> None:
        self.config = config
        self.problem = problem
        self.tapped = tapped
        self.report = report
        self.generator = torch.Generator().manual_seed(problem.seed)

    def go(self) -> dict[str, Any]:
        remaining, forgotten, holdout = self._embed()
        fitted, guard = self._split(remaining)
        standard = modelling.standard(remaining.representations)
        reference = guard if holdout is None else holdout

        def fit() -> modelling.Models:
            return modelling.fit(
                self.config,
                standard(fitted.representations),
                standard(guard.representations),
                standard(reference.representations),
                standard(forgotten.representations),
                self.generator,
                self.problem.device,
                lambda fraction: self.report(Progress("modelling", fraction)),
            )

        def fitted_before(saved: Saved) -> modelling.Models:
            width = remaining.representations.shape[1]
            return modelling.unpack(saved, width, self.generator, self.problem.device)

        models = self._once("densities", fit, modelling.pack, fitted_before)
        trained = extractor_parameters(self.tapped, self.problem, train_head=self.config.train_head)
        stepper = Stepper(
            self.config,
            self.problem,
            self.tapped,
            trained,
            models,
            standard,
            forgotten,
            fitted,
            self.generator,
        )
        count = len(forgotten), len(self.problem.remaining)
        floors = Floors(self.problem.min_agreement, *count, self.config.agreement_reserve)
        judge = Judge(self.config, floors, guard, holdout)
        seen = forgotten.take(draw(len(forgotten), self.config.check_samples, self.generator))

        unseen = self.problem.holdout

        def look(step: int) -> Look:
            return judge.look(
                step,
                self._logits(self.problem.remaining, guard),
                self._logits(self.problem.forgotten, seen),
                self._logits(unseen, holdout) if unseen is not None and holdout else None,
            )

        saves = self.problem.compute.saves
        search = Search(self.config, trained, stepper, look, self.report, saves)
        return search.run(step_budget(self.config, count[0])) | {
            "forgotten": count[0],
            "remaining": count[1],
            "remaining_embedded": len(remaining),
            "forgotten_density": models.kind,
        }

    def _once(
        self,
        name: str,
        make: Callable[[], T],
        pack: Callable[[T], Saved],
        unpack: Callable[[Saved], T],
    ) -> T:
        problem = self.problem
        saves = problem.compute.saves
        return once(saves, name, problem.device, self.generator, make, pack, unpack)

    def _logits(self, samples: Samples, part: Embedded) -> Tensor:
        """The logits (n, k) of the student as it is now."""
        batch = self.config.embed_batch
        problem = self.problem
        exact = problem.compute.exact()
        seen = embed(self.tapped, samples, part.positions, problem.device, batch, compute=exact)
        return seen.logits

    def _embed(self) -> tuple[Embedded, Embedded, Embedded | None]:
        problem, config = self.problem, self.config
        work = [(problem.remaining, config.embedded_samples), (problem.forgotten, 10**12)]
        if problem.holdout is not None and len(problem.holdout):
            work.append((problem.holdout, config.check_samples))
        chosen = [(samples, draw(len(samples), most, self.generator)) for samples, most in work]
        total, ready = sum(len(positions) for _, positions in chosen), 0

        def done(count: int) -> None:
            nonlocal ready
            ready += count
            self.report(Progress("embedding", ready / total))

        def read() -> list[Embedded]:
            return [
                embed(
                    self.tapped,
                    samples,
                    positions,
                    problem.device,
                    config.embed_batch,
                    done,
                    # Densities are fitted to it, and looks are held against it.
                    problem.compute.exact(),
                )
                for samples, positions in chosen
            ]

        parts = self._once("embedded", read, pack_embedded, unpack_embedded)
        return parts[0], parts[1], parts[2] if len(parts) > 2 else None

    def _split(self, remaining: Embedded) -> tuple[Embedded, Embedded]:
        """Remaining samples to fit and train on, and a guard that takes part in neither."""
        guarded = min(len(remaining) // 10, self.config.check_samples)
        if not guarded:
            return remaining, remaining
        order = torch.randperm(len(remaining), generator=self.generator)
        return remaining.take(order[guarded:]), remaining.take(order[:guarded])
