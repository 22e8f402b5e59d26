"""Adam without the compiler that torch's optimisers import when the first one is made.

That import takes two seconds of a processor, as much as an edit of ten samples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

BETAS, EPSILON = (0.9, 0.999), 1e-8


class Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980) by torch's own kernel, a step size for each weight.

    `rates` has a step size for each of `weights`. A weight without a gradient stays where it is.
    The kernel goes through weights, gradients and moments in the order in which they lie in memory,
    so that moments are laid out as weights are.
    """

    def __init__(self, weights: Sequence[nn.Parameter], rates: Sequence[float]) -> None:
        self._weights = list(weights)
        self._rates = list(rates)
        self._first = [torch.zeros_like(weight) for weight in self._weights]
        self._second = [torch.zeros_like(weight) for weight in self._weights]
        self._steps = [torch.zeros((), device=weight.device) for weight in self._weights]

    @torch.no_grad()
    def step(self, share: float = 1.0) -> None:
        """Move the weights by their gradients, with this `share` (0 to 1) of their step sizes."""
        for rate in sorted(set(self._rates)):
            chosen = [
                number
                for number, weight in enumerate(self._weights)
                if weight.grad is not None and self._rates[number] == rate
            ]
            if chosen:
                self._move(chosen, rate * share)

    def _move(self, chosen: list[int], rate: float) -> None:
        def of(values: Sequence[Tensor | None]) -> list[Tensor]:
            return [value for number in chosen if (value := values[number]) is not None]

        adam(
            of(self._weights),
            of([weight.grad for weight in self._weights]),
            of(self._first),
            of(self._second),
            [],
            of(self._steps),
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """Moments and counts of steps by name, for `restore`."""
        return {
            f"{name}/{number}": value
            for name, values in self._moments().items()
            for number, value in enumerate(values)
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`.

        Raises:
            KeyError: it is the state of other weights.
        """
        for name, values in self._moments().items():
            for number, value in enumerate(values):
                value.copy_(state[f"{name}/{number}"])

    def _moments(self) -> dict[str, list[Tensor]]:
        return {"first": self._first, "second": self._second, "steps": self._steps}
