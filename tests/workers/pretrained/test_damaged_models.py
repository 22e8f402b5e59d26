"""Every file of a valid model, damaged in many ways, makes it invalid at once and is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from structlog.testing import capture_logs

from service.core.settings import Settings
from tests.workers.pretrained.whole import JSON, whole_model
from workers.artifacts import ArtifactError
from workers.plan import OUTCOME, ValidatePlan
from workers.runner import process
from workers.runner.process import fulfil
from workers.unlearning.ranks import Ranks
from workers.weight_files import load_weights

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ValidatePlan]:
    """A tiny model with every such file, and its plan. Nobody may change it."""
    return whole_model(tmp_path_factory.mktemp("damaged"))


Validated = Callable[[Callable[[Path], Any]], dict[str, Any]]


@pytest.fixture
def validated(
    model: tuple[Path, ValidatePlan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Validated:
    """The outcome of the model after something was done to a copy of its directory."""
    monkeypatch.setattr(process, "configure_logging", lambda *_given, **_more: None)
    directory, plan = model
    copy, work, staging = tmp_path / "model", tmp_path / "work", tmp_path / "staging"
    shutil.copytree(directory, copy)
    work.mkdir()
    staging.mkdir()
    plan = plan.model_copy(update={"source_uri": copy.as_uri(), "staging": staging})

    def outcome(damage: Callable[[Path], Any]) -> dict[str, Any]:
        damage(copy)
        silent: Any = type("Silent", (), {"tell": staticmethod(lambda _line: None)})
        with capture_logs():
            fulfil(work, plan, Settings(device="cpu", threads=1), silent, Ranks())
        told: dict[str, Any] = json.loads((work / OUTCOME).read_text(encoding="utf-8"))
        return told

    return outcome


def refused(outcome: dict[str, Any], name: str) -> str:
    assert (outcome["kind"], outcome["code"]) == ("refused", "refused"), outcome
    reason: str = outcome["reason"]
    assert name in reason
    assert "its log says why" not in reason
    return reason


def test_the_model_is_valid_where_nothing_is_damaged(validated: Validated) -> None:
    assert validated(lambda _directory: None)["kind"] == "validated"


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data) + 9),
    "garbage": lambda _data: bytes(range(128, 256)) * 4,
    "deep": lambda _data: b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deeper than needed": lambda _data: b'{"a": ' * 150 + b"1" + b"}" * 150,
    "a text": lambda _data: b'"text"',
    "null": lambda _data: b"null",
    "a long number": lambda _data: b'{"a": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", JSON)
def test_damaged_json_is_refused_by_name(
    name: str, damage: Callable[[bytes], bytes], validated: Validated
) -> None:
    def do(directory: Path) -> None:
        path = directory / name
        path.write_bytes(damage(path.read_bytes() or b"{ }"))

    refused(validated(do), name)


@pytest.mark.parametrize("name", JSON)
def test_json_of_another_kind_is_refused_by_name(name: str, validated: Validated) -> None:
    other = "{}" if name == "modules.json" else "[]"

    reason = refused(validated(lambda directory: (directory / name).write_text(other)), name)

    assert "and must hold" in reason


def header(data: bytes) -> int:
    return int.from_bytes(data[:8], "little")


def another_header(data: bytes, old: bytes, new: bytes) -> bytes:
    """Something in the header said otherwise, as long as before."""
    start = 8 + header(data)
    assert old in data[8:start]
    return data[:8] + data[8:start].replace(old, new.ljust(len(old)), 1) + data[start:]


def other_shape(data: bytes) -> bytes:
    said = json.loads(data[8 : 8 + header(data)])
    name = next(name for name in sorted(said) if name != "__metadata__")
    said[name]["shape"][0] += 1
    text = json.dumps(said).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + header(data) :]


SAFETENSORS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _data: b"",
    "half": lambda data: data[: len(data) // 2],
    "a byte short": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
    "garbage": lambda data: bytes(range(256)) * (len(data) // 256),
    "a header that is too long": lambda data: (2**62).to_bytes(8, "little") + data[8:],
    "a header beyond the end": lambda data: (len(data) + 1).to_bytes(8, "little") + data[8:],
    "no type of number": lambda data: another_header(data, b'"F32"', b'"F3"'),
    "other bytes": lambda data: another_header(data, b'"data_offsets":[0,', b'"data_offsets":[8,'),
    "another shape": other_shape,
    "a deep header": lambda data: (20_000).to_bytes(8, "little") + b"[" * 20_000 + data,
}


@pytest.mark.parametrize("damage", SAFETENSORS.values(), ids=SAFETENSORS)
def test_damaged_weights_are_refused_by_name(
    damage: Callable[[bytes], bytes], validated: Validated
) -> None:
    def do(directory: Path) -> None:
        path = directory / WEIGHTS
        path.write_bytes(damage(path.read_bytes()))

    refused(validated(do), WEIGHTS)


@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.bool])
def test_whole_numbers_in_place_of_weights_are_refused_by_name(
    kind: torch.dtype, validated: Validated
) -> None:
    name = "encoder.layer.0.attention.self.query.weight"

    def do(directory: Path) -> None:
        tensors = load_file(directory / WEIGHTS)
        tensors[name] = torch.zeros_like(tensors[name]).to(kind)
        save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})

    reason = refused(validated(do), WEIGHTS)

    assert f"{name} in {WEIGHTS} holds" in reason


def test_a_directory_in_place_of_a_file_is_refused_by_name(validated: Validated) -> None:
    def do(directory: Path) -> None:
        (directory / WEIGHTS).unlink()
        (directory / WEIGHTS).mkdir()

    refused(validated(do), WEIGHTS)


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (torch.zeros(2, 3, dtype=torch.int64), "weight in model.safetensors holds I64"),
        (torch.zeros(2, 3, dtype=torch.bool), "weight in model.safetensors holds BOOL"),
    ],
)
def test_whole_numbers_are_no_weights_of_a_factorys_network(
    tensor: torch.Tensor, told: str, tmp_path: Path
) -> None:
    network = torch.nn.Linear(3, 2, bias=False)
    save_file({"weight": tensor}, tmp_path / WEIGHTS)

    with pytest.raises(ArtifactError, match=told):
        load_weights(network, tmp_path)
    assert network.weight.abs().sum() > 0
