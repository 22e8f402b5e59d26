"""No reason, step or log holds the value of a partition, which may be an ID."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import ListType, LongType, NestedField, StringType

from service.core.formats import DatasetFormat
from service.core.logging import configure_logging
from tests.workers.data.tables.written import catalog, delta, rows
from workers.data.shown import Shown, shown
from workers.data.specs import ArraySpec
from workers.indexing.process import fulfil
from workers.plan import OUTCOME, IndexPlan, ProgressLine
from workers.quoting import in_log

IDS = ["patient 4711", "patient 4712", "patient 4713"]


def in_delta(folder: Path) -> tuple[str, DatasetFormat]:
    delta(folder, rows(IDS), partition_by=["sample_id"])
    return folder.as_uri(), DatasetFormat.DELTA


def in_iceberg(folder: Path) -> tuple[str, DatasetFormat]:
    numbers = ListType(element_id=3, element_type=LongType(), element_required=False)
    schema = Schema(
        NestedField(1, "sample_id", StringType(), required=False),
        NestedField(2, "pixels", numbers, required=False),
    )
    spec = PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "sample_id"))
    table = catalog(folder).create_table(
        "lake.pets",
        schema=schema,
        partition_spec=spec,
        properties={"write.object-storage.enabled": "false"},
    )
    held = rows(IDS)
    pixels = held["pixels"].cast(pa.list_(pa.int64()))
    table.append(held.set_column(1, "pixels", pixels))
    return str(table.location()), DatasetFormat.ICEBERG


def in_folders(flavour: str | None) -> Callable[[Path], tuple[str, DatasetFormat]]:
    def write(folder: Path) -> tuple[str, DatasetFormat]:
        held: Any = rows(IDS)
        held = held.append_column("by", held["sample_id"])
        by = ds.partitioning(pa.schema([("by", pa.string())]), flavor=flavour)
        ds.write_dataset(held, folder, format="parquet", partitioning=by)
        return f"{folder.as_uri()}/**/*.parquet", DatasetFormat.PARQUET

    return write


FORMS = {
    "delta": in_delta,
    "iceberg": in_iceberg,
    "hive": in_folders("hive"),
    "directories": in_folders(None),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def without_column(path: Path) -> None:
    held: Any = pq.ParquetFile(path).read()
    pq.write_table(held.drop_columns(["pixels"]), path)


def of_text(path: Path) -> None:
    held: Any = pq.ParquetFile(path).read()
    words = pa.array(["word"] * len(held))
    pq.write_table(held.set_column(held.column_names.index("pixels"), "pixels", words), path)


def of_other_length(path: Path) -> None:
    held: Any = pq.ParquetFile(path).read()
    lists = pa.array([[1, 2, 3]] * len(held))
    pq.write_table(held.set_column(held.column_names.index("pixels"), "pixels", lists), path)


@pytest.mark.parametrize("harm", [cut, without_column, of_text, of_other_length, Path.unlink])
@pytest.mark.parametrize("form", FORMS)
def test_no_id_comes_out_by_the_name_of_a_file(
    form: str,
    harm: Callable[[Path], object],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    uri, kind = FORMS[form](tmp_path / "rows")
    files = [path for path in (tmp_path / "rows").rglob("*.parquet") if "_delta" not in str(path)]
    last = max(files)
    assert "4713" in str(last)
    harm(last)
    (tmp_path / "work").mkdir()
    plan = IndexPlan(
        uri=uri,
        format=kind,
        holdout_uri=None,
        id_column="sample_id",
        id_length=255,
        inputs=[ArraySpec("pixels", (2,), None)],
        memory_limit_mib=512,
    )
    lines: list[ProgressLine] = []

    configure_logging("INFO", process="indexing", told=in_log)
    fulfil(tmp_path / "work", plan, lines.append)

    outcome = json.loads((tmp_path / "work" / OUTCOME).read_text(encoding="utf-8"))
    told = [outcome.get("reason", ""), *(line.step or "" for line in lines)]
    told.append("".join(capfd.readouterr()))
    # Numbers alone may be in the random names that tables give to their files.
    assert "patient" not in "".join(told), told
    if harm is cut:
        assert outcome["kind"] == "refused"
        assert "…" in outcome["reason"]
        assert "(file 2, from 0 in order of name)" in outcome["reason"]


def test_a_name_without_values_is_told_as_it_is() -> None:
    names = Shown("file:///data/train-*.parquet")

    assert names.add("file:///data/train-0.parquet") == "file:///data/train-0.parquet"
    text = "file:///data/train-0.parquet has no column a."
    assert names.within(text) == text


def test_a_jobs_files_are_told_without_the_folders_that_they_do_not_share() -> None:
    names = shown([f"s3://bucket/rows/{number}/a.parquet" for number in (17, 18)])

    told = names.within("The IDs in s3://bucket/rows/18/a.parquet changed since it was indexed.")
    assert told == (
        "The IDs in s3://bucket/rows/…/a.parquet (file 1, from 0 in order of name) changed since "
        "it was indexed."
    )
