"""Scratch space of one run: gone when the run ends, and swept when its worker was killed.

It holds inputs, embeddings and density models made from samples that are to be forgotten, so
leaving it behind would break the promise.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.core.settings import Settings
from service.core.storage import LocalStore

SWEEP = ".sweep"


@dataclass(frozen=True)
class Workspace:
    """`path` is for everything that goes at the end; `staging` is where a version is written."""

    path: Path
    staging: Path


@contextmanager
def workspace(settings: Settings, name: str) -> Iterator[Workspace]:
    """An empty scratch directory and an empty staging directory, both removed at the end."""
    scratch = settings.scratch_dir
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = scratch / name
    with _locked(scratch / SWEEP):
        lock = _lock(scratch / f"{name}.lock", wait=False)
        if lock is None:
            raise RuntimeError(f"The scratch space {name} is in use.")
    try:
        path.mkdir(mode=0o700)
        yield Workspace(path, LocalStore(settings.storage_dir).staging(name))
    finally:
        _remove(settings, name)
        os.close(lock)


def sweep(settings: Settings) -> int:
    """Remove what killed workers of this machine left behind; returns how many runs' spaces."""
    scratch = settings.scratch_dir
    if not scratch.is_dir():
        return 0
    swept = 0
    with _locked(scratch / SWEEP):
        for file in scratch.glob("*.lock"):
            # A lock goes with the process that held it: one that can be had belongs to nobody.
            lock = _lock(file, wait=False)
            if lock is not None:
                _remove(settings, file.stem)
                os.close(lock)
                swept += 1
    return swept


def _remove(settings: Settings, name: str) -> None:
    staging = settings.storage_dir / ".staging" / name
    for path in (settings.scratch_dir / name, staging):
        if path.exists():
            shutil.rmtree(path)
    (settings.scratch_dir / f"{name}.lock").unlink(missing_ok=True)


def _lock(path: Path, *, wait: bool) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = _lock(path, wait=True)
    assert handle is not None  # noqa: S101 (it waited)
    try:
        yield
    finally:
        os.close(handle)
