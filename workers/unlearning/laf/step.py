"""One optimiser step of LAF, and the batches it is made of."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workers.unlearning.base import Problem, UnlearningError
from workers.unlearning.batches import cycle
from workers.unlearning.embedding import Embedded
from workers.unlearning.inputs import join, to
from workers.unlearning.laf import losses
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.laf.modelling import Models, Standard
from workers.unlearning.tap import Tapped


def extractor_parameters(
    tapped: Tapped, problem: Problem, *, train_head: bool
) -> list[nn.Parameter]:
    """The weights that the representation depends on, or all, found by one backward pass.

    Raises:
        UnlearningError: the representation depends on no weight.
    """
    parameters = list(tapped.model.parameters())
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
        self._forgotten_rows = cycle(len(forgotten), config.forget_batch, generator)
        self._remaining_rows = cycle(len(remaining), config.remaining_batch, generator)
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

    def step(self) -> dict[str, Tensor]:
        """Take one step -> the parts of the loss, detached, shape ().

        Raises:
            UnlearningError: the loss or its gradient is not finite.
        """
        parts = self._loss()
        loss = parts["remaining"] + self.forget_weight * parts["forgotten"]
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self._trained, self._config.clip_norm)
        if not bool(loss.isfinite() & norm.isfinite()):
            raise UnlearningError("The loss or its gradient is not a finite number.")
        self._optimizer.step()
        return {name: part.detach() for name, part in parts.items()}

    def _loss(self) -> dict[str, Tensor]:
        config, models, device = self._config, self._models, self._problem.device
        kept = self._remaining.take(next(self._remaining_rows))
        gone = self._forgotten.take(next(self._forgotten_rows))
        inputs = join(
            [
                self._problem.remaining.batch(kept.positions),
                self._problem.forgotten.batch(gone.positions),
            ]
        )
        representations, logits = self._tapped(to(inputs, device))
        x, y = torch.split(self._standard(representations.float()), [len(kept), len(gone)])
        x0 = self._standard(kept.representations.to(device))
        y0 = self._standard(gone.representations.to(device))

        remaining = (
            config.keep_weight * losses.extractor_pull(models.remaining.error(x, x0), models.scale)
            + config.align_weight * losses.displacement(x, x0, config.distance_weight).mean()
            + config.output_weight
            * losses.output_drift(logits[: len(kept)].float(), kept.logits.to(device))
        )
        forgotten = losses.extractor_pull(
            models.remaining.error(y, y0), models.scale
        ) + losses.extractor_push(models.forgotten.error(y, y0), models.scale, models.far)
        return {"remaining": remaining, "forgotten": forgotten}
