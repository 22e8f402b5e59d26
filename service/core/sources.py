"""Which URLs of datasets and models may be opened: those below prefixes that an operator names.

What is decided here is decided by the URL's text alone, so that the API and every worker decide
alike. Workers look again at what the text leads to (`workers.data.places`).
"""

import re
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Self

from service.core.errors import InvalidError

FILE = "file"
SETTING = "UNLEARND_SOURCES"
# Storages that a URL names directly, each by the name that fsspec gives it. Whatever unpacks,
# caches, maps or fetches what another URL names is left out, and so is what lies in a process.
SCHEMES = frozenset(
    {
        FILE,
        "abfs",
        "abfss",
        "adl",
        "az",
        "ftp",
        "gcs",
        "gs",
        "hdfs",
        "hf",
        "http",
        "https",
        "oci",
        "oss",
        "s3",
        "s3a",
        "sftp",
        "smb",
        "webhdfs",
    }
)
WEB = ("http", "https")
FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/.*)?", re.DOTALL)
# What a server or a driver could decode to a step upwards, a separator or a control character.
ENCODED = re.compile(r"%(2e|2f|5c|[01][0-9a-f]|7f)", re.IGNORECASE)
GLOB = re.compile(r"[*?\[]")
# Nothing that was written as a dataset or a model lies in these. /dev/shm holds ordinary files,
# and is only compared with.
SYSTEM = ("/proc", "/sys", "/dev")
ORDINARY = "/dev/shm"  # noqa: S108  # nosec B108


class SourceError(ValueError):
    """A URL that is not opened. The sentence says why, and repeats nothing of the URL."""


class SourceNotAllowedError(InvalidError):
    code = "source-not-allowed"
    title = "The operator did not allow this URL"


@dataclass(frozen=True)
class Location:
    """A URL in its parts. `segments` are what lies between its slashes, and hold a glob at most."""

    scheme: str
    authority: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, url: str, *, found: bool = False) -> Self:
        """Take apart a URL that can be read in one way only.

        `found` says that it is a file's that was listed, whose name on this machine stands in it as
        it is: writers put a slash in the value of a partition into a folder's name as `%2F`.

        Raises:
            SourceError: it has another form, or its scheme is not one that is read.
        """
        if any(is_control(char) for char in url):
            raise SourceError("It holds control characters, or is not Unicode text.")
        if "::" in url:
            raise SourceError("It chains URLs by `::`. Name one file, folder or glob.")
        if "\\" in url:
            raise SourceError("It holds a backslash. Write slashes.")
        form = FORM.fullmatch(url)
        if form is None:
            raise SourceError("It is no URL. Write one such as file:///data/train/*.parquet.")
        scheme, authority, path = form[1], form[2], form[3] or ""
        if scheme not in SCHEMES:
            raise SourceError(f"Its scheme is not one of {', '.join(sorted(SCHEMES))}.")
        if scheme == FILE and authority:
            raise SourceError("A file's URL names no host. Write file:/// and an absolute path.")
        if scheme != FILE and not authority:
            raise SourceError(f"It names no bucket or host. Write {scheme}://, a name and a path.")
        if GLOB.search(authority) or (scheme in WEB and re.search(r"[?#]", path)):
            raise SourceError("A glob or a query cannot stand there. Name a path.")
        return cls(scheme, authority, segments_of(path, as_named=found and scheme == FILE))

    @property
    def path(self) -> str:
        """From the root on; of a `file`, the path on this machine."""
        return "/" + "/".join(self.segments)

    @property
    def fixed_part(self) -> int:
        """How many segments stand before the first one with a wildcard."""
        globs = (number for number, segment in enumerate(self.segments) if GLOB.search(segment))
        return next(globs, len(self.segments))

    def is_in(self, place: Self) -> bool:
        """Whether it is that place, or lies below it, by whole segments."""
        return (
            self.scheme == place.scheme
            and self.authority == place.authority
            and self.segments[: len(place.segments)] == place.segments
        )

    def is_hidden_in(self, place: Self) -> bool:
        """Whether a file or a folder below that place begins with a dot, as those with keys do."""
        return self.scheme == FILE and any(
            segment.startswith(".") for segment in self.segments[len(place.segments) :]
        )

    def __str__(self) -> str:
        path = self.path if self.segments or self.scheme == FILE else ""
        return f"{self.scheme}://{self.authority}{path}"


def is_control(char: str) -> bool:
    return char < " " or "\x7f" <= char < "\xa0" or "\ud800" <= char <= "\udfff"


def segments_of(path: str, *, as_named: bool = False) -> tuple[str, ...]:
    """What lies between the slashes of an absolute path; one slash may end it.

    `as_named` says that what reads it decodes nothing.

    Raises:
        SourceError: a segment is empty, leads upwards, or could be decoded to one that does.
    """
    segments = path.removeprefix("/").removesuffix("/").split("/")
    if segments == [""]:
        return ()
    if not as_named and ENCODED.search(path):
        raise SourceError("It holds an encoded dot, separator or control character.")
    if any(segment in ("", ".", "..") for segment in segments):
        raise SourceError("Its path holds `..`, `.` or two slashes in a row. Write it out.")
    return tuple(segments)


def of_path(path: PurePath | str) -> Location:
    """An absolute path of this machine, whatever characters it has."""
    return Location(FILE, "", PurePosixPath(path).parts[1:])


def prefix_of(text: str) -> Location:
    """One prefix as an operator writes it.

    Raises:
        SourceError: it is no URL of a place, or holds a glob.
    """
    place = Location.parse(text)
    if any(GLOB.search(segment) for segment in place.segments):
        raise SourceError("A prefix holds no glob. Name a folder.")
    return place


def is_system(place: Location) -> bool:
    """Whether it is what a kernel shows as files."""
    return any(place.is_in(of_path(path)) for path in SYSTEM) and not place.is_in(of_path(ORDINARY))


@dataclass(frozen=True)
class Sources:
    """What may be opened: what lies below a prefix, and is none of the service's own files."""

    prefixes: tuple[Location, ...]
    own: tuple[Location, ...] = ()

    def check(self, url: str, *, found: bool = False) -> Location:
        """The parts of a URL that may be opened; `found` as in `Location.parse`.

        Raises:
            SourceError: it may not.
        """
        location = Location.parse(url, found=found)
        self.refuse_own(location)
        around = [prefix for prefix in self.prefixes if location.is_in(prefix)]
        if not around:
            raise SourceError(
                f"It lies below no prefix in {SETTING}. Move it below one, or have an operator add "
                "one, such as file:///data or s3://bucket/prefix."
            )
        if all(location.is_hidden_in(prefix) for prefix in around):
            raise SourceError(
                "It lies in a hidden folder, or is a hidden file: a name begins with a dot. Have "
                f"an operator add that folder to {SETTING}."
            )
        return location

    def refuse_own(self, location: Location) -> None:
        """Raise SourceError for files of this service and of the system, whatever is allowed."""
        if location.scheme == FILE and (
            is_system(location) or any(location.is_in(place) for place in self.own)
        ):
            raise SourceError("The system or this service keeps its own files there.")

    def refuse_others(self, **urls: str | None) -> None:
        """Look at the URLs that a body has in these fields.

        Raises:
            SourceNotAllowedError: one of them may not be opened. The URL is not repeated.
        """
        for field, url in urls.items():
            if url is None:
                continue
            try:
                self.check(url)
            except SourceError as error:
                told = f"{field}: {error}"
                if SETTING not in told:
                    told += f" {SETTING} lists what may be opened."
                raise SourceNotAllowedError(told, field=field) from None
