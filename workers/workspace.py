"""Scratch space of one attempt: gone when its job ends, swept when its worker was killed.

It holds inputs, embeddings and density models made from samples that are to be forgotten, so
leaving it behind would break the promise. What an attempt that is cut short has in the folder
`KEPT` outlives it, for the next attempt at the same job. A space belongs to whoever has the lock
on its file: the supervisor and the run that it started share one, so a space is free when both
are dead. Whoever takes a kept folder over has that lock, and moves the folder by one rename.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.core.settings import Settings
from service.core.storage import LocalStore
from workers.plan import KEPT

SWEEP = ".sweep"
DIGEST = "plan.sha256"


@dataclass
class Workspace:
    """`path` is for everything that goes at the end; `staging` is where a version is written.

    `lock` is a file descriptor for the run to inherit. `outlives`: what is in `kept` is to be
    there for another attempt.
    """

    path: Path
    staging: Path
    lock: int
    outlives: bool = False

    @property
    def kept(self) -> Path:
        return self.path / KEPT


@contextmanager
def workspace(settings: Settings, name: str) -> Iterator[Workspace]:
    """An empty scratch directory and an empty staging directory, both removed at the end.

    The name is `OWNER.NUMBER`, with another number for each attempt.
    """
    scratch = settings.scratch_dir
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = scratch / name
    with _locked(scratch / SWEEP):
        lock = _lock(scratch / f"{name}.lock", wait=False)
        if lock is None:
            raise RuntimeError(f"The scratch space {name} is in use.")
    space: Workspace | None = None
    try:
        path.mkdir(mode=0o700)
        space = Workspace(path, LocalStore(settings.storage_dir).staging(name), lock)
        yield space
    finally:
        _remove(settings, name, but_kept=space is not None and space.outlives)
        os.close(lock)


def take_over(settings: Settings, space: Workspace, digest: str) -> bool:
    """Get what an earlier attempt of the same owner has kept for the plan with this digest.

    Whether there was something. Of the owner's other spaces that are free, nothing is left: their
    plan is not the present one any more.
    """
    scratch, owner = settings.scratch_dir, _owner(space.path.name)
    with _locked(scratch / SWEEP):
        for name in _free(scratch, lambda name: _owner(name) == owner):
            old = scratch / name / KEPT
            if not space.kept.exists() and _digest_of(old) == digest:
                old.rename(space.kept)
            _remove(settings, name)
    found = space.kept.exists()
    if not found:
        space.kept.mkdir(mode=0o700)
        (space.kept / DIGEST).write_text(digest, encoding="ascii")
    return found


def discard(settings: Settings, owner: str) -> None:
    """Remove all spaces of an owner whose work is over, but those that somebody still uses."""
    if settings.scratch_dir.is_dir():
        with _locked(settings.scratch_dir / SWEEP):
            for name in _free(settings.scratch_dir, lambda name: _owner(name) == owner):
                _remove(settings, name)


def sweep(settings: Settings, alive: Callable[[set[str]], set[str]]) -> int:
    """Remove what killed workers of this machine left behind; returns how many spaces.

    `alive` says which of some owners may still come back for what they kept. They do not get it
    when it is older than the time that one attempt may take.
    """
    scratch = settings.scratch_dir
    if not scratch.is_dir():
        return 0
    # What is made after this look is somebody's who was not asked about.
    known = {file.stem for file in scratch.glob("*.lock")}
    keepers = {_owner(path.parent.name) for path in scratch.glob(f"*/{KEPT}")}
    waiting = alive(keepers) if keepers else set()
    swept = 0
    with _locked(scratch / SWEEP):
        for name in _free(scratch, lambda name: name in known):
            kept = scratch / name / KEPT
            young = kept.is_dir() and _age(kept) <= settings.job_time_limit_seconds
            if young and _owner(name) in waiting:
                continue
            _remove(settings, name)
            swept += 1
    return swept


def _free(scratch: Path, wanted: Callable[[str], bool]) -> Iterator[str]:
    """Spaces that nobody uses, each locked while it is looked at; the newest first."""
    found = sorted(scratch.glob("*.lock"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in found:
        if not wanted(file.stem):
            continue
        # A lock goes with the processes that held it: one that can be had belongs to nobody.
        lock = _lock(file, wait=False)
        if lock is not None:
            try:
                yield file.stem
            finally:
                os.close(lock)


def _owner(name: str) -> str:
    return name.rpartition(".")[0] or name


def _digest_of(kept: Path) -> str | None:
    note = kept / DIGEST
    return note.read_text(encoding="ascii") if note.is_file() else None


def _age(kept: Path) -> float:
    """Seconds since something was last written there."""
    last = max(path.stat().st_mtime for path in (kept, *kept.rglob("*")))
    return time.time() - last


def _remove(settings: Settings, name: str, *, but_kept: bool = False) -> None:
    scratch, staging = settings.scratch_dir / name, settings.storage_dir / ".staging" / name
    if staging.exists():
        shutil.rmtree(staging)
    if but_kept and (scratch / KEPT).is_dir():
        for path in scratch.iterdir():
            if path.name == KEPT:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        return
    if scratch.exists():
        shutil.rmtree(scratch)
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
