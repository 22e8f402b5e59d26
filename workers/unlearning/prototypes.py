"""A head for encoders that have none: which of a few prototypes is a representation nearest to?

The prototypes are the means of clusters of remaining samples. They belong to one job, and are no
part of what is published.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.unlearning.base import UnlearningError

FEWEST, MOST = 16, 64
SAMPLES_PER_PROTOTYPE = 64
ROUNDS = 50
# How sure a remaining sample's decision is, on average. A surer head says little of where a
# representation lies; a less sure one says little of which prototype is the nearest.
CONFIDENCE = 0.75
HALVINGS = 60
# Squared distances of points of length one that are rounding and nothing else.
ALIKE = 1e-6


class Prototypes(nn.Module):
    """Representations (b, d) -> logits (b, k): minus the squared distance, over the temperature.

    Representations are brought to length one first. The prototypes (k, d) move with the module
    from device to device, and are in no state dict.
    """

    centres: Tensor
    temperature: Tensor

    def __init__(self, centres: Tensor, temperature: float) -> None:
        super().__init__()
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("temperature", torch.tensor(temperature), persistent=False)

    def forward(self, representations: Tensor) -> Tensor:
        # In few bits, differences of squares would be rounding and nothing else.
        with torch.autocast(representations.device.type, enabled=False):
            units = functional.normalize(representations.float(), dim=1)
            return -squared_distances(units, self.centres) / self.temperature


def prototypes_of(representations: Tensor, generator: torch.Generator) -> Prototypes:
    """The head that representations (n, d) of remaining samples lead to.

    Raises:
        UnlearningError: they are all alike.
    """
    units = functional.normalize(representations.float(), dim=1)
    count = max(FEWEST, min(MOST, len(units) // SAMPLES_PER_PROTOTYPE))
    centres = cluster(units, min(count, max(2, len(units) // 2)), generator)
    if len(centres) < 2:
        raise UnlearningError("All remaining samples have one and the same representation.")
    return Prototypes(centres, temperature_for(squared_distances(units, centres)))


def cluster(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """At most `count` means (k, d) of clusters of points (n, d), by Lloyd's algorithm.

    The first means are drawn as k-means++ draws them: with a chance that grows with the square of
    the distance to the nearest one so far (Arthur and Vassilvitskii, SODA 2007).
    """
    first = torch.randint(len(points), (1,), generator=generator)
    centres = points[first]
    while len(centres) < count:
        gaps = squared_distances(points, centres).min(dim=1).values
        if not bool(gaps.max() > ALIKE):
            return centres
        gaps = gaps.clamp(min=0)
        chosen = torch.multinomial(gaps.double(), 1, generator=generator)
        centres = torch.cat([centres, points[chosen]])
    nearest = torch.full((len(points),), -1)
    for _ in range(ROUNDS):
        before, nearest = nearest, squared_distances(points, centres).argmin(dim=1)
        if torch.equal(before, nearest):
            break
        members = functional.one_hot(nearest, len(centres)).to(points.dtype)
        sizes = members.sum(dim=0).unsqueeze(1)
        # A mean that nobody is nearest to stays where it is.
        centres = torch.where(sizes > 0, members.T @ points / sizes.clamp(min=1), centres)
    return centres


def temperature_for(distances: Tensor) -> float:
    """The temperature at which squared distances (n, k) decide with the usual confidence."""
    low, high = 1e-6, 1e3
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        sure = float((-distances.double() / middle).softmax(dim=1).max(dim=1).values.mean())
        low, high = (middle, high) if sure > CONFIDENCE else (low, middle)
    return low


def squared_distances(points: Tensor, centres: Tensor) -> Tensor:
    """Points (n, d), centres (k, d) -> (n, k)."""
    products = points @ centres.T
    return points.square().sum(1, keepdim=True) - 2 * products + centres.square().sum(1)
