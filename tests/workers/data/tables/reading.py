"""Indexing a table, and reading it again by what the index keeps."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.data.copying import copy_to_disk, read_column
from workers.data.index import read_ids
from workers.data.parquet import FileRef
from workers.data.specs import ArraySpec, InputSpec, TextSpec
from workers.data.tables.taking import take_snapshot
from workers.plan import DataFile
from workers.runner.loading import references

PIXELS = ArraySpec("pixels", (2,), None)


class Indexed:
    """What the index knows of a table: the IDs in order of row, and the references of its files."""

    def __init__(
        self,
        kind: str,
        uri: str,
        version: str | None = None,
        *,
        id_column: str = "sample_id",
        inputs: Sequence[InputSpec] = (PIXELS,),
    ) -> None:
        self.id_column, self.inputs = id_column, inputs
        columns = [id_column, *(spec.column for spec in inputs)]
        snapshot = take_snapshot(kind, uri, version, columns)
        assert snapshot is not None
        self.version = snapshot.version
        files: list[dict[str, Any]] = []
        chunks = list(read_ids(uri, id_column, inputs, 255, files.append, snapshot=snapshot))
        self.ids = [one for chunk in chunks for one in chunk.ids.to_pylist()]
        # As PostgreSQL and a plan keep them.
        kept = [DataFile.model_validate(file) for file in json.loads(json.dumps(files))]
        self.files: list[FileRef] = references(kept)

    def arrays(self, folder: Path) -> dict[str, list[Any]]:
        """The first input by ID, as a later run copies it."""
        (spec,) = self.inputs
        assert isinstance(spec, ArraySpec)
        copied = copy_to_disk(self.files, spec, self.id_column, folder / "copied.npy")
        return dict(zip(self.ids, copied.tolist(), strict=True))

    def texts(self) -> dict[str, str]:
        """The first input by ID."""
        (spec,) = self.inputs
        assert isinstance(spec, TextSpec)
        parts = [part.column.to_pylist() for part in read_column(self.files, spec, self.id_column)]
        return dict(zip(self.ids, (one for part in parts for one in part), strict=True))
