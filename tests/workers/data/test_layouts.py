"""Arrow's layouts, with nulls, slices and views in any order: the values stay what they are."""

from typing import Any

import pyarrow as pa
import pytest

from workers.data.arrays import to_numpy
from workers.data.columns import check_column, contents, misfits
from workers.data.errors import DatasetError
from workers.data.ids import kind_of_ids
from workers.data.layouts import is_list, is_text, lengths, plain
from workers.data.specs import ArraySpec, ImageSpec, TextSpec

INT16 = pa.int16()
LISTS = [[1, 2], None, [], [3], [4, 5, 6]]
TEXTS = ["to be or not to be", None, "", "that"]
LAYOUTS = {
    "dictionary of views": pa.DictionaryArray.from_arrays(
        pa.array([0, None, 1, 2], pa.int8()),
        pa.array(["to be or not to be", "", "that"], pa.string_view()),
    ),
    "dictionary with a null in it": pa.DictionaryArray.from_arrays(
        pa.array([0, 3, 1, 2]), pa.array(["to be or not to be", "", "that", None])
    ),
    "views": pa.array(TEXTS, pa.string_view()),
    "runs": pa.RunEndEncodedArray.from_arrays([1, 2, 3, 4], pa.array(TEXTS)),
}


@pytest.mark.parametrize(
    "kind", [pa.json_(), pa.dictionary(pa.int8(), pa.json_()), pa.json_(pa.large_string())]
)
def test_json_is_not_text(kind: pa.DataType) -> None:
    """Its text `a` is spelled `"a"`, which would be another ID and another input."""
    assert not is_text(kind)
    with pytest.raises(DatasetError, match=r"holds JSON, not text. .*object_encoding"):
        check_column(pa.schema([("t", kind)]), TextSpec("t"), "a.parquet")
    with pytest.raises(DatasetError, match=r"holds JSON: it must hold text.*object_encoding"):
        kind_of_ids(kind)


@pytest.mark.parametrize("name", LAYOUTS)
def test_text_is_the_same_in_every_layout(name: str) -> None:
    column = LAYOUTS[name]

    assert is_text(column.type)
    assert plain(column).to_pylist() == TEXTS
    assert plain(column.slice(1, 2)).to_pylist() == TEXTS[1:3]
    assert contents(column, TextSpec("t")).to_pylist() == TEXTS
    assert misfits(column, TextSpec("t")).rows == [1]


@pytest.mark.parametrize(
    "kind",
    [pa.list_(INT16), pa.large_list(INT16), pa.list_view(INT16), pa.large_list_view(INT16)],
)
def test_lists_are_the_same_in_every_layout(kind: pa.DataType) -> None:
    """Pyarrow 26 casts a view to a list without what comes after a null."""
    column = pa.array(LISTS, kind)

    assert is_list(kind)
    assert plain(column).to_pylist() == LISTS
    assert plain(column.slice(1)).to_pylist() == LISTS[1:]
    assert lengths(column).tolist() == [2, 0, 0, 1, 3]


def test_views_may_lie_in_any_order_and_overlap() -> None:
    column = pa.ListViewArray.from_arrays(
        pa.array([4, 0, 1]), pa.array([2, 2, 2]), pa.array([1, 2, 3, 4, 5, 6])
    )

    numbers = to_numpy(column, ArraySpec("a", (2,)), "a.parquet", 0)

    assert numbers.tolist() == [[5, 6], [1, 2], [2, 3]]


def test_a_boolean_of_eight_bits_is_true_where_it_is_not_zero() -> None:
    column = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([0, 1, -7], pa.int8()))

    assert plain(column).to_pylist() == [False, True, True]


SQUARE, FLAT = ArraySpec("a", (2, 2)), ArraySpec("a", (4,))
FINE = [[1, 2], [3, 4]]
BROKEN: list[tuple[Any, str]] = [
    (None, "does not hold numbers of the shape [2, 2] in a"),
    ([[1, 2], None], "does not hold numbers of the shape [2, 2] in a"),
    ([[1, 2], [3, None]], "does not hold numbers of the shape [2, 2] in a"),
    ([[1, 2, 3], [4]], "does not hold numbers of the shape [2, 2] in a"),
    ([[1, 2], [3, 4], [5, 6]], "of the shape [2, 2] in a, but of the shape [3, 2]"),
    ([], "of the shape [2, 2] in a, but of the shape [0]"),
]
UNTOLD = BROKEN[:4]


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.list_(INT16)), pa.large_list(pa.list_view(INT16)), pa.list_view(pa.list_(INT16))],
)
@pytest.mark.parametrize(("row", "complaint"), BROKEN)
def test_a_nested_row_of_another_shape_is_told_by_both_shapes(
    row: Any, complaint: str, kind: pa.DataType
) -> None:
    column = pa.array([FINE, row, FINE, row], kind)

    found = misfits(column, SQUARE)

    assert found.rows == [1, 3]
    assert complaint in found.complaint
    assert ("but of" in found.complaint) == ((row, complaint) not in UNTOLD)
    assert misfits(column.slice(2), SQUARE).rows == [1]


@pytest.mark.parametrize("row", [None, [[1, 2], None], [[1, 2], [3, None]]])
def test_nulls_in_fixed_sizes_are_found(row: Any) -> None:
    column = pa.array([FINE, row, FINE], pa.list_(pa.list_(INT16, 2), 2))

    assert misfits(column, SQUARE).rows == [1]


def test_lists_of_another_depth_are_told_by_both_shapes() -> None:
    column = pa.array([FINE, FINE], pa.list_(pa.list_(INT16)))

    found = misfits(column, FLAT)

    assert found.rows == [0, 1]
    assert found.complaint.endswith("of the shape [4] in a, but of the shape [2, 2]")


def test_rows_that_only_name_a_file_are_told_apart_from_rows_without_one() -> None:
    given = [
        {"bytes": b"x", "path": "0.png"},
        {"bytes": None, "path": "patient-17.png"},
        {"bytes": None, "path": None},
        {"bytes": b"", "path": "3.png"},
        None,
    ]
    views = pa.struct([("bytes", pa.binary_view()), ("path", pa.string_view())])
    column = pa.array(given, views)

    found = misfits(column, ImageSpec("image"))

    assert found.rows == [1, 3]
    assert "names a file in image, which is never opened: embed what" in found.complaint
    assert "patient" not in found.complaint
    assert misfits(pa.array(given[::2], views), ImageSpec("image")).rows == [1, 2]
