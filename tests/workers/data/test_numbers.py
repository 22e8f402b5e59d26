"""Numbers that float32 cannot hold are refused by row, and roundings are not."""

from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workers.data.arrays import misfits, to_numpy
from workers.data.copying import copy_to_disk
from workers.data.errors import DatasetError
from workers.data.index import read_ids
from workers.data.numbers import go_together
from workers.data.parquet import FileRef
from workers.data.readers import ArrayReader
from workers.data.specs import ArraySpec, AudioSpec, InputSpec

FLAT = ArraySpec("pixels", (2, 2))
SOUND = AudioSpec("pixels", 8000)
INFINITE, HUGE, TELLS = "not finite", "too large for float32", "an integer beyond 16,777,216"

UNUSABLE: list[tuple[pa.DataType, Any, str, InputSpec]] = [
    (pa.float64(), float("nan"), INFINITE, FLAT),
    (pa.float32(), float("inf"), INFINITE, FLAT),
    (pa.float16(), float("-inf"), INFINITE, FLAT),
    (pa.float64(), 3.5e38, HUGE, FLAT),
    (pa.float64(), -1e300, HUGE, FLAT),
    (pa.float32(), 1e30, HUGE, ArraySpec("pixels", (2, 2), 1e9)),
    (pa.int16(), 1000, HUGE, ArraySpec("pixels", (2, 2), -1e37)),
    (pa.int64(), 2**24 + 1, TELLS, FLAT),
    (pa.int32(), -(2**24) - 1, TELLS, FLAT),
    (pa.uint64(), 2**64 - 1, TELLS, FLAT),
    (pa.float64(), float("nan"), INFINITE, SOUND),
    (pa.float64(), 1e39, HUGE, SOUND),
]


@pytest.mark.parametrize(("kind", "number", "sentence", "spec"), UNUSABLE)
def test_a_number_that_would_become_another_one_is_refused_by_row(
    tmp_path: Path, kind: pa.DataType, number: Any, sentence: str, spec: InputSpec
) -> None:
    rows = [[1, 1, 1, 1]] * 3 + [[1, 1, 1, number]] + [[1, 1, 1, 1]]
    ids = [str(row) for row in range(5)]
    table = pa.table({"sample_id": ids, "pixels": pa.array(rows, pa.list_(kind))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)

    with pytest.raises(DatasetError, match=f"Row 3 holds .*{sentence}.* in pixels") as caught:
        list(read_ids(tmp_path.as_uri(), "sample_id", [spec], 255, lambda _: None))

    assert str(number) not in str(caught.value)
    if isinstance(spec, ArraySpec):
        file = FileRef((tmp_path / "a.parquet").as_uri(), 5, "", {})
        with pytest.raises(DatasetError, match=f"Row 3 of .*{sentence}"):
            copy_to_disk([file], spec, None, tmp_path / "copied.npy")


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (pa.int32(), [-(2**24), 2**24, 0, 1]),
        (pa.uint64(), [2**24, 0, 1, 2]),
        (pa.float64(), [0.1, 1e-300, -3.4e38, 16777217.0]),
        (pa.float16(), [65504.0, 0.5, 0.0, -1.0]),
        (pa.bool_(), [True, False, True, True]),
    ],
)
def test_what_is_left_is_given_to_networks_as_float32(kind: pa.DataType, numbers: Any) -> None:
    column = pa.array([numbers], pa.list_(kind))

    assert misfits(column, FLAT).rows == []
    given = ArrayReader(FLAT, "x").batch(to_numpy(column, FLAT, "a.parquet", 0))["x"]
    assert np.array_equal(given.numpy().reshape(4), np.array(numbers).astype(np.float32))


ALL = [np.dtype(name) for name in ("bool", *"bBhHiIqQ", *"efd")]


def test_types_of_which_any_two_go_together_do_so_all_at_once() -> None:
    pairs = {pair for pair in product(ALL, ALL) if go_together(pair)}

    assert len(pairs) > len(ALL)
    for some in product(ALL, repeat=3):
        assert go_together(some) == pairs.issuperset(combinations(some, 2)), some


def test_integers_of_64_bits_are_no_waveform(tmp_path: Path) -> None:
    """Divided by their range, as integers are, any sound in them would be silence."""
    column = pa.array([[1, 30000]])
    pq.write_table(pa.table({"sample_id": ["a"], "pixels": column}), tmp_path / "a.parquet")

    with pytest.raises(DatasetError, match=r"holds list<.*int64>, not sounds: .*16 or 32 bits"):
        list(read_ids(tmp_path.as_uri(), "sample_id", [SOUND], 255, lambda _: None))
