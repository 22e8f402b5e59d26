"""Shapes that several resources share."""

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class Body(BaseModel):
    """What a caller sends: an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Resource(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)


def storable(text: str) -> str:
    """Refuse what PostgreSQL cannot hold: a NUL, and halves of surrogate pairs."""
    if "\x00" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise ValueError("must be Unicode text without NUL characters")
    return text


def storable_json(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON or PostgreSQL's `jsonb` cannot hold, at any depth."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except ValueError as error:
        raise ValueError("must hold finite numbers and Unicode text only") from error
    if "\\u0000" in text:
        raise ValueError("must not hold NUL characters")
    return value


Name = Annotated[str, Field(min_length=1, max_length=128, pattern=NAME)]
JSONObject = Annotated[dict[str, Any], AfterValidator(storable_json)]
# A name in a path: one that could not be stored names nothing.
PathName = Annotated[str, AfterValidator(storable)]
ShortText = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]
URI = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(storable)]
