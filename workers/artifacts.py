"""Writing a version: what it keeps of its parent, and a manifest of hashes, which comes last."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from service.core.storage import MANIFEST
from workers.model_files import describes
from workers.plan import Written, WrittenFile

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"
# What training began with, if that is known.
BASIS = "base.safetensors"
MANIFEST_VERSION = 1


class ArtifactError(ValueError):
    """The files of a model cannot be used; the message says which and why."""


def take_over(source: Path, target: Path) -> None:
    """Copy what a version keeps of its parent: configuration, tokenizer, vocabulary, base."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_file() and (describes(name.as_posix()) or str(name) == BASIS):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)


def write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def seal(staging: Path) -> Written:
    """Flush every file to disk, and write the manifest last: without one it is no version."""
    files = [
        _hashed(staging, path)
        for path in sorted(staging.rglob("*"))
        if path.is_file() and path.relative_to(staging) != Path(MANIFEST)
    ]
    manifest = {"manifest_version": MANIFEST_VERSION, "files": [f.model_dump() for f in files]}
    write_json(staging / MANIFEST, manifest)
    sealed = _hashed(staging, staging / MANIFEST)
    for directory in [staging, *(path for path in staging.rglob("*") if path.is_dir())]:
        _flush(directory)
    return Written(digest=sealed.sha256, files=files)


def verify(directory: Path) -> str:
    """The digest of a published directory, after every file was held against the manifest.

    Raises:
        ArtifactError: the manifest is missing, or a file is not what it says.
    """
    manifest = directory / MANIFEST
    if not manifest.is_file():
        raise ArtifactError(f"{directory.name} has no {MANIFEST}.")
    for entry in json.loads(manifest.read_text(encoding="utf-8"))["files"]:
        path = directory / entry["path"]
        if not path.is_file() or _sha256(path) != entry["sha256"]:
            raise ArtifactError(f"{entry['path']} is not the file that {MANIFEST} names.")
    return _sha256(manifest)


def _hashed(root: Path, path: Path) -> WrittenFile:
    _flush(path)
    name = path.relative_to(root).as_posix()
    return WrittenFile(path=name, bytes=path.stat().st_size, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
