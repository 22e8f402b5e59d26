"""Pages by opaque cursors: the place after the last row seen, so nothing is skipped or repeated.

Every text that has a cursor's form is one, so that the form tells a client all that is refused.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from service.core.errors import InvalidError

T = TypeVar("T")

# As many digits as always fit into 64 bits.
NUMBER = r"^[0-9]{1,18}$"
# Microseconds since 1970, until the year 2286, and a UUID.
TIME_AND_ID = r"^[0-9]{1,16}-[0-9a-f]{32}$"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

LimitQuery = Annotated[int, Query(ge=1, le=1000, description="Rows a page at the most.")]
OfPageBefore = Query(description="`next_cursor` of the page before.")
CursorQuery = Annotated[
    Annotated[str, Field(json_schema_extra={"pattern": NUMBER})] | None, OfPageBefore
]
TimeCursorQuery = Annotated[
    Annotated[str, Field(json_schema_extra={"pattern": TIME_AND_ID})] | None, OfPageBefore
]


class Page(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None


class CursorError(InvalidError):
    code = "cursor"
    title = "The cursor is not one of ours"


def encode_number(number: int) -> str:
    return str(number)


def encode_time_and_id(at: datetime, key: UUID) -> str:
    return f"{(at - EPOCH) // MICROSECOND}-{key.hex}"


def decode_number(cursor: str, largest: int = 2**31 - 1) -> int:
    """The number of the last row seen. None has a larger one than `largest`."""
    refuse_other_form(NUMBER, cursor)
    return min(int(cursor), largest)


def decode_time_and_id(cursor: str) -> tuple[datetime, UUID]:
    refuse_other_form(TIME_AND_ID, cursor)
    since, _, key = cursor.partition("-")
    return EPOCH + int(since) * MICROSECOND, UUID(key)


def refuse_other_form(form: str, cursor: str) -> None:
    """Look at a cursor before anything is made of it.

    Raises:
        CursorError: somebody has changed it.
    """
    if not re.fullmatch(form, cursor, re.ASCII):
        raise CursorError("Send `next_cursor` of the page before, unchanged.")
