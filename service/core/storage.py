"""The artifact store: immutable directories, named by what is in them."""

import os
import shutil
from pathlib import Path

MANIFEST = "manifest.json"
PROVENANCE = "unlearning.json"


class StorageError(RuntimeError):
    """The storage is not the one that the versions were written to."""


class LocalStore:
    """Published versions on a file system, at `models/{model}/{digest}/`.

    A directory is written under a temporary name on the same file system, flushed, and moved, so
    a reader sees all of it or nothing. It is never changed afterwards.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def directory(self, model: str, digest: str) -> Path:
        return self.root / "models" / model / digest

    def versions(self) -> list[Path]:
        """The directories of all versions of all models."""
        return sorted(path for path in self.root.glob("models/*/*") if path.is_dir())

    def file(self, model: str, digest: str, path: str) -> Path:
        return self.directory(model, digest) / path

    def staging(self, name: str) -> Path:
        """An empty directory to write a version in. What an earlier try left there is removed."""
        staging = self.root / ".staging" / name
        if staging.exists():
            shutil.rmtree(staging)
        staging.mkdir(parents=True, mode=0o700)
        return staging

    def publish(self, staging: Path, model: str, digest: str) -> Path:
        """Move a finished directory to its final name; one that is there already is kept."""
        target = self.directory(model, digest)
        make_flushed(target.parent)
        if (target / MANIFEST).exists():
            shutil.rmtree(staging)
            return target
        staging.chmod(0o755)
        staging.rename(target)
        flush_directory(target.parent)
        return target

    def destroy(self, model: str, digest: str) -> None:
        """Remove a version's files, the manifest first: without it the rest is no version.

        Files that are gone already are no error. A storage that knows nothing of the model is:
        it is the wrong one, and the files lie on, elsewhere.

        Raises:
            StorageError: there is no version of this model here, or the files cannot be removed.
        """
        directory = self.directory(model, digest)
        try:
            if not directory.parent.is_dir():
                raise StorageError(f"{self.root} holds no version of {model}: is it mounted here?")
            (directory / MANIFEST).unlink(missing_ok=True)
            if directory.exists():
                shutil.rmtree(directory)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StorageError(f"{directory} cannot be removed: {reason}.") from error


def make_flushed(path: Path) -> None:
    """Make a directory and its parents; the name of each new one survives a power cut."""
    new = [place for place in (path, *path.parents) if not place.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for place in new:
        flush_directory(place.parent)


def flush_directory(path: Path) -> None:
    """Make renames and new names in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
