"""What an embedded server keeps in the home: folders, locks, passwords and logs."""

import fcntl
import importlib.util
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from service.embedded.errors import EmbeddedServerError

MAX_LOG_BYTES = 16 * 1024 * 1024
PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner enters; one that exists keeps its mode."""
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    return path


def open_private(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, with mode 0600, so that a crash leaves the old or the new one."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(open_private(scratch, os.O_WRONLY | os.O_EXCL), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def read_password(path: Path) -> str | None:
    """The password in this file; None if there is none."""
    return (path.read_text().strip() or None) if path.exists() else None


def new_password() -> str:
    """A random password that needs no quoting in a URL, in SQL or in a Redis configuration."""
    return secrets.token_urlsafe(32)


@contextmanager
def locked(path: Path, *, patience: float) -> Iterator[int | None]:
    """Hold a file's lock; None if another still holds it after `patience` seconds.

    The lock belongs to the file descriptor and to every process that inherits it.
    """
    descriptor = open_private(path, os.O_RDWR)
    try:
        yield descriptor if _lock(descriptor, patience) else None
    finally:
        os.close(descriptor)


def holders_of(path: Path) -> set[int]:
    """The processes that have this file open, of those that we may look at."""
    found, real = set(), path.resolve()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        # Processes and files come and go meanwhile, and others' are closed to us.
        with suppress(OSError):
            if link.readlink() == real:
                found.add(int(link.parts[2]))
    return found


def _lock(descriptor: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def open_log(path: Path) -> IO[bytes]:
    """Open a log at its end; one that has grown large becomes `….old` first."""
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_name(path.name + ".old"))
    return os.fdopen(open_private(path, os.O_RDWR | os.O_APPEND), "a+b")


def read_from(path: Path, start: int) -> str:
    """What was written to a file behind this offset."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def find_program(package: str, pattern: str, *, setting: str) -> Path:
    """Find a program inside an installed wheel, without importing the wheel's own code.

    Raises:
        EmbeddedServerError: The wheel is missing, or the program in it is not executable.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = next((hit for folder in folders for hit in sorted(Path(folder).glob(pattern))), None)
    if found is None:
        raise EmbeddedServerError(
            f"The package {package} is not installed here."
            f' Run pip install "unlearnd[embedded]", or set {setting}.'
        )
    if not os.access(found, os.X_OK):
        raise EmbeddedServerError(f"{found} is not executable. Run chmod +x, or set {setting}.")
    return found
