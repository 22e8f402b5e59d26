"""Training the student: a one-cycle schedule, and most of the time for what is not known yet."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.unlearning.base import Problem, UnlearningError
from workers.unlearning.copying import learnable
from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.distil.teacher import Targets
from workers.unlearning.inputs import channels_last, to
from workers.unlearning.precision import Forward, in_training
from workers.unlearning.resuming import (
    named,
    optimizer_state,
    random_state,
    restore_optimizer,
    restore_random_state,
    under,
)
from workers.unlearning.savepoints import Saved


def loss_of(logits: Tensor, decisions: Tensor, soft: Tensor, hardness: float) -> Tensor:
    """The loss per sample: h CE(decision, student) + (1 - h) KL(parent || student).

    Logits (b, k), decisions (b,), softmax targets (b, k) -> (b,).
    """
    log_student = functional.log_softmax(logits, dim=1)
    hard = functional.nll_loss(log_student, decisions, reduction="none")
    if hardness == 1.0:
        return hard
    soft_part = functional.kl_div(log_student, soft, reduction="none").sum(dim=1)
    return hardness * hard + (1.0 - hardness) * soft_part


class Sampler:
    """Batches of rows, in passes: a pass has each row at most once, and few of the easy ones.

    A row with the loss l is in a pass with the chance min(1, max(easy_share, l / easy_loss)), by
    the loss that it had when it was seen last. A network knows most samples after two passes;
    the steps that are left do more for the others.
    """

    def __init__(self, count: int, config: DistilConfig, generator: torch.Generator) -> None:
        self._config = config
        self._generator = generator
        self._losses = torch.full((count,), math.inf)
        self._size = config.batch_of(count)
        self._rows = torch.empty(0, dtype=torch.int64)

    def batch(self) -> Tensor:
        """The next rows. What does not fill a batch waits for the next pass: none is short."""
        while len(self._rows) < self._size:
            self._rows = torch.cat([self._rows, self._pass()])
        rows, self._rows = self._rows[: self._size], self._rows[self._size :]
        return rows

    def _pass(self) -> Tensor:
        chosen = torch.arange(len(self._losses))
        if self._config.easy_loss:
            chances = self._losses / self._config.easy_loss
            draws = torch.rand(len(chances), generator=self._generator)
            chosen = chosen[draws < chances.clamp(self._config.easy_share, 1.0)]
        return chosen[torch.randperm(len(chosen), generator=self._generator)]

    def state(self) -> dict[str, Tensor]:
        return {"losses": self._losses, "rows": self._rows}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._losses, self._rows = state["losses"], state["rows"]

    def learned(self, rows: Tensor, losses: Tensor) -> None:
        """Remember the losses (b,) of the rows (b,) that were just trained on."""
        self._losses[rows] = losses


@dataclass(frozen=True)
class Lesson:
    """One cycle of the schedule: so many steps, with this largest step size."""

    steps: int
    learning_rate: float


class Student:
    """A network in training. The network is changed in place."""

    def __init__(
        self,
        config: DistilConfig,
        problem: Problem,
        model: nn.Module,
        targets: Targets,
        generator: torch.Generator,
    ) -> None:
        self._config = config
        self._problem = problem
        self._model = model
        self._targets = targets
        self._generator = generator
        self._sampler = Sampler(len(targets.decisions), config, generator)
        self._optimizer: torch.optim.Optimizer | None = None
        self._resumed: Saved | None = None

    def state(self) -> Saved:
        """What `restore` needs in the middle of a lesson."""
        assert self._optimizer is not None  # noqa: S101 (a lesson is under way)
        optimizer = optimizer_state(self._optimizer)
        tensors = (
            optimizer.tensors
            | named("model", self._model.state_dict())
            | named("sampler", self._sampler.state())
            | random_state(self._problem.device, self._generator)
        )
        return Saved(tensors, optimizer.facts)

    def restore(self, saved: Saved) -> None:
        """Be where a student was whose run was killed; the next lesson is the one it was in."""
        self._model.load_state_dict(under("model", saved.tensors))
        self._sampler.restore(under("sampler", saved.tensors))
        restore_random_state(saved.tensors, self._problem.device, self._generator)
        self._resumed = saved

    def learn(self, lesson: Lesson, begun: int = 0) -> Iterator[float]:
        """Take the lesson's steps, of which `begun` were taken before; gives the loss of each.

        Raises:
            UnlearningError: a loss or a gradient is not finite.
        """
        config = self._config
        weights = learnable(self._model)
        self._optimizer = optimizer = torch.optim.AdamW(
            weights,
            lr=lesson.learning_rate,
            betas=(0.9, config.beta2),
            weight_decay=config.weight_decay,
            fused=True,
        )
        total = lesson.steps + 1
        # Of less than one step, the way up has no length to divide by.
        rising = max(0.2, 2 / total)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, lesson.learning_rate, total_steps=total, pct_start=rising
        )
        if self._resumed is not None:
            restore_optimizer(optimizer, self._resumed)
            schedule.load_state_dict({"last_epoch": begun, "_step_count": begun + 1})
            self._resumed = None
        forward = self._problem.compute.forward(self._model, lesson.steps)
        self._model.train()
        for _ in range(begun, lesson.steps):
            loss = self._backward(forward, weights, self._sampler.batch())
            norm = nn.utils.clip_grad_norm_(weights, config.clip_norm)
            if not bool(loss.isfinite() & norm.isfinite()):
                raise UnlearningError("The student's loss or its gradient is not a finite number.")
            optimizer.step()
            schedule.step()
            yield float(loss)
        self._problem.compute.ranks.agree_on(self._model)
        self._model.eval()

    def _backward(self, forward: Forward, weights: list[nn.Parameter], rows: Tensor) -> Tensor:
        """Gradients of the mean loss of a batch -> that loss (), the same in all processes."""
        compute, losses = self._problem.compute, torch.zeros(len(rows))

        def part(places: Tensor) -> Tensor:
            found = self._losses(forward, rows[places])
            losses[places] = found.detach().float().cpu()
            return found.mean().reshape(1) * (len(places) / len(rows))

        loss = compute.backward(weights, len(rows), part)[0]
        compute.ranks.add_up(losses)
        self._sampler.learned(rows, losses)
        return loss

    def _losses(self, forward: Forward, rows: Tensor) -> Tensor:
        device = self._problem.device
        inputs = to(self._problem.remaining.batch(rows), device)
        with self._problem.compute.autocast(device):
            logits = in_training(forward, channels_last(inputs))
        return loss_of(
            logits.float(),
            self._targets.decisions[rows].to(device),
            self._targets.soft[rows].to(device),
            self._config.hardness,
        )
