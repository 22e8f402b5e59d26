"""An upload on its way into the database: checked line by line, and kept on disk."""

import codecs
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self, cast

from service.api.problems import StorageFullError
from service.core.errors import InvalidError
from service.core.tables.dataset import SAMPLE_ID_LENGTH

BLOCK_BYTES = 1024 * 1024
LONGEST_LINE_BYTES = 4 * SAMPLE_ID_LENGTH + len(codecs.BOM_UTF8) + len(b"\r")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InvalidUploadError(InvalidError):
    code = "invalid-upload"
    title = "The upload is not a list of sample IDs"


class Spool:
    """The lines of an upload, in the text format of COPY, in a file that has no name.

    The kernel removes such a file when it is closed, also by the death of the process, and nobody
    else can open it. `total` and `sha256` are of all lines, however they ended.
    """

    def __init__(self, folder: Path) -> None:
        with telling_when_full():
            folder.mkdir(0o700, parents=True, exist_ok=True)
            # Linux makes it without a name from the start (O_TMPFILE) where the file system can.
            file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (`__exit__` closes)
        self._file = cast("BinaryIO", file)
        self._digest = hashlib.sha256()
        self._rest = b""
        self.total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, part: bytes) -> None:
        """Take the next bytes, which may end in the middle of a line or of a character.

        Raises:
            InvalidUploadError: a line of them is no sample ID.
            StorageFullError: the disk is full.
        """
        whole, newline, self._rest = (self._rest + part).rpartition(b"\n")
        if newline:
            self._keep(whole)
        if len(self._rest) > LONGEST_LINE_BYTES:
            raise InvalidUploadError(too_long(self.total + 1), line=self.total + 1)

    def end(self) -> None:
        """There are no more bytes. The last line need not end with a line break.

        Raises:
            InvalidUploadError: it is no sample ID, or there was no line at all.
        """
        if self._rest:
            self._keep(self._rest)
            self._rest = b""
        if not self.total:
            raise InvalidUploadError("It holds no line: send one sample ID a line.", line=1)

    def blocks(self) -> Iterator[bytes]:
        """Everything that was kept, from the beginning."""
        self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            yield block

    def _keep(self, lines: bytes) -> None:
        if not self.total:
            lines = lines.removeprefix(codecs.BOM_UTF8)
        lines = (lines + b"\n").replace(b"\r\n", b"\n")
        self._check(lines)
        self.total += lines.count(b"\n")
        self._write(lines.replace(b"\\", b"\\\\").replace(b"\t", b"\\t"))

    def _check(self, lines: bytes) -> None:
        """Refuse what is no ID. Looking for the line is left until one is known to be wrong."""
        try:
            ids = lines.decode().split("\n")[:-1]
        except UnicodeDecodeError as error:
            number = self.total + 1 + lines.count(b"\n", 0, error.start)
        else:
            if all(ids) and max(map(len, ids)) <= SAMPLE_ID_LENGTH and not breaks_rules(lines):
                return
            for number, sample_id in enumerate(ids, start=self.total + 1):
                reason = complaint(sample_id, number)
                if reason:
                    raise InvalidUploadError(reason, line=number)
            raise AssertionError("a line is wrong, and none is")
        # Outside of the handler: its error holds the text.
        raise InvalidUploadError(f"Line {number} is not UTF-8.", line=number)

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        left = memoryview(data)
        with telling_when_full():
            while left:
                left = left[self._file.write(left) :]


@contextmanager
def telling_when_full() -> Iterator[None]:
    """Refuse the upload where the disk has no room for it.

    Raises:
        StorageFullError: instead of the system's error.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise StorageFullError(
            f"There is no room for the upload ({os.strerror(error.errno)}). Nothing was stored: "
            "send it again once the operator has made room."
        ) from None


def breaks_rules(text: bytes) -> bool:
    return b"\x00" in text or b"\r" in text


def complaint(sample_id: str, number: int) -> str | None:
    """What is wrong with a line, which is never repeated."""
    if not sample_id:
        return f"Line {number} is empty: an ID may have been lost there."
    if len(sample_id) > SAMPLE_ID_LENGTH:
        return too_long(number)
    if "\x00" in sample_id:
        return f"Line {number} holds a NUL character."
    if "\r" in sample_id:
        return (
            f"Line {number} holds a carriage return: end lines with \\n or \\r\\n, and send IDs "
            "that hold one as JSON."
        )
    return None


def too_long(number: int) -> str:
    return f"Line {number} has more than {SAMPLE_ID_LENGTH} characters."
