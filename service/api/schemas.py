"""Shapes that several resources share."""

import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# Far more than a factory's arguments need, and less than any serialiser on the way can take.
MAX_DEPTH = 64
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Body(BaseModel):
    """What a caller sends: an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Resource(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)


class OfSomeKind(BaseModel):
    """The one field that says which form the others have."""

    kind: str


def by_kind(**forms: type[Body]) -> WrapValidator:
    """Read a body as the form of its `kind`, for a union of these forms.

    A tagged union would put the tag into the names of fields, and an unknown one into the answer.
    """
    one_of: Any = (Literal[tuple(forms)], ...)
    of_known_kind = create_model("OfKnownKind", __base__=OfSomeKind, kind=one_of)

    def read(given: Any, _: ValidatorFunctionWrapHandler) -> Body:
        if isinstance(given, Body):
            return given
        return forms[of_known_kind.model_validate(given).kind].model_validate(given)

    return WrapValidator(read)


def storable(text: str) -> str:
    """Refuse what PostgreSQL cannot hold: a NUL, and halves of surrogate pairs."""
    if "\x00" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise ValueError("must be Unicode text without NUL characters")
    return text


def storable_json(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON or PostgreSQL's `jsonb` cannot hold, at any depth."""
    if deeper_than(MAX_DEPTH, value):
        raise ValueError(f"must not be nested more than {MAX_DEPTH} levels deep")
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except ValueError as error:
        raise ValueError("must hold finite numbers and Unicode text only") from error
    if "\\u0000" in text:
        raise ValueError("must not hold NUL characters")
    return value


def deeper_than(levels: int, value: Any) -> bool:
    """Whether containers are nested more deeply than this; a loop, so no depth is too much."""
    layer = [value]
    for _ in range(levels + 1):
        inner: list[Any] = []
        for one in layer:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return False
        layer = inner
    return True


def rfc3339(value: Any) -> Any:
    """Refuse what pydantic would take for a time as well: numbers, and numbers in a string."""
    if isinstance(value, datetime) or (isinstance(value, str) and RFC3339.fullmatch(value)):
        return value
    raise ValueError("must be a time of RFC 3339 with an offset, such as 2026-01-31T12:00:00Z")


Time = Annotated[AwareDatetime, BeforeValidator(rfc3339)]
Name = Annotated[str, Field(min_length=1, max_length=128, pattern=NAME)]
JSONObject = Annotated[dict[str, Any], AfterValidator(storable_json)]
# A name in a path: one that could not be stored names nothing.
PathName = Annotated[str, AfterValidator(storable)]
ShortText = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]
URI = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(storable)]
