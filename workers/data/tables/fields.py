"""Finding the columns of a table in a file, by name or by number."""

from collections.abc import Callable
from typing import Any, TypeAlias

import pyarrow as pa

from workers.data.tables.view import named_in_file

FIELD_ID = b"PARQUET:field_id"
# The columns of a file, or the fields of a struct in it.
Held: TypeAlias = pa.Schema | pa.StructType
# What the file calls a field of the table; None: it has no such field.
Find: TypeAlias = Callable[[pa.Field, Held], str | None]


def by_name(key: bytes) -> Find:
    """By the name that the table keeps under `key` of its field, or by the field's own."""

    def find(field: pa.Field, held: Held) -> str | None:
        kept = (field.metadata or {}).get(key)
        name = str(field.name) if kept is None else kept.decode()
        return name if held.get_field_index(name) >= 0 else None

    return find


def by_number(key: bytes) -> Find:
    """By the number that the table keeps under `key` of its field, and the file as Parquet does."""

    def find(field: pa.Field, held: Held) -> str | None:
        number = (field.metadata or {}).get(key)
        if number is None:
            return None
        return next(
            (one.name for one in held if (one.metadata or {}).get(FIELD_ID) == number), None
        )

    return find


def numbered(held: Held, names: Any) -> pa.Schema:
    """A file's columns with the numbers that a table gives to names; it numbers none itself."""
    fields = []
    for field in held:
        found = next((one for one in names if field.name in one.names), None)
        number = None if found is None else found.field_id
        kind = field.type
        if pa.types.is_struct(kind) and found is not None:
            kind = pa.struct(list(numbered(kind, found.fields)))
        metadata = None if number is None else {FIELD_ID: str(number).encode()}
        fields.append(pa.field(field.name, kind, metadata=metadata))
    return pa.schema(fields)


def mapped(field: pa.Field, held: Held, find: Find) -> pa.Field:
    """A field of the table with the file's names for it and for the fields inside structs."""
    physical = find(field, held)
    kind = field.type
    if physical is not None and pa.types.is_struct(kind):
        inside = held.field(physical).type
        if pa.types.is_struct(inside):
            kind = pa.struct([mapped(inner, inside, find) for inner in kind])
    return named_in_file(pa.field(field.name, kind), physical)
