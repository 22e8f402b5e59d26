"""What an unlearning method gets, gives back, and how it is found by name.

Notation for tensor shapes, used in all of `workers.unlearning` and `workers.evaluation`:
    b: batch size    n: samples in a set    d: width of the representation    k: classes
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from workers.unlearning.compute import Compute
from workers.unlearning.errors import ParameterError as ParameterError
from workers.unlearning.errors import UnlearningError as UnlearningError
from workers.unlearning.inputs import Inputs
from workers.unlearning.work import Work

# What an audit can find, each level more than the one before it.
LEVELS = ("none", "utility", "membership", "robust")


class Samples(Protocol):
    """A finite set of unlabelled inputs, read by position. It may lie on disk."""

    def __len__(self) -> int: ...

    def batch(self, positions: Tensor) -> Inputs:
        """The inputs at `positions` (b,) int64, on the CPU; of one tensor (b, ...) float32."""
        ...


@dataclass(frozen=True)
class Tap:
    """Where in a network the representation is read: what enters or leaves `module`.

    `module` is a dotted name as in `nn.Module.named_modules`.
    """

    module: str
    side: Literal["input", "output"]


@dataclass(frozen=True)
class Problem:
    """One unlearning problem. It holds no labels, so no method can read any.

    `fresh` builds the network anew, with weights that no sample has had a part in. They come from
    torch's global random state, for the caller to seed; where the problem is `warm`, most of them
    are those that the parent's own training began with.
    `min_agreement` (0 to 1) is the smallest share of remaining samples on which the unlearned
    model must predict what its parent predicts; with `fixed_floor` an operator has set it, and
    else a method may stop at what a network that is trained anew would reach. `parameters` are
    the method's own knobs. `compute` says how networks are run; it does not change what is wanted.
    `encodes` says that the representation is what the network is used for, and that its logits are
    those of prototypes.
    `origin` is the network that the parent is an edit of, over one request or several. `guide` is
    a result that may guide an edit, if there is one already. `judge` says how good a result is: a
    method that tries others asks it. `target_level` is the one of `LEVELS` that is asked for.
    """

    model: nn.Module
    fresh: Callable[[], nn.Module]
    tap: Tap
    remaining: Samples
    forgotten: Samples
    holdout: Samples | None
    device: torch.device
    seed: int
    min_agreement: float
    parameters: Mapping[str, Any] = field(default_factory=dict)
    compute: Compute = field(default_factory=Compute)
    encodes: bool = False
    warm: bool = False
    origin: nn.Module | None = None
    guide: "Unlearned | None" = None
    judge: "Judge | None" = None
    target_level: str = "membership"
    fixed_floor: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a run is: `fraction` of the phase's work (0 to 1), and figures worth plotting."""

    phase: Literal["embedding", "modelling", "unlearning"]
    fraction: float
    metrics: Mapping[str, float] = field(default_factory=dict)


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Unlearned:
    """The unlearned model, and what is needed to do the same again.

    `parameters` are all the knobs as they were used, defaults included; `summary` says in plain
    JSON what happened. Neither holds anything made from a sample's content. `reached` says whether
    the method came to its own end, by its own measure: it is no proof, and the audit asks again.
    `edited` says that the model is the parent with some of its answers changed. `guides` says that
    it has learnt the parent's answers to remaining samples only, and so well that it can tell what
    the parent would say of the forgotten ones if it had never seen them.
    """

    model: nn.Module
    method: str
    parameters: Mapping[str, Any]
    summary: Mapping[str, Any]
    reached: bool = True
    edited: bool = False
    guides: bool = False


@dataclass(frozen=True)
class Judgement:
    """What a judge finds in a result.

    `kept` says that the model is as useful as its parent. `level` is the highest of `LEVELS` that
    was found, and `held_back` has a sentence for each check that failed on the way to the next one.
    `facts` are what was measured, in plain JSON. `highest` is the level beyond which nothing can be
    measured here. `near` (0 to 1) orders results that are not kept: the larger, the nearer.
    """

    kept: bool
    level: str
    held_back: tuple[str, ...]
    facts: Mapping[str, Any]
    highest: str = "membership"
    near: float = 0.0


class Judge(Protocol):
    """Holds one result after the other against the parent, each on the same samples."""

    def look(self, model: nn.Module) -> Judgement:
        """Measure `model`, which stays as it is. All processes of a job must ask.

        Raises:
            UnlearningError: the model's answers cannot be used.
        """
        ...


@dataclass(frozen=True)
class Offer:
    """What a method would do about a problem, with its defaults: what `auto` has to know of it.

    `last_resort` says that it is tried after all others, whatever it costs, and only while no other
    result is as useful as the parent. `needs_guide` says that it is tried only where the problem
    has a guide.
    """

    work: Work
    last_resort: bool = False
    needs_guide: bool = False


class Method(Protocol):
    """An unlearning method. `problem.model` is the parent: it must come back unchanged."""

    name: str

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Refuse parameters that `unlearn` would refuse, before anything is computed.

        Raises:
            ParameterError: a name is unknown, or a value has the wrong type or lies out of range.
        """
        ...

    def offer(self, problem: Problem) -> Offer | None:
        """What it would do about `problem`; None if the problem does not suit it.

        It reads sizes only, and no sample.
        """
        ...

    def unlearn(self, problem: Problem, report: Report) -> Unlearned: ...
