"""What an input column of each kind must hold, and which rows do not."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workers.data import arrays, numbers
from workers.data.errors import DatasetError
from workers.data.layouts import (
    WRITE_AS_TEXT,
    bare,
    is_binary,
    is_json,
    is_list,
    is_text,
    lengths,
    name_of,
    plain,
)
from workers.data.misfits import NONE, Misfits
from workers.data.nested import nested
from workers.data.presence import type_in
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, InputSpec, PairSpec, TextSpec

ROWS_A_BATCH = 1024
BYTES_A_BATCH = 2**24
ENCODED = "binary, or the struct of bytes and path of Hugging Face datasets"
EXPECTED = {
    "image": f"encoded images: {ENCODED}",
    "text": "text",
    "audio": f"sounds: {ENCODED}, or lists of floating-point numbers or of integers of 8, 16 or 32 "
    "bits with a sign, whose range is that of the sound",
}
WHAT = {"image": "an encoded image", "text": "a text", "audio": "a sound"}
HOW_TO_EMBED = (
    "embed what they hold, in Hugging Face datasets by "
    '`dataset.with_format("arrow").map(datasets.table.embed_table_storage, batched=True)` before '
    "`to_parquet`"
)


def check_column(schema: pa.Schema, spec: InputSpec, uri: str) -> None:
    """Refuse a file whose column cannot hold such inputs.

    Raises:
        DatasetError: there is no such column, or it is of another type.
    """
    if isinstance(spec, PairSpec):
        for part in spec.parts:
            check_column(schema, part, uri)
        return
    kind = type_in(schema, spec.column, uri)
    if isinstance(spec, ArraySpec):
        arrays.check_type(kind, spec, uri)
        return
    if _fits(kind, spec):
        return
    what = f"The column {spec.column} of {uri} holds {name_of(kind)}, not {EXPECTED[spec.kind]}."
    if is_json(kind) and isinstance(spec, TextSpec):
        what += f" {WRITE_AS_TEXT}"
    if _names_files(kind) or (is_text(kind) and not isinstance(spec, TextSpec)):
        what += f" Files that rows name are never opened: {HOW_TO_EMBED}."
    raise DatasetError(what)


def _fits(kind: pa.DataType, spec: InputSpec) -> bool:
    match spec:
        case TextSpec():
            return is_text(kind)
        case ImageSpec():
            return _is_encoded(kind)
        case _:
            return _is_encoded(kind) or _is_waveform(kind)


def _is_encoded(kind: pa.DataType) -> bool:
    if not _is_struct_of_bytes(kind):
        return is_binary(kind)
    inner = bare(kind).field("bytes").type
    # All of a file's rows may only name their files.
    return is_binary(inner) or pa.types.is_null(inner)


def _is_struct_of_bytes(kind: pa.DataType) -> bool:
    kind = bare(kind)
    return bool(pa.types.is_struct(kind)) and kind.get_field_index("bytes") >= 0


def _names_files(kind: pa.DataType) -> bool:
    kind = bare(kind)
    return bool(pa.types.is_struct(kind)) and kind.get_field_index("path") >= 0


def _is_waveform(kind: pa.DataType) -> bool:
    if not is_list(kind):
        return False
    value, types = bare(bare(kind).value_type), pa.types
    # 64 bits are what a list of Python's integers becomes, whatever the range of the sound.
    return bool(
        types.is_floating(value) or (types.is_signed_integer(value) and not types.is_int64(value))
    )


def is_waveform(column: Any) -> bool:
    """Whether a column of sounds holds lists of numbers."""
    return _is_waveform(column.type)


def type_held(kind: pa.DataType, spec: InputSpec) -> str:
    """A word for what the column holds, such as `int16`: files with other words are told apart."""
    if isinstance(spec, ArraySpec):
        return str(numbers.type_of(nested(kind).number))
    if _is_waveform(kind):
        return str(numbers.type_of(bare(bare(kind).value_type)))
    return "text" if isinstance(spec, TextSpec) else "encoded"


def parquet_names(schema: pa.Schema, spec: InputSpec) -> list[str]:
    """What to read of a file for this input: of a struct the bytes, and whether files are named."""
    if isinstance(spec, PairSpec):
        return [name for part in spec.parts for name in parquet_names(schema, part)]
    kind = schema.field(spec.column).type
    if not _is_struct_of_bytes(kind):
        return [spec.column]
    fields = ["bytes", "path"] if _names_files(kind) else ["bytes"]
    return [f"{spec.column}.{name}" for name in fields]


def column_of(batch: pa.RecordBatch, spec: InputSpec) -> Any:
    """The column of an input in a batch; of a pair, a struct of `first` and `second`."""
    if not isinstance(spec, PairSpec):
        return batch.column(spec.column)
    both = [batch.column(part.column) for part in spec.parts]
    return pa.StructArray.from_arrays(both, ["first", "second"])


def rows_a_batch(parquet: pq.ParquetFile, spec: InputSpec) -> int:
    """So many that a batch fits into memory, by the sizes that the file's metadata tell."""
    if isinstance(spec, ArraySpec):
        return arrays.rows_a_batch(spec)
    names = parquet_names(parquet.schema_arrow, spec)
    largest = 1
    for group in map(parquet.metadata.row_group, range(parquet.metadata.num_row_groups)):
        chunks = map(group.column, range(group.num_columns))
        size = sum(c.total_uncompressed_size for c in chunks if _is_of(c.path_in_schema, names))
        largest = max(largest, size // max(1, group.num_rows))
    return max(1, min(ROWS_A_BATCH, BYTES_A_BATCH // largest))


def _is_of(path: str, names: list[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in names)


def contents(column: Any, spec: InputSpec) -> Any:  # noqa: ARG001
    """A batch of a column as plain binary, text or lists, whatever its layout was."""
    held = plain(column)
    if pa.types.is_struct(held.type):
        held = plain(pc.struct_field(held, "bytes"))
    return held.cast(pa.large_binary()) if pa.types.is_null(held.type) else held


def misfits(column: Any, spec: InputSpec) -> Misfits:
    """The rows of a batch that hold no such input: null, empty, or what no network can be given."""
    if isinstance(spec, ArraySpec):
        return arrays.misfits(column, spec)
    held = contents(column, spec)
    if isinstance(spec, AudioSpec) and is_waveform(held):
        return _broken_waveforms(held, spec)
    if isinstance(spec, TextSpec):
        bad = pc.is_null(held)
    else:
        bad = pc.fill_null(pc.equal(pc.binary_length(held), 0), True)
        named = pc.and_(bad, _with_a_path(column))
        if pc.any(named).as_py():
            return Misfits(
                _rows(named),
                f"names a file in {spec.column}, which is never opened: {HOW_TO_EMBED}",
            )
    rows = _rows(bad)
    return Misfits(rows, complaint(spec)) if rows else NONE


def _with_a_path(column: Any) -> Any:
    held = plain(column)
    if not _names_files(held.type):
        return pa.scalar(False)
    return pc.is_valid(pc.struct_field(held, "path"))


def _broken_waveforms(column: Any, spec: AudioSpec) -> Misfits:
    empty = pc.fill_null(pc.equal(pc.list_value_length(column), 0), True)
    rows = sorted({*_rows(empty), *arrays.rows_with_nulls(column)})
    if rows:
        return Misfits(rows, complaint(spec))
    values = plain(column.flatten()).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "i":
        return NONE
    wrong, why = numbers.unusable(values, 1.0)
    if not len(wrong):
        return NONE
    rows = np.unique(np.repeat(np.arange(len(column)), lengths(column))[wrong]).tolist()
    return Misfits(rows, f"{why} in {spec.column}")


def _rows(bad: Any) -> list[int]:
    found: list[int] = pc.indices_nonzero(bad).to_pylist()
    return found


def complaint(spec: InputSpec) -> str:
    """What is wrong with a row that holds nothing."""
    return f"does not hold {WHAT[spec.kind]} in {spec.column}"
