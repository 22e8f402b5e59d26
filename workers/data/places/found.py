"""What is found behind a dataset's URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PARQUET = ".parquet"


@dataclass(frozen=True)
class Found:
    """Files, in order of their URLs; `names` are their paths as `filesystem` of fsspec has them.

    `start` is the path that was named, or what stands before the first wildcard of a glob.
    """

    filesystem: Any
    start: str
    names: list[str]
    urls: list[str]

    @classmethod
    def of(cls, filesystem: Any, start: str, by_url: dict[str, str]) -> "Found":
        urls = sorted(by_url)
        return cls(filesystem, start, [by_url[url] for url in urls], urls)


def shown(pattern: Sequence[str], names: list[str]) -> list[str]:
    """Without what writers keep beside the data, such as `_temporary/` and `.a.parquet.crc`.

    `_part=1/` is a partition. A pattern that asks for such names gets them. All are named from the
    folder on that stands before the first wildcard.
    """
    if any(map(_is_kept_beside, pattern)):
        return names
    return [name for name in names if not any(map(_is_kept_beside, name.split("/")))]


def _is_kept_beside(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)
