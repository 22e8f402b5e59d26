"""Whether a file has a column, and where it may have gone if not."""

import json

import pyarrow as pa

from workers.data.errors import DatasetError


class MissingColumnError(DatasetError):
    """A file has no such `column`."""

    def __init__(self, sentence: str, column: str) -> None:
        super().__init__(sentence)
        self.column = column


def type_in(schema: pa.Schema, column: str, uri: str) -> pa.DataType:
    """The type of a file's column.

    Raises:
        DatasetError: there is no such column, or there are two; the message names the file.
    """
    places = schema.get_all_field_indices(column)
    if len(places) > 1:
        raise DatasetError(f"{uri} has {len(places)} columns that are called {column}: keep one.")
    if not places:
        advice = _advice(schema, column, uri)
        raise MissingColumnError(f"{uri} has no column {column}.{advice}", column)
    return schema.field(places[0]).type


def _advice(schema: pa.Schema, column: str, uri: str) -> str:
    if f"/{column}=" in uri:
        return (
            " Its values are in the names of folders, which are not read: write the column into "
            "the files as well."
        )
    if column in _ranges(schema):
        return (
            " pandas has kept it as a range in the file's metadata: call `reset_index()` before "
            "`to_parquet`, in all files alike."
        )
    return ""


def _ranges(schema: pa.Schema) -> list[str | None]:
    """The indices that pandas did not write as columns."""
    try:
        told = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        indices = told.get("index_columns", [])
        return [one.get("name") for one in indices if isinstance(one, dict)]
    except (ValueError, AttributeError):
        return []  # Another tool's metadata under that name.
