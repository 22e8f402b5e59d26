"""Small networks of uncommon forms, for images (b, 1, 8, 8) of ten classes."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

WIDTH, CLASSES = 16, 10


class Named(NamedTuple):
    auxiliary: Tensor
    logits: Tensor


@dataclass
class Told:
    logits: Tensor
    loss: None = None


def rectified(states: Tensor) -> Tensor:
    return states.relu()


class Plain(nn.Module):
    """What the others change one part of."""

    def __init__(self) -> None:
        super().__init__()
        self.body: nn.Module = nn.Linear(64, WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, images: Tensor) -> Any:
        return self.head(self.embed(images))

    def embed(self, images: Tensor) -> Tensor:
        return rectified(self.body(images.flatten(start_dim=1)))


class WithOldWeightNorm(Plain):
    """The weight that its hook makes is no leaf: a deep copy of it fails after a step."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.body = nn.utils.weight_norm(self.body)


class WithHookOnItself(Plain):
    """A deep copy of it would go on using the original's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(WIDTH))
        self.body.register_forward_hook(lambda _module, _inputs, output: output + self.shift)


class WithFunctionOfItself(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.project: Callable[[Tensor], Any] = lambda images: self.body(
            images.flatten(start_dim=1)
        )

    def embed(self, images: Tensor) -> Tensor:
        return rectified(self.project(images))


class KeepsItsLast(Plain):
    """What it has seen last is kept, as for a picture of what it looked at."""

    def embed(self, images: Tensor) -> Tensor:
        self.seen = super().embed(images)
        return self.seen


class AuxiliaryInTraining(Plain):
    """As Inception and GoogLeNet do."""

    def __init__(self) -> None:
        super().__init__()
        self.auxiliary = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, CLASSES))

    def forward(self, images: Tensor) -> Any:
        seen = self.embed(images)
        logits = self.head(seen)
        return Named(self.auxiliary(seen), logits) if self.training else logits


class Tuple(Plain):
    def forward(self, images: Tensor) -> Any:
        seen = self.embed(images)
        return self.head(seen), seen


class Dict(Plain):
    def forward(self, images: Tensor) -> Any:
        seen = self.embed(images)
        return {"features": seen, "logits": self.head(seen)}


class DataClass(Plain):
    def forward(self, images: Tensor) -> Any:
        return Told(self.head(self.embed(images)))


class ChangesItsInputs(Plain):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images.sub_(0.5))


class Recurrent(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.LSTM(8, WIDTH, num_layers=2, dropout=0.5, batch_first=True)

    def embed(self, images: Tensor) -> Tensor:
        return rectified(self.body(images.squeeze(1))[0][:, -1])


class Counting(Plain):
    """It counts; it has frozen tables, a weight that is not used, and two that are one."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.order = nn.Parameter(torch.arange(64).flip(0), requires_grad=False)
        self.table = nn.Parameter(torch.ones(64), requires_grad=False)
        self.unused = nn.Parameter(torch.ones(3))
        self.again = self.body

    def embed(self, images: Tensor) -> Tensor:
        self.calls += 1
        return rectified(self.again(images.flatten(start_dim=1)[:, self.order] * self.table))


class NormOfBatch(Plain):
    """Of one sample alone, its norm knows no deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(WIDTH)

    def embed(self, images: Tensor) -> Tensor:
        states: Tensor = self.norm(super().embed(images))
        return states


class Squeezing(Plain):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images).squeeze()


class OfOneSize(Plain):
    """It goes on from a state of the batch before."""

    def __init__(self) -> None:
        super().__init__()
        self.state: Tensor | None = None

    def embed(self, images: Tensor) -> Tensor:
        seen = super().embed(images)
        self.state = seen.detach() if self.state is None else self.state
        return seen + 0.0 * self.state


class WithoutGradients(Plain):
    @torch.no_grad()
    def forward(self, images: Tensor) -> Any:
        return super().forward(images)


class OtherwiseInTraining(Plain):
    def forward(self, images: Tensor) -> Any:
        seen = self.embed(images)
        return seen.sum() if self.training else self.head(seen)


class Lazy(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.late = UninitializedParameter()


class Complex(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.waves = nn.Parameter(torch.ones(2, dtype=torch.complex64))


class Doubled(Plain):
    """In double precision, which the samples are not in."""

    def __init__(self) -> None:
        super().__init__()
        self.double()


FORMS: dict[str, Callable[[], nn.Module]] = {
    form.__name__: form
    for form in (
        Plain,
        WithOldWeightNorm,
        WithHookOnItself,
        WithFunctionOfItself,
        KeepsItsLast,
        AuxiliaryInTraining,
        Tuple,
        Dict,
        DataClass,
        ChangesItsInputs,
        Recurrent,
        Counting,
        NormOfBatch,
        Squeezing,
        OfOneSize,
        WithoutGradients,
        OtherwiseInTraining,
        Lazy,
        Complex,
        Doubled,
    )
}
ONE = Plain()


def network(form: str) -> nn.Module:
    return FORMS[form]()


def one_for_all() -> nn.Module:
    """The same each time."""
    return ONE
