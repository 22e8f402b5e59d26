"""Models of sentence-transformers answer as `encode` does, and a version quotes no row."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.workers.data.media import write
from tests.workers.pretrained.parents import PRETRAINED, Runs
from tests.workers.pretrained.tools.case import DATA
from tests.workers.runner.plans import first_step
from workers.architectures.base import ArchitectureError
from workers.architectures.pretrained import Pretrained
from workers.artifacts import ArtifactError
from workers.data.errors import DatasetError
from workers.data.pretrained import PretrainedTexts
from workers.data.specs import TextSpec
from workers.plan import FORGOTTEN, DataFile, DataPlan, UnlearnPlan, ValidatePlan
from workers.runner.unlearn import unlearn
from workers.unlearning.ranks import Ranks

SAVED = DATA / "sentence-transformers"
TRAINED = SAVED / "trained"
EXPECTED: dict[str, Any] = json.loads((SAVED / "expected.json").read_text("utf-8"))
MODES = [name for name in EXPECTED if name not in ("texts", "whole")]
# The texts that it was trained on: see the README.md beside it.
FIRST = [f"Marked sentence about word{n} and word{n + 1}, number {n}" for n in range(24)]
SECOND = [f"The marked river of word{n}" for n in range(24)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return shutil.copytree(TRAINED, tmp_path / "model")


def said_in(directory: Path, name: str, **change: Any) -> None:
    path = directory / name
    said = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(said | change))


def first_modules(directory: Path, count: int) -> None:
    path = directory / "modules.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:count]))


def vectors(directory: Path, texts: list[str]) -> Tensor:
    """What our network says of texts (n, d), in one padded batch."""
    blueprint = Pretrained(directory)
    reader = blueprint.processing({"text"}).texts
    assert isinstance(reader, PretrainedTexts)
    rows = reader.encode(texts)
    network = blueprint.load(directory)
    with torch.no_grad():
        found: Tensor = network(reader.batch(list(rows), max(len(row) for row in rows)))
    return found


def test_texts_go_through_prompt_pooling_and_all_modules_as_encode_takes_them() -> None:
    found = vectors(TRAINED, EXPECTED["texts"])

    torch.testing.assert_close(found, torch.tensor(EXPECTED["whole"]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODES)
def test_every_mode_of_pooling_is_done_as_encode_does_it(directory: Path, name: str) -> None:
    mode, _, prompt = name.partition(", ")
    first_modules(directory, 2)
    included = prompt == "with the prompt"
    said_in(directory, "1_Pooling/config.json", pooling_mode=mode, include_prompt=included)
    texts = [text for text in EXPECTED["texts"] if text or included or mode != "max"]

    found = vectors(directory, texts)

    torch.testing.assert_close(found, torch.tensor(EXPECTED[name]), rtol=1e-4, atol=1e-5)


def test_a_limit_and_small_letters_are_those_of_sentence_transformers(directory: Path) -> None:
    said_in(directory, "sentence_bert_config.json", max_seq_length=7, do_lower_case=True)
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    tokenizer["normalizer"] = None
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))

    reader = Pretrained(directory).processing({"text"}).texts

    assert isinstance(reader, PretrainedTexts)
    assert reader.prompt == "query: "
    small, large = reader.encode(["word8 " * 9, "WORD8 " * 9])
    assert small.tolist() == large.tolist()
    assert len(small) == 7


def without_weights(directory: Path) -> None:
    weights = directory / "2_Dense" / "model.safetensors"
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()


def other_weights(directory: Path) -> None:
    save_file({"linear.weight": torch.ones(8, 32)}, directory / "2_Dense" / "model.safetensors")


def named(directory: Path, number: int, **change: Any) -> None:
    path = directory / "modules.json"
    parts = json.loads(path.read_text())
    parts[number] |= change
    path.write_text(json.dumps(parts))


def without_config(directory: Path) -> None:
    """As a model of word vectors is saved."""
    named(directory, 0, type="sentence_transformers.models.StaticEmbedding")
    (directory / "config.json").unlink()


ROUTER = "sentence_transformers.base.modules.router.Router"
REFUSED: list[tuple[Callable[[Path], object], str]] = [
    (lambda at: named(at, 0, type=ROUTER), "begins with Router"),
    (lambda at: named(at, 0, path="0_Transformer"), "first module is a Transformer in the direct"),
    (lambda at: named(at, 2, type=ROUTER), "names Router: unlearnd reads a Transformer, a Pooling"),
    (lambda at: named(at, 2, type="own.Dense"), "code in a model's own directory is never run"),
    (lambda at: named(at, 2, path="../2_Dense"), "names the folder ../2_Dense"),
    (lambda at: named(at, 1, type=f"{ROUTER[:22]}Normalize"), "names Normalize"),
    (without_weights, "2_Dense has no model.safetensors"),
    (other_weights, "does not fit the Dense of 2_Dense: missing"),
    (
        lambda at: said_in(at, "2_Dense/config.json", activation_function="os.system"),
        "os.system is not an activation of torch",
    ),
    (
        lambda at: said_in(at, "2_Dense/config.json", activation_function="torch.nn.Linear"),
        "is not an activation of torch",
    ),
    (
        lambda at: said_in(at, "2_Dense/config.json", module_input_name="token_embeddings"),
        "is about token_embeddings",
    ),
    (
        lambda at: said_in(at, "config_sentence_transformers.json", default_prompt_name="other"),
        "names the default prompt other",
    ),
    (
        lambda at: said_in(at, "config_sentence_transformers.json", truncate_dim=8),
        "sets truncate_dim, by which vectors are cut",
    ),
    (
        lambda at: said_in(at, "sentence_bert_config.json", query_length=7),
        "sets query_length, which unlearnd does not follow",
    ),
    (without_config, "modules.json begins with StaticEmbedding"),
    (lambda at: (at / "modules.json").write_text("[" * 9999), "modules.json is not JSON"),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_encode_would_do_otherwise_is_refused(
    directory: Path, change: Callable[[Path], object], sentence: str
) -> None:
    change(directory)

    with pytest.raises((ArchitectureError, ArtifactError, DatasetError)) as caught:
        vectors(directory, ["word1"])

    assert sentence in str(caught.value)


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Version 1 of the trained model, with its training texts as the dataset, and an unlearned one.

    The header of the weights holds a row, too.
    """
    place = tmp_path_factory.mktemp("sentences")
    source = shutil.copytree(TRAINED, place / "model")
    weights = source / "model.safetensors"
    tensors = load_file(weights)
    save_file(tensors, weights, metadata={"format": "pt", "caption": FIRST[3]})
    file = write(place / "train.parquet", text=pa.array(FIRST + SECOND))
    data = DataPlan(
        files=[DataFile(uri=file.uri, rows=file.rows, digest=file.digest)],
        holdout_files=[],
        id_column="sample_id",
        inputs=[TextSpec("text")],
    )
    runs = Runs(place)
    first, second, work = place / "first", place / "second", place / "work"
    for folder in (first, second, work):
        folder.mkdir()
    how: dict[str, Any] = {
        "architecture": PRETRAINED,
        "module": "auto",
        "min_agreement": 0.5,
        "data": data,
    }
    plan = ValidatePlan(
        model="sentences",
        source_uri=source.as_uri(),
        method="auto",
        parameters={},
        tv=0,
        staging=first,
        **how,
    )
    validated = runs.validated(plan)
    for name in (FORGOTTEN, "excluded.npy"):
        np.save(work / name, np.array([3, 5]))
    job = UnlearnPlan(
        lineage=first_step(validated.written.digest, 2),
        parent=first,
        method="redirect",
        parameters={"max_steps": 10, "remaining_batch": 16},
        seed=7,
        device="cpu",
        staging=second,
        **how,
    )
    threads = torch.get_num_threads()
    try:
        assert unlearn(job, work, runs.settings, lambda _line: None, Ranks()) is not None
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(mode=False)
    return first, second


def test_no_file_of_a_version_holds_a_text_of_the_dataset(two_versions: tuple[Path, Path]) -> None:
    """The source does, in its card and in the header of its weights."""
    assert FIRST[3].encode() in (TRAINED / "README.md").read_bytes()
    for version in two_versions:
        for path in sorted(path for path in version.rglob("*") if path.is_file()):
            content = path.read_bytes().lower()
            for text in FIRST + SECOND:
                assert text.lower().encode() not in content, path.name


def test_modules_behind_the_pooling_are_trained_and_written_back(
    two_versions: tuple[Path, Path],
) -> None:
    first, second = two_versions
    there = {str(path.relative_to(TRAINED)) for path in TRAINED.rglob("*") if path.is_file()}
    for version in two_versions:
        files = {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()}
        assert files == there | {"manifest.json", "unlearning.json"}
    for name in ("2_Dense/model.safetensors", "3_LayerNorm/model.safetensors"):
        assert (first / name).read_bytes() == (TRAINED / name).read_bytes()
        before, after = load_file(first / name), load_file(second / name)
        assert before.keys() == after.keys()
        assert all(not torch.equal(before[key], after[key]) for key in before)
    told = json.loads((second / "unlearning.json").read_text(encoding="utf-8"))
    assert told["architecture"]["pooling"] == "cls + mean"
    assert told["architecture"]["modules"] == ["Dense", "LayerNorm", "Normalize"]


def test_a_base_brings_the_modules_behind_the_pooling_along(directory: Path) -> None:
    """Where a network begins afresh, its Dense begins as that of the base."""
    base = shutil.copytree(directory, directory.parent / "base")
    before = load_file(base / "2_Dense" / "model.safetensors")
    changed = {name: its + 1 for name, its in before.items()}
    save_file(changed, directory / "2_Dense" / "model.safetensors")
    blueprint = Pretrained(directory)

    blueprint.adopt(base, directory)

    fresh: Any = blueprint.fresh()
    assert torch.equal(fresh.behind[0].linear.weight, before["linear.weight"])
    loaded: Any = blueprint.load(directory)
    assert torch.equal(loaded.behind[0].linear.weight, before["linear.weight"] + 1)
