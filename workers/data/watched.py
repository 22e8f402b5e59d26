"""A file of a storage, whose trouble is told apart from what is wrong with the file's bytes.

Arrow raises an OSError for both.
"""

import errno
import io
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Watched:
    """Reads from `raw`. `trouble` is the first error that the storage has come to, if any."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.trouble: OSError | None = None

    @property
    def closed(self) -> bool:
        return bool(self._raw.closed)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def close(self) -> None:
        """Whoever opened it closes it."""

    def tell(self) -> int:
        return self._ask(lambda: int(self._raw.tell()))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._ask(lambda: self._raw.seek(offset, whence))
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        return self._ask(lambda: bytes(self._raw.read(size)))

    def size(self) -> int:
        """Bytes in all."""
        self.seek(0, io.SEEK_END)
        found = self.tell()
        self.seek(0)
        return found

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except MemoryError:
            raise
        except OSError as error:
            self.trouble = error
            raise
        except Exception as error:
            # The libraries behind some storages have errors of their own for a server that is away.
            self.trouble = OSError(errno.EIO, f"the storage failed with {type(error).__name__}")
            raise self.trouble from error
