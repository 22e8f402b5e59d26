"""What networks say of the samples that are measured, and which of these are alike."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.evaluation.contradiction import contradicted, memory
from workers.statistics.membership import scores
from workers.statistics.neighbours import mean_outputs, near, nearest, nearest_others
from workers.unlearning.embedding import Embedded
from workers.unlearning.features import Block
from workers.unlearning.spaces import choose

NEIGHBOURS = 10
# Where half of the held-out samples play forgotten ones, not all of so many do.
AMONG_UNSEEN = 32


@dataclass(frozen=True)
class View:
    """What a network with fresh weights makes of each set, followed by features of the inputs.

    Its representations are of width `width` + f; `blocks` says what the other f columns are.
    """

    seen: Mapping[str, Embedded]
    width: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Likeness:
    """Rows of the remaining samples that are nearest to each sample, (n, 10) for each set.

    A remaining sample is not its own neighbour. `alike` are rows of the held-out samples nearest to
    each forgotten one and their distances, (n, 1) both; `unseen` of those nearest to each held-out
    one, itself among them, (h, 32). They are near in the space `by`; `contradicted` is as in
    `workers.unlearning.spaces.Space`.
    """

    neighbours: Mapping[str, Tensor]
    alike: tuple[Tensor, Tensor]
    unseen: tuple[Tensor, Tensor]
    by: str
    contradicted: Mapping[str, float]


@dataclass(frozen=True)
class Seen:
    """One network's view of one set: membership scores and memory, (n,) each.

    contradicted: (n,) bool. decided: what each is decided as, and around: what its neighbours are
    decided as, together, (n,) int64 both.
    """

    scores: Mapping[str, Tensor]
    contradicted: Tensor
    decided: Tensor
    around: Tensor


def likeness(view: View, parent: Mapping[str, Embedded]) -> Likeness:
    """In the space where neighbours say most about what the parent decides remaining samples as."""
    names = list(view.seen)
    space = choose(
        [view.seen[name].representations for name in names],
        view.width,
        view.blocks,
        parent["remaining"].logits.softmax(dim=1),
        NEIGHBOURS,
    )
    places = dict(zip(names, space.sets, strict=True))
    references = places["remaining"]
    found = {
        name: nearest(place, references, NEIGHBOURS)
        for name, place in places.items()
        if name != "remaining"
    }
    found["remaining"] = nearest_others(torch.arange(len(references)), references, NEIGHBOURS)
    return Likeness(
        neighbours=found,
        alike=near(places["forgotten"], places["holdout"], 1),
        unseen=near(places["holdout"], places["holdout"], AMONG_UNSEEN),
        by=space.name,
        contradicted=space.contradicted,
    )


def look(answers: Mapping[str, Embedded], like: Likeness) -> dict[str, Seen]:
    """What one network is seen to know of each set; the sets are those of `like`."""
    outputs = {name: answers[name].logits.double().softmax(dim=1) for name in answers}
    seen = {}
    for name, rows in like.neighbours.items():
        said = mean_outputs(outputs["remaining"], rows)
        seen[name] = Seen(
            scores={**scores(answers[name].logits), "memory": memory(outputs[name], said)},
            contradicted=contradicted(outputs[name], said),
            decided=outputs[name].argmax(dim=1),
            around=said.argmax(dim=1),
        )
    return seen
