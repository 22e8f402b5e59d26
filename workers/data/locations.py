"""What the reading of a URL may fail of: for good, or until the storage answers again."""

import errno
import os

import pyarrow as pa

from service.core.reasons import JobReason
from service.core.sources import SourceError
from workers.quoting import of_files

# Somebody has to mend the files or the rights: another attempt would end alike. Any other OSError
# may be a storage that is slow or away for a while.
FILES_AT_FAULT = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    pa.ArrowInvalid,
    pa.ArrowNotImplementedError,
)
# Libraries raise these without the number of the operating system's error.
UNNUMBERED: dict[type[OSError], str] = {
    FileNotFoundError: os.strerror(errno.ENOENT),
    IsADirectoryError: os.strerror(errno.EISDIR),
    NotADirectoryError: os.strerror(errno.ENOTDIR),
    PermissionError: os.strerror(errno.EACCES),
}
# A URL that is none, or one whose driver is not installed here.
URL_AT_FAULT = (ValueError, ImportError)


def fault(uri: str, error: Exception) -> str:
    """A sentence for whoever has to mend it."""
    if isinstance(error, PermissionError):
        return f"The worker has no permission to read {uri}: an operator must grant it."
    if isinstance(error, SourceError):
        return f"{uri} is not opened: {error}"
    if isinstance(error, OSError) and error.strerror:
        # The error itself may name where links have led to.
        return f"{uri} cannot be read: {error.strerror}."
    if isinstance(error, OSError):
        # Its message is the name of a file.
        return f"{uri} cannot be read: {UNNUMBERED.get(type(error), type(error).__name__)}."
    return f"{uri} cannot be read: {of_files(error)}"


def trouble(error: OSError) -> str:
    """A sentence about a storage that failed. It names no file: a name may hold a sample's ID."""
    return f"A file could not be read or written: {error.strerror or type(error).__name__}."


def trouble_code(error: OSError) -> JobReason:
    """What kind of trouble that is."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return JobReason.DISK_FULL
    return JobReason.OUT_OF_MEMORY if error.errno == errno.ENOMEM else JobReason.STORAGE
