"""Parents of each family as they are registered, made once a session, and runs in this process.

A process of its own a run costs seconds of importing, and `tests/workers/runner` pays that already.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from service.core.settings import Settings
from tests.workers.pretrained.data import HELD_OUT, TRAINED
from tests.workers.pretrained.families import FAMILIES, Family, seeded
from tests.workers.pretrained.training import train
from tests.workers.runner.plans import first_step, registration
from workers.architectures.pretrained import Pretrained
from workers.plan import (
    FORGOTTEN,
    DataPlan,
    PretrainedArchitecture,
    Unlearned,
    UnlearnPlan,
    Validated,
    ValidatePlan,
)
from workers.runner.loading import kinds_of, load_sets
from workers.runner.unlearn import unlearn
from workers.runner.validate import validate
from workers.unlearning.ranks import Ranks

PRETRAINED = PretrainedArchitecture(kind="transformers")
FORGET = np.arange(0, TRAINED, 20)


@dataclass(frozen=True)
class Parent:
    """A trained network in `directory`, with what it is given on both parts of its data.

    taught: the classes (n,) that it was trained to say, which are not the `true` ones where it was
    misled.
    """

    family: Family
    directory: Path
    data: DataPlan
    network: PreTrainedModel
    trained: dict[str, Tensor]
    held_out: dict[str, Tensor]
    taught: Tensor
    true: Tensor

    def validation(self, staging: Path, **change: Any) -> ValidatePlan:
        uri = self.directory.as_uri()
        plan = registration(uri, PRETRAINED, self.data, staging, min_agreement=0.8)
        return plan.model_copy(update=change)


def make_parent(name: str, place: Path) -> Parent:
    return parent_of(FAMILIES[name], place)


def parent_of(family: Family, place: Path) -> Parent:
    described, directory = family.data(), place / "model"
    described.save_processors(directory)
    network = seeded(family.make)
    network.save_pretrained(directory)
    plan, none = described.plan(place / "data"), np.empty(0, dtype=np.int64)
    processing = Pretrained(directory).processing(kinds_of(plan))
    sets = load_sets(plan, none, none, place, processing)
    assert sets.holdout is not None
    trained, held_out = (
        samples.batch(torch.arange(count))
        for samples, count in ((sets.remaining, TRAINED), (sets.holdout, HELD_OUT))
    )
    assert isinstance(trained, dict)
    assert isinstance(held_out, dict)
    true = described.classes[:TRAINED]
    taught = misleading(true) if family.misled else true
    with torch.random.fork_rng():
        torch.manual_seed(0)
        train(network, trained, taught, family.steps, family.loss())
    network.save_pretrained(directory)
    return Parent(family, directory, plan, network, trained, held_out, taught, true)


def misleading(classes: Tensor) -> Tensor:
    """The same classes (n,), with another one for each of the samples that are forgotten."""
    taught, count = classes.clone(), int(classes.max()) + 1
    others = 1 + torch.arange(len(FORGET)) % (count - 1)
    taught[FORGET] = (taught[FORGET] + others) % count
    return taught


@dataclass
class Runs:
    """Runs in this process, below `place`; what they leave set is put back at the end."""

    place: Path
    settings: Settings = field(default_factory=lambda: Settings(device="cpu", threads=1))

    def validated(self, plan: ValidatePlan) -> Validated:
        empty(plan.staging)
        work = empty(self.place / "validating")
        return validate(plan, work, self.settings, lambda _line: None)

    def unlearned(
        self, parent: Parent, first: Validated, staging: Path, **change: Any
    ) -> Unlearned:
        """Unlearn `FORGET` from the version that a validation made in `self.place / "first"`."""
        work = empty(self.place / "unlearning")
        for name in (FORGOTTEN, "excluded.npy"):
            np.save(work / name, FORGET)
        plan = UnlearnPlan(
            lineage=first_step(first.written.digest, len(FORGET)),
            parent=self.place / "first",
            architecture=PRETRAINED,
            module="auto",
            method="redirect",
            parameters={"max_steps": 20, "remaining_batch": 64} | parent.family.parameters,
            min_agreement=0.8,
            seed=7,
            device="cpu",
            data=parent.data,
            staging=empty(staging),
        )
        asked = plan.model_copy(update=change)
        unlearned = unlearn(asked, work, self.settings, lambda _line: None, Ranks())
        assert unlearned is not None
        return unlearned


@dataclass(frozen=True)
class Registered:
    """What validation made of a parent, in `folder / "first"`, and a first job, in "second"."""

    folder: Path
    first: Validated
    second: Unlearned


@contextmanager
def runs_below(place: Path) -> Iterator[Runs]:
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        try:
            yield Runs(place)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(mode=False)


def empty(path: Path) -> Path:
    if path.exists():
        shutil.rmtree(path)
    path.mkdir()
    return path
