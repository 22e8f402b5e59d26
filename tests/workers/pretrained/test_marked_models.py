"""Neither the reason nor the log of a failed registration repeats a value of the model's files."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.core.settings import Settings
from tests.workers.pretrained.whole import JSON, whole_model
from workers.plan import OUTCOME, ValidatePlan
from workers.runner.process import fulfil
from workers.unlearning.ranks import Ranks

MARK = "the words of row 4711"
SILENT: Any = type("Silent", (), {"tell": staticmethod(lambda _line: None)})
# Of each object below the first level: the words of a vocabulary are alike.
ENTRIES = 1
DEEPEST = 3
SETTINGS = "config_sentence_transformers.json"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ValidatePlan]:
    return whole_model(tmp_path_factory.mktemp("marked"))


def places(said: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every value in a JSON text, also whole objects and lists, by the way to it."""
    if above:
        yield above
    if len(above) == DEEPEST:
        return
    if isinstance(said, dict):
        for key in list(said)[: ENTRIES if above else None]:
            yield from places(said[key], (*above, key))
    if isinstance(said, list):
        for number in range(min(len(said), ENTRIES)):
            yield from places(said[number], (*above, number))


def marked(said: Any, place: tuple[Any, ...], as_key: bool) -> Any:
    copy = json.loads(json.dumps(said))
    *above, last = place
    holder = copy
    for step in above:
        holder = holder[step]
    if as_key and isinstance(holder, dict):
        holder[MARK] = holder.pop(last)
    else:
        holder[last] = MARK
    return copy


@pytest.mark.parametrize(
    ("name", "as_key"),
    [("config.json", True), *((name, False) for name in (*JSON, SETTINGS))],
)
def test_no_value_of_a_models_files_comes_out(
    name: str,
    as_key: bool,
    model: tuple[Path, ValidatePlan],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    directory, plan = model
    copy, work, staging = tmp_path / "model", tmp_path / "work", tmp_path / "staging"
    shutil.copytree(directory, copy)
    if not (copy / name).exists():
        (copy / name).write_text(json.dumps({"prompts": {"q": "q: "}, "default_prompt_name": "q"}))
    said = json.loads((copy / name).read_text())
    plan = plan.model_copy(update={"source_uri": copy.as_uri(), "staging": staging})
    outcomes: list[dict[str, Any]] = []
    for place in places(said):
        for folder in (work, staging):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        (copy / name).write_text(json.dumps(marked(said, place, as_key)))
        fulfil(work, plan, Settings(device="cpu", threads=1), SILENT, Ranks())
        outcomes.append(json.loads((work / OUTCOME).read_text(encoding="utf-8")))

        told = outcomes[-1].get("reason", "") + "".join(capfd.readouterr())
        assert MARK not in told, (place, told)
    if name == "config.json" and not as_key:
        assert sum(outcome["kind"] == "refused" for outcome in outcomes) > 5
