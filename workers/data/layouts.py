"""Arrow's many layouts of the same values, brought to one each."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

UUID = "arrow.uuid"
BOOL = "arrow.bool8"
JSON = "arrow.json"
WRITE_AS_TEXT = (
    "Its values stand in quotes and escapes of JSON: write it as text, in fastparquet with "
    'object_encoding="utf8".'
)


def extension_name(kind: pa.DataType) -> str | None:
    """What an extension type calls itself; None for a type of Arrow's own."""
    return str(kind.extension_name) if isinstance(kind, pa.BaseExtensionType) else None


def bare(kind: pa.DataType) -> pa.DataType:
    """The type of the values alone: without extensions, dictionaries and runs."""
    while True:
        if extension_name(kind) == BOOL:
            return pa.bool_()
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def is_json(kind: pa.DataType) -> bool:
    """Whether values are marked as JSON, where the text `a` is spelled `"a"`."""
    while pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    return extension_name(kind) == JSON


def is_text(kind: pa.DataType) -> bool:
    """Whether values are text that is read as it is, so not JSON."""
    if is_json(kind):
        return False
    kind, types = bare(kind), pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_binary(kind: pa.DataType) -> bool:
    kind, types = bare(kind), pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether values are lists, of any of Arrow's five layouts."""
    kind, types = bare(kind), pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def plain(column: Any) -> Any:
    """The same values without extension, dictionary or runs; text and binary without views.

    Lists stay as they are, for pyarrow's cast of a view to a list loses values without a word.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        storage = plain(column.storage)
        return pc.not_equal(storage, 0) if extension_name(kind) == BOOL else storage
    if pa.types.is_dictionary(kind):
        return plain(column.dictionary).take(column.indices)
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(column))
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return column.cast(pa.large_binary())
    return column


def lengths(column: Any) -> Any:
    """How many values each list holds (rows,) int64; a null holds none."""
    counted = pc.fill_null(pc.list_value_length(column), 0)
    return counted.to_numpy(zero_copy_only=False).astype(np.int64)


def name_of(kind: pa.DataType) -> str:
    """A type's name in a sentence. That of a struct would list its fields, whatever they say."""
    if is_json(kind):
        return "JSON"
    text = str(kind)
    if "struct<" not in text:
        return text
    return "a struct" if pa.types.is_struct(kind) else "values with structs in them"
