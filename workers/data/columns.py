"""What an input column of each kind must hold, and which rows do not."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workers.data import arrays
from workers.data.errors import DatasetError
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, InputSpec, TextSpec

ROWS_A_BATCH = 1024
BYTES_A_BATCH = 2**24
EXPECTED = {
    "image": "encoded images: binary, or the struct of bytes and path of Hugging Face datasets",
    "text": "text",
    "audio": "sounds: binary, the struct of bytes and path of Hugging Face datasets, or lists of "
    "signed or floating-point numbers",
}


def check_column(schema: pa.Schema, spec: InputSpec, uri: str) -> None:
    """Refuse a file whose column cannot hold such inputs.

    Raises:
        DatasetError: there is no such column, or it is of another type.
    """
    if isinstance(spec, ArraySpec):
        arrays.check_column(schema, spec, uri)
        return
    index = schema.get_field_index(spec.column)
    if index < 0:
        raise DatasetError(f"{uri} has no column {spec.column}.")
    kind = schema.field(index).type
    if not _fits(kind, spec):
        # A struct's type lists its fields, whatever they are called: its name is enough.
        held = "a struct" if pa.types.is_struct(kind) else kind
        raise DatasetError(
            f"The column {spec.column} of {uri} holds {held}, not {EXPECTED[spec.kind]}."
        )


def _fits(kind: pa.DataType, spec: InputSpec) -> bool:
    match spec:
        case TextSpec():
            inner = kind.value_type if pa.types.is_dictionary(kind) else kind
            return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))
        case ImageSpec():
            return _is_encoded(kind)
        case _:
            return _is_encoded(kind) or _is_waveform(kind)


def _is_encoded(kind: pa.DataType) -> bool:
    if _is_struct_of_bytes(kind):
        kind = kind.field("bytes").type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_struct_of_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and kind.get_field_index("bytes") >= 0


def _is_waveform(kind: pa.DataType) -> bool:
    types = pa.types
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_floating(kind.value_type) or types.is_signed_integer(kind.value_type))


def is_waveform(column: Any) -> bool:
    """Whether a column of sounds holds lists of numbers."""
    return _is_waveform(column.type)


def parquet_name(schema: pa.Schema, spec: InputSpec) -> str:
    """What to read of a file for this input: of a struct the bytes alone."""
    struct = _is_struct_of_bytes(schema.field(spec.column).type)
    return f"{spec.column}.bytes" if struct else spec.column


def rows_a_batch(parquet: pq.ParquetFile, spec: InputSpec) -> int:
    """So many that a batch fits into memory, by the sizes that the file's metadata tell."""
    if isinstance(spec, ArraySpec):
        return arrays.rows_a_batch(spec)
    name = parquet_name(parquet.schema_arrow, spec)
    largest = 1
    for group in map(parquet.metadata.row_group, range(parquet.metadata.num_row_groups)):
        chunks = map(group.column, range(group.num_columns))
        size = sum(c.total_uncompressed_size for c in chunks if _is_of(c.path_in_schema, name))
        largest = max(largest, size // max(1, group.num_rows))
    return max(1, min(ROWS_A_BATCH, BYTES_A_BATCH // largest))


def _is_of(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def contents(column: Any, spec: InputSpec) -> Any:
    """A batch of a column as plain binary, text or lists: without structs and dictionaries."""
    if pa.types.is_struct(column.type):
        return pc.struct_field(column, "bytes")
    if pa.types.is_dictionary(column.type) and isinstance(spec, TextSpec):
        return column.dictionary_decode()
    return column


def misfits(column: Any, spec: InputSpec) -> list[int]:
    """The rows of a batch that hold no such input: null, or empty where there must be something."""
    if isinstance(spec, ArraySpec):
        return arrays.misfits(column, spec.size)
    held = contents(column, spec)
    if isinstance(spec, TextSpec):
        bad = pc.is_null(held)
    elif isinstance(spec, AudioSpec) and is_waveform(held):
        return _broken_waveforms(held)
    else:
        bad = pc.fill_null(pc.equal(pc.binary_length(held), 0), True)
    return list(pc.indices_nonzero(bad).to_pylist())


def _broken_waveforms(column: Any) -> list[int]:
    bad = pc.fill_null(pc.equal(pc.list_value_length(column), 0), True)
    return sorted({*pc.indices_nonzero(bad).to_pylist(), *arrays.rows_with_nulls(column)})


def complaint(spec: InputSpec) -> str:
    """What is wrong with a misfit."""
    match spec:
        case ArraySpec():
            return f"does not hold {spec.size} numbers in {spec.column}"
        case ImageSpec():
            return f"does not hold an encoded image in {spec.column}"
        case TextSpec():
            return f"does not hold a text in {spec.column}"
        case AudioSpec():
            return f"does not hold a sound in {spec.column}"
