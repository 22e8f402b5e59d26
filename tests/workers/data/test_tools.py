"""What today's tools write is read number for number, or refused for its reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.workers.data.tools import arrow, lakes, places, stored
from tests.workers.data.tools.case import Case
from workers.data import columns
from workers.data.copying import read_column
from workers.data.errors import DatasetError
from workers.data.index import read_holdout, read_ids
from workers.data.processing import raw_processing
from workers.data.specs import ArraySpec
from workers.data.tables.taking import take_snapshot
from workers.plan import DataFile, DataPlan
from workers.runner.loading import load_sets, references

API = Path(__file__).parents[3] / "docs" / "api.md"
CASES: list[Case] = [*arrow.CASES, *places.CASES, *stored.CASES, *lakes.CASES]
READ = [case for case in CASES if case.is_read]
REFUSED = [case for case in CASES if not case.is_read]


def named(case: Case) -> str:
    return f"{case.tool}: {case.what}"


def test_the_table_in_the_docs_has_a_row_for_each_case_and_no_other() -> None:
    section = API.read_text("utf-8").partition("## What today's tools write\n")[2]
    lines = section.partition("\n## ")[0].splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]

    assert rows == [case.row for case in CASES]
    assert len(set(rows)) == len(rows)
    assert all(case.answer.startswith(("read", "refused: ")) for case in CASES)


def index(uri: str, case: Case) -> tuple[list[str], list[dict[str, Any]]]:
    files: list[dict[str, Any]] = []
    names = [case.id_column, *(spec.column for spec in case.inputs)]
    table = take_snapshot(case.format, uri, None, names)
    chunks = read_ids(uri, case.id_column, case.inputs, 255, files.append, snapshot=table)
    return [one for chunk in chunks for one in chunk.ids.to_pylist()], files


@pytest.mark.parametrize("case", READ, ids=named)
def test_what_is_read_has_the_ids_and_the_values_that_were_written(
    tmp_path: Path, case: Case
) -> None:
    (tmp_path / "data").mkdir()
    uri = case.write(tmp_path / "data")

    ids, files = index(uri, case)

    assert ids == list(case.ids)
    if not case.inputs:
        return
    (spec,) = case.inputs
    if not isinstance(spec, ArraySpec):
        kept = references([DataFile.model_validate(file) for file in files])
        parts = read_column(kept, spec, case.id_column)
        held = [columns.contents(part.column, spec).to_pylist() for part in parts]
        assert [one for part in held for one in part] == list(case.expected)
        return
    table = take_snapshot(case.format, uri, None, [spec.column])
    apart = read_holdout(uri, list(case.inputs), snapshot=table)
    data = DataPlan(
        files=[DataFile.model_validate(file) for file in files],
        holdout_files=[DataFile.model_validate(file) for file in apart],
        id_column=case.id_column,
        inputs=list(case.inputs),
    )
    forgotten, nothing = np.arange(len(ids)), np.array([], np.int64)
    sets = load_sets(data, forgotten, nothing, tmp_path, raw_processing())
    expected = torch.from_numpy(np.asarray(case.expected, np.float32))
    for samples in (sets.forgotten, sets.remaining, sets.holdout):
        assert samples is not None
        batch = samples.batch(torch.arange(len(ids)))
        assert isinstance(batch, torch.Tensor)
        assert torch.equal(batch, expected)


@pytest.mark.parametrize("case", REFUSED, ids=named)
def test_what_is_refused_is_refused_for_its_reason(tmp_path: Path, case: Case) -> None:
    uri = case.write(tmp_path)

    assert case.refusal
    with pytest.raises(DatasetError) as caught:
        index(uri, case)

    assert case.refusal in str(caught.value)
