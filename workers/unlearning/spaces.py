"""Spaces in which samples that are alike lie near each other, made without any forgotten one.

How well a network with fresh weights tells inputs apart depends on its architecture: convolutions
do it as well as pixels do, untrained attention hardly does it. So its view, the inputs themselves,
and both together are tried on remaining samples. Both are taken, unless the neighbours in one alone
say what the parent says clearly more often. What is forgotten has no part in the choice either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from workers.statistics.neighbours import other_outputs, standardised
from workers.unlearning.features import Block, features
from workers.unlearning.inputs import Inputs, to
from workers.unlearning.tap import Tapped

NETWORK, INPUTS, BOTH = "network", "inputs", "network and inputs"
# Remaining samples that are asked whether their neighbours contradict them, and those among which
# neighbours are looked for meanwhile. At 1,000, the standard error of a share is 0.016 at most.
ASKED, AMONG = 1000, 2000
# Standard errors of a share by which one space must be better than both together.
CLEARLY = 2.0


class WithFeatures:
    """A tapped network whose representations are followed by features of its inputs."""

    def __init__(self, tapped: Tapped) -> None:
        self._tapped = tapped

    def __call__(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Inputs of b samples -> representation and features (b, d + f), and logits (b, k)."""
        representation, logits = self._tapped(inputs)
        with torch.autocast(representation.device.type, enabled=False):
            told, _ = features(to(inputs, torch.device("cpu")))
        # What a network makes of inputs that are no numbers is for the network to say.
        told = told.nan_to_num(0.0, 0.0, 0.0)
        own = representation.float()
        return torch.cat([own, told.to(own.device)], dim=1), logits


@dataclass(frozen=True)
class Space:
    """The space that was chosen, and where samples lie in it: (n, s) of each set.

    contradicted: by the name of each space that was tried, the share of remaining samples that the
    parent decides otherwise than their neighbours there.
    """

    name: str
    sets: list[Tensor]
    contradicted: dict[str, float]


def choose(
    seen: Sequence[Tensor], width: int, blocks: Sequence[Block], outputs: Tensor, neighbours: int
) -> Space:
    """The space in which neighbours say most about what a sample is decided as.

    Args:
        seen: what `WithFeatures` told of each set, (n, d + f); the first is remaining samples. It
            is overwritten: the sets of the space are views of it.
        width: d, that of the network's representation.
        blocks: what the other columns are.
        outputs: the parent's softmax outputs (r, k) for the remaining samples.
        neighbours: how many of them are asked.
    """
    names = (NETWORK, INPUTS, BOTH) if blocks else (NETWORK,)
    # Drawn, for a dataset may lie class by class, or class after class.
    drawn = torch.Generator().manual_seed(0)
    among = torch.randperm(len(outputs), generator=drawn)[:AMONG]
    asked = torch.arange(min(ASKED, len(among)))
    contradicted = {}
    for name in names:
        (references,) = locate([seen[0][among]], width, blocks, name)
        said = other_outputs(asked, references, outputs[among], neighbours)
        decided = outputs[among][asked].argmax(dim=1)
        contradicted[name] = float((decided != said.argmax(dim=1)).double().mean())
    best = min(names, key=lambda name: contradicted[name])
    together = contradicted.get(BOTH, 1.0)
    if together - contradicted[best] <= CLEARLY * (together * (1 - together) / len(asked)) ** 0.5:
        best = BOTH if blocks else NETWORK
    return Space(best, locate(seen, width, blocks, best), contradicted)


def locate(seen: Sequence[Tensor], width: int, blocks: Sequence[Block], name: str) -> list[Tensor]:
    """Where the sets lie in the space of that name, as views of `seen`, which is overwritten.

    All scales are those of the first set. These tables are large: hardly more is held at once.
    """
    at = 0 if name == NETWORK else width
    end = width if name == NETWORK else width + sum(block.width for block in blocks)
    if name != INPUTS:
        _weigh([one[:, :width] for one in seen], None, 1.0)
    for block in blocks if name != NETWORK else ():
        _weigh([one[:, at : at + block.width] for one in seen], block, len(blocks) ** -0.5)
        at += block.width
    return [one[:, width if name == INPUTS else 0 : end] for one in seen]


def _weigh(columns: list[Tensor], block: Block | None, weight: float) -> None:
    """Rewrite columns (n, w) of one kind so that distances between them mean something.

    Tokens by their inverse document frequency (Spärck Jones, Journal of Documentation 28, 1972),
    and a text by its direction alone. Pixels are of one unit already; anything else is
    standardised. Then all are moved to the first one's mean, and a mean squared distance from it of
    weight².
    """
    if block is not None and block.kind == "tokens":
        first = columns[0]
        rarity = torch.log((1 + len(first)) / (1 + (first > 0).sum(dim=0)))
        for one in columns:
            one.copy_(functional.normalize(one.log1p() * rarity, dim=1))
    elif block is None or block.kind != "pixels":
        for one, better in zip(columns, standardised(columns), strict=True):
            one.copy_(better)
    mean, spread = columns[0].mean(dim=0), columns[0].var(dim=0, correction=0).sum().sqrt()
    scale = weight / spread if spread > 0 else torch.tensor(0.0)
    for one in columns:
        one.sub_(mean).mul_(scale)
