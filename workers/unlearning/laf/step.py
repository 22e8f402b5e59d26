"""One optimiser step of LAF, and the batches it is made of."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workers.unlearning.base import Problem, UnlearningError
from workers.unlearning.batches import Cycle, Pair
from workers.unlearning.copying import learnable
from workers.unlearning.embedding import Embedded
from workers.unlearning.inputs import to
from workers.unlearning.laf import losses
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.laf.modelling import Models, Standard
from workers.unlearning.resuming import (
    named,
    optimizer_state,
    random_state,
    restore_optimizer,
    restore_random_state,
    under,
)
from workers.unlearning.savepoints import Saved
from workers.unlearning.tap import Tapped


def extractor_parameters(
    tapped: Tapped, problem: Problem, *, train_head: bool
) -> list[nn.Parameter]:
    """The weights that the representation depends on, or all, found by one backward pass.

    Raises:
        UnlearningError: the representation depends on no weight.
    """
    parameters = learnable(tapped.model)
    example = to(problem.remaining.batch(torch.zeros(1, dtype=torch.int64)), problem.device)
    representation, _ = tapped(example)
    if not representation.requires_grad:
        raise UnlearningError(
            "No weight lies before the representation: there is nothing to train."
        )
    # With `allow_unused` a slope may be None, which the type stubs of torch do not say.
    slopes: Sequence[Tensor | None] = torch.autograd.grad(
        representation.sum(), parameters, allow_unused=True
    )
    return [
        parameter
        for parameter, slope in zip(parameters, slopes, strict=True)
        if train_head or slope is not None
    ]


class Stepper:
    """Holds the optimiser and takes steps; both kinds of samples share one forward pass."""

    def __init__(
        self,
        config: LafConfig,
        problem: Problem,
        tapped: Tapped,
        trained: list[nn.Parameter],
        models: Models,
        standard: Standard,
        forgotten: Embedded,
        remaining: Embedded,
        generator: torch.Generator,
    ) -> None:
        self._config = config
        self._problem = problem
        self._tapped = tapped
        self._trained = trained
        self._models = models
        self._standard = standard
        self._forgotten = forgotten
        self._remaining = remaining
        self._generator = generator
        self._forgotten_rows = Cycle(len(forgotten), config.forget_batch, generator)
        self._remaining_rows = Cycle(len(remaining), config.remaining_batch, generator)
        self.forget_weight = config.forget_weight
        self.learning_rate = config.learning_rate
        self.restart(1.0)

    def restart(self, factor: float) -> None:
        """Multiply forget weight and learning rate by `factor`; begin with a fresh optimiser.

        Both: where the data are hard, the noise of the steps themselves breaks agreement, however
        little is asked of the forgotten samples.
        """
        self.forget_weight *= factor
        self.learning_rate *= factor
        self._optimizer = torch.optim.Adam(self._trained, lr=self.learning_rate)

    def state(self) -> Saved:
        """Everything that later steps depend on, but for the weights."""
        optimizer = optimizer_state(self._optimizer)
        rows = {"forgotten": self._forgotten_rows.left, "remaining": self._remaining_rows.left}
        randomness = random_state(self._problem.device, self._generator)
        facts = {"forget_weight": self.forget_weight, "learning_rate": self.learning_rate}
        tensors = optimizer.tensors | named("rows", rows) | randomness
        return Saved(tensors, optimizer.facts | facts)

    def restore(self, saved: Saved) -> None:
        self.forget_weight = saved.facts["forget_weight"]
        self.learning_rate = saved.facts["learning_rate"]
        self.restart(1.0)
        restore_optimizer(self._optimizer, saved)
        rows = under("rows", saved.tensors)
        self._forgotten_rows.left = rows["forgotten"]
        self._remaining_rows.left = rows["remaining"]
        restore_random_state(saved.tensors, self._problem.device, self._generator)

    def step(self) -> dict[str, Tensor]:
        """Take one step -> the parts of the loss, detached, shape ().

        Raises:
            UnlearningError: the loss or its gradient is not finite.
        """
        both = Pair(next(self._remaining_rows), next(self._forgotten_rows))
        # Drawn for the whole batch, so that its parts add up to it.
        centres = self._models.forgotten.centres(self._standard_of(self._forgotten, both.gone))

        def part(places: Tensor) -> Tensor:
            some = both.at(places)
            theirs = centres[places[places >= len(both.kept)] - len(both.kept)]
            remaining, forgotten = self._losses(some, theirs)
            return torch.stack(
                [
                    remaining * (len(some.kept) / len(both.kept)),
                    forgotten * (len(some.gone) / len(both.gone)),
                ]
            )

        compute, weights = self._problem.compute, (1.0, self.forget_weight)
        parts = compute.backward(self._trained, len(both), part, weights)
        norm = nn.utils.clip_grad_norm_(self._trained, self._config.clip_norm)
        if not bool(parts.isfinite().all() & norm.isfinite()):
            raise UnlearningError("The loss or its gradient is not a finite number.")
        self._optimizer.step()
        return {"remaining": parts[0], "forgotten": parts[1]}

    def _standard_of(self, part: Embedded, rows: Tensor) -> Tensor:
        return self._standard(part.representations[rows].to(self._problem.device))

    def _losses(self, both: Pair, centres: Tensor) -> tuple[Tensor, Tensor]:
        """The mean losses of some of a step's samples; 0 where there are none of a kind."""
        config, models, problem = self._config, self._models, self._problem
        positions = Pair(self._remaining.positions[both.kept], self._forgotten.positions[both.gone])
        inputs = problem.compute.place(positions.inputs(problem), problem.device)
        with problem.compute.autocast(problem.device):
            representations, logits = self._tapped(inputs)
        kept = len(both.kept)
        x, y = self._standard(representations.float()).tensor_split([kept])
        remaining = forgotten = x.new_zeros(())
        if kept:
            x0 = self._standard_of(self._remaining, both.kept)
            before = self._remaining.logits[both.kept].to(problem.device)
            error = models.remaining.error(x, x0)
            remaining = (
                config.keep_weight * losses.extractor_pull(error, models.scale)
                + config.align_weight * losses.displacement(x, x0, config.distance_weight).mean()
                + config.output_weight * losses.output_drift(logits[:kept].float(), before)
            )
        if len(both.gone):
            y0 = self._standard_of(self._forgotten, both.gone)
            forgotten = losses.extractor_pull(
                models.remaining.error(y, y0), models.scale
            ) + losses.extractor_push(models.forgotten.error(y, centres), models.scale, models.far)
        return remaining, forgotten
