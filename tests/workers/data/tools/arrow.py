"""What pyarrow writes: types and layouts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tests.workers.data.tools.case import IDS, PIXELS, Case, pixels
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, InputSpec, TextSpec

TOOL = ("pyarrow", pa.__version__)
TEXT, IMAGE, SOUND = TextSpec("text"), ImageSpec("image"), AudioSpec("sound", 8000)
NUMBERS = pixels(2)
LISTS, FLAT = NUMBERS.tolist(), NUMBERS.reshape(2, 6).tolist()
UUIDS = [UUID("0000000a-0000-4000-8000-00000000abcd"), UUID(int=7)]
PICTURES = [b"\x89PNG-0", b"\x89PNG-1"]
VIEWS = pa.struct([("bytes", pa.binary_view()), ("path", pa.string_view())])
# Rows, columns and channels as images lie in memory, and the channels first as networks take them.
COLOURED = np.arange(48).reshape(2, 2, 3, 4)
CHANNELS_FIRST = COLOURED.transpose(0, 3, 1, 2)


def table(**columns: Any) -> Callable[[Path], str]:
    """A file with these columns beside an ID column, unless that is one of them."""

    def write(directory: Path) -> str:
        given = {"sample_id": list(IDS), **columns}
        pq.write_table(pa.table(given), directory / "a.parquet")
        return directory.as_uri()

    return write


def stored(kind: pa.DataType, storage: Any) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array(storage, kind.storage_type))


def tensors(kind: pa.DataType, physical: npt.NDArray[Any], permutation: list[int]) -> pa.Array:
    shape = physical.shape[1:]
    tensor = pa.fixed_shape_tensor(kind, shape, permutation=permutation)
    return stored(tensor, physical.reshape(len(physical), -1).tolist())


def array(
    what: str, column: pa.Array, expected: Any = NUMBERS, shape: Any = (2, 3), answer: str = "read"
) -> Case:
    inputs = (ArraySpec("pixels", shape),)
    return Case(*TOOL, what, answer, table(pixels=column), inputs, IDS, expected)


def ids(what: str, column: pa.Array, found: list[str]) -> Case:
    write = table(sample_id=column, pixels=pa.array(FLAT))
    return Case(*TOOL, what, "read", write, ids=found, expected=NUMBERS)


def other(what: str, spec: InputSpec, column: pa.Array, expected: Any) -> Case:
    return Case(*TOOL, what, "read", table(**{spec.column: column}), (spec,), IDS, expected)


def refused(what: str, why: str, refusal: str, spec: InputSpec = PIXELS, **columns: Any) -> Case:
    return Case(*TOOL, what, f"refused: {why}", table(**columns), (spec,), refusal=refusal)


INT16, HALVES = pa.int16(), pa.list_(pa.list_(pa.float16()))
EVEN, WAVES = NUMBERS % 2 == 0, [[0.5], [1.0, 2.0]]
CASES = [
    array("flat lists", pa.array(FLAT, pa.list_(INT16))),
    array("flat large lists", pa.array(FLAT, pa.large_list(INT16))),
    array("flat lists of a fixed size", pa.array(FLAT, pa.list_(INT16, 6))),
    array("flat `list_view`", pa.array(FLAT, pa.list_view(INT16))),
    array("flat `large_list_view`", pa.array(FLAT, pa.large_list_view(INT16))),
    array("lists in lists", pa.array(LISTS, pa.list_(pa.list_(INT16)))),
    array("large lists in lists", pa.array(LISTS, pa.list_(pa.large_list(INT16)))),
    array("fixed sizes in fixed sizes", pa.array(LISTS, pa.list_(pa.list_(INT16, 3), 2))),
    array("fixed sizes in lists", pa.array(LISTS, pa.list_(pa.list_(INT16, 3)))),
    array(
        "`list_view` in `large_list_view`",
        pa.array(LISTS, pa.large_list_view(pa.list_view(INT16))),
    ),
    array(
        "`fixed_shape_tensor`",
        pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(NUMBERS)),
    ),
    array(
        "`fixed_shape_tensor` with a permutation of two axes",
        tensors(INT16, NUMBERS.transpose(0, 2, 1), [1, 0]),
    ),
    array(
        "`fixed_shape_tensor` with the permutation [2, 0, 1], as Arrow's format says",
        tensors(pa.int32(), COLOURED, [2, 0, 1]),
        CHANNELS_FIRST,
        (4, 2, 3),
    ),
    array(
        "`from_numpy_ndarray` of channels put first",
        pa.FixedShapeTensorArray.from_numpy_ndarray(CHANNELS_FIRST),
        CHANNELS_FIRST,
        (4, 2, 3),
        "read; pyarrow writes the permutation the other way round, and the shape tells",
    ),
    refused(
        "either of the two where all axes have one length",
        "nothing tells which of them it is",
        "means one order by Arrow's format and another to pyarrow",
        ArraySpec("pixels", (2, 2, 2)),
        pixels=tensors(pa.int8(), np.arange(16).reshape(2, 2, 2, 2), [2, 0, 1]),
    ),
    array("lists of `float16`", pa.array(NUMBERS.astype(float).tolist(), HALVES)),
    array("lists of booleans", pa.array(EVEN.tolist()), EVEN, answer="read as 0 and 1"),
    array("lists of `uint64`", pa.array(FLAT, pa.list_(pa.uint64()))),
    ids("IDs as `string_view`", pa.array(IDS, pa.string_view()), [*IDS]),
    ids("IDs as `large_string`", pa.array(IDS, pa.large_string()), [*IDS]),
    ids("IDs as dictionaries of text", pa.array(IDS).dictionary_encode(), [*IDS]),
    ids("IDs as `uuid`", stored(pa.uuid(), [one.bytes for one in UUIDS]), [*map(str, UUIDS)]),
    ids("IDs as `uint64`", pa.array([2**64 - 1, 7], pa.uint64()), [str(2**64 - 1), "7"]),
    ids("IDs as `int8`", pa.array([-7, 7], pa.int8()), ["-7", "7"]),
    ids(
        "IDs as `decimal256` of scale 0",
        pa.array([10**50, 7], pa.decimal256(60, 0)),
        [f"1{'0' * 50}", "7"],
    ),
    refused(
        "IDs as binary",
        "bytes have no one spelling; cast them to text",
        "holds binary: it must hold text, integers or UUIDs",
        sample_id=pa.array([b"s-0", b"s-1"]),
        pixels=FLAT,
    ),
    refused(
        "IDs as 16 bytes that are not called UUIDs",
        "bytes have no one spelling; cast them to UUIDs or text",
        "holds fixed_size_binary[16]: it must hold text, integers or UUIDs",
        sample_id=pa.array([one.bytes for one in UUIDS], pa.binary(16)),
        pixels=FLAT,
    ),
    refused(
        "IDs as decimals of another scale",
        "a fraction has no one spelling; cast them",
        "holds decimal128(5, 2): it must hold text",
        sample_id=pa.array([1, 2], pa.decimal128(5, 2)),
        pixels=FLAT,
    ),
    other("text as `string_view`", TEXT, pa.array(["to be", ""], pa.string_view()), ["to be", ""]),
    other("text as dictionaries", TEXT, pa.array(["to be"] * 2).dictionary_encode(), ["to be"] * 2),
    other("images as `binary_view`", IMAGE, pa.array(PICTURES, pa.binary_view()), PICTURES),
    other(
        "images as a struct of views",
        IMAGE,
        pa.array([{"bytes": one, "path": None} for one in PICTURES], VIEWS),
        PICTURES,
    ),
    other(
        "waveforms as `list_view`", SOUND, pa.array(WAVES, pa.list_view(pa.float32())), WAVES
    ),
    refused(
        "waveforms as `int64`",
        "its range is not that of a sound; cast them to `int16` or floating-point numbers",
        "int64>, not sounds",
        SOUND,
        sound=[[1], [2, 3]],
    ),
    refused(
        "lists of decimals",
        "cast them to floating-point numbers",
        "holds lists of decimal128(5, 2), not of numbers. Cast them to floating-point numbers.",
        pixels=pa.array(FLAT, pa.list_(pa.decimal128(5, 2))),
    ),
    refused(
        "integers beyond 16,777,216",
        "float32 does not tell them from their neighbours",
        "Row 1 holds an integer beyond 16,777,216",
        pixels=[FLAT[0], [2**24 + 1, *FLAT[1][1:]]],
    ),
    refused(
        "numbers beyond the range of float32",
        "networks compute in float32",
        "Row 1 holds a number that is too large for float32",
        pixels=[[0.5] * 6, [1e39] * 6],
    ),
]  # fmt: skip
