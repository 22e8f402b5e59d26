"""Reading a network's answers to a set of samples, once, batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workers.unlearning.base import Samples, UnlearningError
from workers.unlearning.inputs import to
from workers.unlearning.tap import Tapped


@dataclass(frozen=True)
class Embedded:
    """What a network says about n samples, in float32 on the CPU.

    Shapes: positions (n,) int64, representations (n, d), logits (n, k).
    """

    positions: Tensor
    representations: Tensor
    logits: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, rows: Tensor) -> "Embedded":
        """The part at `rows` (m,) int64, in that order."""
        return Embedded(self.positions[rows], self.representations[rows], self.logits[rows])


def embed(
    tapped: Tapped,
    samples: Samples,
    positions: Tensor,
    device: torch.device,
    batch_size: int,
    done: Callable[[int], None] = lambda _count: None,
) -> Embedded:
    """Run `samples` at `positions` (n,) int64 through the network, without gradients.

    The network is used in the mode it is in. `done` hears the size of every finished batch.

    Raises:
        UnlearningError: an answer is not finite.
    """
    representations: list[Tensor] = []
    logits: list[Tensor] = []
    with torch.no_grad():
        for chunk in torch.split(positions, batch_size):
            seen, answer = tapped(to(samples.batch(chunk), device))
            representations.append(seen.float().cpu())
            logits.append(answer.float().cpu())
            done(len(chunk))
    embedded = Embedded(positions, torch.cat(representations), torch.cat(logits))
    _refuse_what_is_not_finite(embedded.representations, embedded.logits)
    return embedded


def answer(
    model: nn.Module,
    samples: Samples,
    positions: Tensor,
    device: torch.device,
    batch_size: int,
    done: Callable[[int], None] = lambda _count: None,
) -> Tensor:
    """The logits (n, k) alone, in float32 on the CPU: `embed` for where that is enough.

    Raises:
        UnlearningError: an answer is not finite.
    """
    logits: list[Tensor] = []
    with torch.no_grad():
        for chunk in torch.split(positions, batch_size):
            logits.append(model(to(samples.batch(chunk), device)).float().cpu())
            done(len(chunk))
    answers = torch.cat(logits)
    _refuse_what_is_not_finite(answers)
    return answers


def _refuse_what_is_not_finite(*tensors: Tensor) -> None:
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise UnlearningError(
            "The model's answers are not finite numbers: nothing can be unlearned."
        )


def draw(count: int, at_most: int, generator: torch.Generator) -> Tensor:
    """Positions 0 to `count` - 1, or a sorted random draw of `at_most` of them -> (n,) int64."""
    if count <= at_most:
        return torch.arange(count)
    return torch.randperm(count, generator=generator)[:at_most].sort().values
