"""Moving the parent to the targets, and nothing else of it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.evaluation.agreement import agreement
from workers.unlearning.base import Problem, UnlearningError
from workers.unlearning.batches import cycle
from workers.unlearning.embedding import answer
from workers.unlearning.redirect.config import RedirectConfig
from workers.unlearning.redirect.targets import Targets


@dataclass(frozen=True)
class References:
    """Remaining samples to train on, by position, with the parent's softmax outputs (r, k).

    `near` (n, m) holds, for each forgotten sample, the rows of the ones that the parent finds most
    like it: what an edit of it disturbs first.
    """

    positions: Tensor
    outputs: Tensor
    near: Tensor


@dataclass(frozen=True)
class Guard:
    """Remaining samples that are only watched, by position, with the parent's logits (g, k)."""

    positions: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Look:
    """How far an edit is. `apart` is how far mean confidence is from the targets'."""

    step: int
    agreement: float
    turned: float
    apart: float

    def metrics(self) -> dict[str, float]:
        return {
            "agreement": self.agreement,
            "turned": self.turned,
            "confidence_apart": self.apart,
        }


class Edit:
    """One try after the other, each from the parent, each more careful than the last."""

    def __init__(
        self,
        config: RedirectConfig,
        problem: Problem,
        targets: Targets,
        references: References,
        guard: Guard,
        generator: torch.Generator,
    ) -> None:
        self._config = config
        self._problem = problem
        self._targets = targets
        self._references = references
        self._guard = guard
        self._generator = generator
        self._everyone = torch.arange(len(targets.outputs))
        reserve = config.agreement_reserve * (1 - problem.min_agreement)
        self.floor = problem.min_agreement + reserve

    def attempt(self, caution: float, tell: Callable[[Look], None]) -> tuple[nn.Module, Look]:
        """Edit a copy of the parent; step size and forget weight are multiplied by `caution`.

        It ends when every target is met, when agreement is lost, or after `max_steps`.

        Raises:
            UnlearningError: the loss or its gradient is not finite.
        """
        config = self._config
        student = copy.deepcopy(self._problem.model).to(self._problem.device)
        student.requires_grad_().eval()
        optimizer = torch.optim.Adam(student.parameters(), lr=config.learning_rate * caution)
        forgotten = cycle(len(self._everyone), config.forget_batch, self._generator)
        for step in range(1, config.max_steps + 1):
            loss = self._loss(student, next(forgotten), config.forget_weight * caution)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            norm = nn.utils.clip_grad_norm_(student.parameters(), config.clip_norm)
            if not bool(loss.isfinite() & norm.isfinite()):
                raise UnlearningError("The loss or its gradient is not a finite number.")
            optimizer.step()
            if step % config.check_every and step != config.max_steps:
                continue
            seen = self.look(student, step)
            tell(seen)
            if self.done(seen) or seen.agreement < self.floor:
                break
        return student, seen

    def done(self, look: Look) -> bool:
        return (
            look.turned >= self._config.turned_share and look.apart <= self._config.confidence_slack
        )

    def look(self, student: nn.Module, step: int) -> Look:
        problem, batch = self._problem, self._config.embed_batch
        kept = answer(student, problem.remaining, self._guard.positions, problem.device, batch)
        moved = answer(student, problem.forgotten, self._everyone, problem.device, batch)
        wanted, found = self._targets.outputs, moved.softmax(dim=1)
        return Look(
            step=step,
            agreement=agreement(self._guard.logits, kept),
            turned=agreement(wanted, found),
            apart=abs(float(found.max(dim=1).values.mean() - wanted.max(dim=1).values.mean())),
        )

    def _loss(self, student: nn.Module, gone: Tensor, weight: float) -> Tensor:
        """KL from the parent on remaining samples, and from the targets on forgotten ones."""
        problem, references = self._problem, self._references
        rows = self._remaining_rows(gone)
        inputs = torch.cat(
            [
                problem.remaining.batch(references.positions[rows]),
                problem.forgotten.batch(gone),
            ]
        ).to(problem.device)
        answers = functional.log_softmax(student(inputs).float(), dim=1)
        kept = references.outputs[rows].to(problem.device)
        wanted = self._targets.outputs[gone].to(problem.device)
        keep = functional.kl_div(answers[: len(rows)], kept, reduction="batchmean")
        forget = functional.kl_div(answers[len(rows) :], wanted, reduction="batchmean")
        return keep + weight * forget

    def _remaining_rows(self, gone: Tensor) -> Tensor:
        """Some rows at random, and some that are near the samples of this very step."""
        config, near = self._config, self._references.near[gone].flatten()
        close = round(config.remaining_batch * config.near_share)
        generator = self._generator
        anywhere = torch.randint(
            len(self._references.positions), (config.remaining_batch - close,), generator=generator
        )
        return torch.cat([anywhere, near[torch.randint(len(near), (close,), generator=generator)]])
