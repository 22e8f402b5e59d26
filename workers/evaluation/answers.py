"""What networks say of the samples that are measured, and which of these are alike."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.evaluation.contradiction import contradicted, memory
from workers.evaluation.membership import scores
from workers.unlearning.embedding import Embedded
from workers.unlearning.neighbours import nearest, standardised

NEIGHBOURS = 10


@dataclass(frozen=True)
class Likeness:
    """Rows of the remaining samples that are nearest to each sample, (n, 10) for each set.

    A remaining sample is not its own neighbour. `alike` (n,) is the held-out sample nearest to each
    forgotten one, and `apart` (n,) its distance.
    """

    neighbours: Mapping[str, Tensor]
    alike: Tensor
    apart: Tensor


@dataclass(frozen=True)
class Seen:
    """One network's view of one set: membership scores and memory, (n,) each.

    contradicted: (n,) bool.
    """

    scores: Mapping[str, Tensor]
    contradicted: Tensor


def likeness(view: Mapping[str, Embedded]) -> Likeness:
    """By a network with fresh weights, which has seen no sample."""
    names = list(view)
    spaces = dict(
        zip(names, standardised([view[name].representations for name in names]), strict=True)
    )
    references = spaces["remaining"]
    found = {
        name: nearest(space, references, NEIGHBOURS)
        for name, space in spaces.items()
        if name != "remaining"
    }
    found["remaining"] = _others(references)
    alike = nearest(spaces["forgotten"], spaces["holdout"], 1).squeeze(1)
    apart = (spaces["forgotten"] - spaces["holdout"][alike]).norm(dim=1)
    return Likeness(found, alike, apart)


def _others(references: Tensor) -> Tensor:
    """The nearest references of each reference, itself left out where there are others."""
    found = nearest(references, references, NEIGHBOURS + 1)
    own = found == torch.arange(len(references)).unsqueeze(1)
    last = own.to(torch.uint8).argsort(dim=1, stable=True)
    return found.gather(1, last[:, : max(1, found.shape[1] - 1)])


def look(answers: Mapping[str, Embedded], like: Likeness) -> dict[str, Seen]:
    """What one network is seen to know of each set; the sets are those of `like`."""
    outputs = {name: answers[name].logits.double().softmax(dim=1) for name in answers}
    seen = {}
    for name, rows in like.neighbours.items():
        said = outputs["remaining"][rows].mean(dim=1)
        seen[name] = Seen(
            scores={**scores(answers[name].logits), "memory": memory(outputs[name], said)},
            contradicted=contradicted(outputs[name], said),
        )
    return seen
