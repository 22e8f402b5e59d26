"""A network of any form is served by every job, or refused at registration with the reason."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits

from service.core.settings import Settings
from tests.workers.data.media import write
from tests.workers.pretrained.parents import empty, runs_below
from tests.workers.runner.odd_networks import FORMS, ONE
from tests.workers.runner.plans import first_step, registration
from workers.architectures import ArchitectureError
from workers.data.specs import ArraySpec
from workers.plan import FORGOTTEN, Architecture, DataFile, DataPlan, UnlearnPlan
from workers.runner.unlearn import unlearn
from workers.runner.validate import validate
from workers.unlearning.ranks import Ranks

SETTINGS = Settings(device="cpu", threads=1, module_factories=["tests."])
FACTORIES = "tests.workers.runner.odd_networks"
TRAINED, HELD_OUT = 120, 40
FORGET = np.arange(0, TRAINED, 5)
FEW_STEPS: dict[str, dict[str, Any]] = {
    "redirect": {"max_steps": 10, "check_every": 5, "remaining_batch": 32},
    "distil": {"passes": 1.0},
    "laf": {"min_steps": 4, "max_steps": 4, "earliest_stop": 2, "check_every": 2},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataPlan:
    return data_in(tmp_path_factory.mktemp("odd"), TRAINED)


def data_in(folder: Path, trained: int) -> DataPlan:
    pixels = load_digits().images.astype(np.uint8).reshape(-1, 64)
    files = []
    for name, rows in (("train", slice(trained)), ("holdout", slice(500, 500 + HELD_OUT))):
        flat = pa.array(pixels[rows].reshape(-1))
        column = pa.FixedSizeListArray.from_arrays(flat, 64)
        written = write(folder / f"{name}.parquet", pixels=column)
        files.append(DataFile(uri=written.uri, rows=written.rows, digest=written.digest))
    spec = ArraySpec("pixels", (1, 8, 8), 0.0625)
    return DataPlan(files=files[:1], holdout_files=files[1:], id_column="sample_id", inputs=[spec])


@dataclass
class Place:
    folder: Path
    data: DataPlan

    def register(self, form: str, **change: Any) -> str:
        """Validate a network of that form with weights of its own -> its first version's digest."""
        torch.manual_seed(0)
        factory = {"factory": f"{FACTORIES}:network", "kwargs": {"form": form}}
        # Weights without a shape cannot be saved.
        saved = FORMS["Plain" if form == "Lazy" else form]()
        return self.validate(Architecture(kind="module", **factory), saved, **change)

    def validate(self, architecture: Architecture, network: torch.nn.Module, **change: Any) -> str:
        source = empty(self.folder / "source")
        state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        save_file(state, source / "model.safetensors")
        staging, given = empty(self.folder / "first"), {"min_agreement": 0.5} | change
        asked = registration(source.as_uri(), architecture, self.data, staging, **given)
        work = empty(self.folder / "validating")
        self.architecture = architecture
        return validate(asked, work, SETTINGS, lambda _line: None).written.digest

    def unlearn(self, digest: str, method: str, forget: Any = FORGET) -> Any:
        work = empty(self.folder / "work")
        for name in (FORGOTTEN, "excluded.npy"):
            np.save(work / name, forget)
        plan = UnlearnPlan(
            lineage=first_step(digest, len(forget)),
            parent=self.folder / "first",
            architecture=self.architecture,
            module="auto",
            method=method,
            parameters=FEW_STEPS[method],
            min_agreement=0.5,
            seed=7,
            device="cpu",
            data=self.data,
            staging=empty(self.folder / "second"),
        )
        return unlearn(plan, work, SETTINGS, lambda _line: None, Ranks())


@pytest.fixture
def place(tmp_path: Path, data: DataPlan) -> Iterator[Place]:
    with runs_below(tmp_path):
        yield Place(tmp_path, data)


@pytest.mark.parametrize(
    ("form", "methods"),
    [
        ("WithOldWeightNorm", ["redirect", "laf"]),
        ("WithHookOnItself", ["redirect"]),
        ("WithFunctionOfItself", ["redirect"]),
        ("KeepsItsLast", ["redirect"]),
        ("AuxiliaryInTraining", ["distil"]),
        ("Tuple", ["laf"]),
        ("Dict", ["redirect"]),
        ("DataClass", []),
        ("ChangesItsInputs", ["redirect"]),
        ("Recurrent", ["redirect"]),
        ("Counting", ["redirect", "laf"]),
        ("NormOfBatch", ["redirect"]),
    ],
)
def test_a_network_of_an_uncommon_form_is_registered_and_unlearned(
    form: str, methods: list[str], place: Place
) -> None:
    digest = place.register(form)
    source = load_file(place.folder / "source" / "model.safetensors")
    imported = load_file(place.folder / "first" / "model.safetensors")
    assert all(torch.equal(imported[name], tensor) for name, tensor in source.items())

    for method in methods:
        made = place.unlearn(digest, method)

        published = load_file(place.folder / "second" / "model.safetensors")
        assert set(published) == set(source)
        moved = [name for name in source if not torch.equal(published[name], source[name])]
        # What its hook refers to would stay as it was if a copy's hook were the original's.
        wanted = "shift" if form == "WithHookOnItself" else "body."
        assert any(name.startswith(wanted) for name in moved), method
        assert made.audit["remaining"]["samples"] == TRAINED - len(FORGET)


def test_a_student_of_one_remaining_sample_has_a_norm_over_the_batch(
    place: Place, tmp_path: Path
) -> None:
    (tmp_path / "few").mkdir()
    place.data = data_in(tmp_path / "few", 3)
    digest = place.register("NormOfBatch")

    made = place.unlearn(digest, "distil", forget=np.array([0, 1]))

    assert made.audit["remaining"]["samples"] == 1


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("Squeezing", "fails on one alone"),
        ("OfOneSize", "fails on one alone"),
        ("WithoutGradients", "takes no step of 8 samples in evaluation mode"),
        ("OtherwiseInTraining", "In training mode, the network answers 8 samples with something"),
        ("Lazy", "leaves late without a shape until the first batch"),
        ("Complex", "gives waves complex numbers"),
        ("Doubled", "fails on inputs"),
    ],
)
def test_a_network_that_every_job_would_fail_on_is_refused(
    form: str, sentence: str, place: Place
) -> None:
    with pytest.raises(ArchitectureError, match=sentence):
        place.register(form)


def test_a_factory_that_gives_one_network_twice_is_refused(place: Place) -> None:
    architecture = Architecture(kind="module", factory=f"{FACTORIES}:one_for_all", kwargs={})
    with pytest.raises(ArchitectureError, match="must make a new one each time"):
        place.validate(architecture, ONE)
