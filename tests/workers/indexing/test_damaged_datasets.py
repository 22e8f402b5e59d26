"""A damaged file is told from one that is not there, by its name and what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.workers.indexing.datasets import index_here, plan_of, refusal, table, write
from workers.plan import Indexed

Damage = Callable[[bytes], bytes]
END = 8  # Of a file: the length of its footer, and the mark.


def footer(data: bytes) -> int:
    return len(data) - END - int.from_bytes(data[-END:-4], "little")


def turned(data: bytes, start: int, end: int) -> bytes:
    """All bits of a part turned round."""
    return data[:start] + bytes(255 - byte for byte in data[start:end]) + data[end:]


def claim(data: bytes, rows: int, others: int) -> bytes:
    """Another number of rows in the footer, as long as the first one when written."""
    old, new = (
        (2 * n & 127 | 128).to_bytes(1, "big") + bytes([2 * n >> 7]) for n in (rows, others)
    )
    start = footer(data)
    assert old in data[start:]
    return data[:start] + data[start:].replace(old, new, 1)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "empty": (lambda _data: b"", "is empty"),
    "four bytes": (lambda data: data[:4], "damaged"),
    "half": (lambda data: data[: len(data) // 2], "damaged"),
    "a byte short": (lambda data: data[:-1], "damaged"),
    "zeros": (lambda data: bytes(len(data)), "damaged"),
    "zeros between its marks": (
        lambda data: data[:4] + bytes(len(data) - 8) + data[-4:],
        "damaged",
    ),
    "another beginning": (lambda data: b"PK\x03\x04" + data[4:], "does not begin as Parquet does"),
    "another end": (lambda data: data[:-4] + b"PAR2", "damaged"),
    "text": (lambda _data: b"sample_id,pixels\ns-1,3\n" * 99, "is not Parquet: it is text"),
    "a turned page": (lambda data: turned(data, 20, footer(data) - 20), "damaged"),
    "a turned footer": (lambda data: turned(data, footer(data), len(data) - END), "damaged"),
    "a footer that is too long": (
        lambda data: data[:-END] + (2**31 - 1).to_bytes(4, "little") + data[-4:],
        "damaged",
    ),
    "more rows than there are": (lambda data: claim(data, 300, 4000), "claims 4000 rows"),
    "fewer rows than there are": (lambda data: claim(data, 300, 70), "claims 70 rows"),
}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """The training file and the held-out file of a valid dataset."""
    return write(tmp_path / "train" / "a.parquet"), write(tmp_path / "apart" / "a.parquet")


def test_the_dataset_is_fine_where_nothing_is_damaged(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    train, apart = (path.as_uri() for path in pair)

    outcome = index_here(plan_of(train, apart), tmp_path / "work")

    assert isinstance(outcome, Indexed)
    assert (outcome.rows, [file.rows for file in outcome.holdout_files or []]) == (300, [300])


@pytest.mark.parametrize("which", [0, 1], ids=["train", "held out"])
@pytest.mark.parametrize(("damage", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused_by_name(
    damage: Damage, told: str, which: int, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    train, apart = (path.as_uri() for path in pair)
    pair[which].write_bytes(damage(pair[which].read_bytes()))

    reason = refusal(plan_of(train, apart), tmp_path / "work")

    assert pair[which].as_uri() in reason
    assert told in reason


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "lz4", "brotli"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_damaged_page_is_a_refusal_however_it_is_compressed(
    compression: str, version: str, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "a.parquet",
        compression=compression,
        data_page_version=version,
        use_dictionary=False,
    )
    data = path.read_bytes()
    path.write_bytes(turned(data, 20, footer(data) // 2))

    assert path.as_uri() in refusal(plan_of(path.as_uri()), tmp_path / "work")


def test_a_directory_in_place_of_a_file_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a.parquet")
    (tmp_path / "train" / "b.parquet").mkdir()

    reason = refusal(plan_of((tmp_path / "train").as_uri()), tmp_path / "work")

    assert (tmp_path / "train" / "b.parquet").as_uri() in reason


BROKEN = b"marked \xff\xfe text"


@pytest.mark.parametrize(
    ("column", "told"),
    [("sample_id", "Row 7 has an ID that is not UTF-8"), ("said", "Row 7 holds no UTF-8 in said")],
)
@pytest.mark.parametrize("coded", [False, True])
def test_text_that_is_no_utf_8_is_refused_by_row(
    column: str, told: str, coded: bool, tmp_path: Path
) -> None:
    values = [b"%d" % n for n in range(300)]
    values[7] = BROKEN
    text = pa.array(values).view(pa.string())
    held: Any = text.dictionary_encode() if coded else text
    path = write(tmp_path / "a.parquet", table(**{column: held}))

    reason = refusal(plan_of(path.as_uri()), tmp_path / "work")

    assert reason.startswith(told)
    assert "marked" not in reason
