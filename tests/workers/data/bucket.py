"""A storage in memory, under the name of one whose URLs are opened."""

from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from service.core.sources import Sources, prefix_of
from workers.data.places import opening


class Bucket(MemoryFileSystem):  # type: ignore[misc]
    protocol = "s3"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.removeprefix("s3://").strip("/")


def empty_bucket(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The driver of `s3://bucket`, which is all that may be opened."""
    fsspec.register_implementation("s3", Bucket, clobber=True)
    monkeypatch.setattr(opening, "allowed", lambda: Sources((prefix_of("s3://bucket"),)))
    filesystem = fsspec.filesystem("s3")
    filesystem.store.clear()
    return filesystem
