"""Pages by opaque cursors: the place after the last row seen, so nothing is skipped or repeated."""

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from service.core.errors import InvalidError

T = TypeVar("T")

LimitQuery = Annotated[int, Query(ge=1, le=1000, description="Rows a page at the most.")]
CursorQuery = Annotated[
    str | None, Query(max_length=512, description="`next_cursor` of the page before.")
]


class Page(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None


class CursorError(InvalidError):
    code = "cursor"
    title = "The cursor is not one of ours"


def encode(*place: Any) -> str:
    text = json.dumps([str(part) for part in place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, length: int) -> list[str]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place = json.loads(raw)
    except (binascii.Error, ValueError) as error:
        raise CursorError("Send `next_cursor` of the page before, unchanged.") from error
    if not isinstance(place, list) or len(place) != length:
        raise CursorError("Send `next_cursor` of the page before, unchanged.")
    return [str(part) for part in place]


def decode_time_and_id(cursor: str) -> tuple[datetime, UUID]:
    at, key = decode(cursor, 2)
    try:
        return datetime.fromisoformat(at), UUID(key)
    except ValueError as error:
        raise CursorError("Send `next_cursor` of the page before, unchanged.") from error


def decode_number(cursor: str, largest: int = 2**31 - 1) -> int:
    (number,) = decode(cursor, 1)
    # The length first: Python takes its time over long numbers, and refuses very long ones.
    plausible = number.isascii() and number.isdecimal() and len(number) <= len(str(largest))
    if not plausible or int(number) > largest:
        raise CursorError("Send `next_cursor` of the page before, unchanged.")
    return int(number)
