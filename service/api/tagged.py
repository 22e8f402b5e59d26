"""Single resources with an `ETag`, so that polling costs little and changes can be conditional."""

import hashlib
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

JSON = "application/json"
# For the `responses=` of a route that answers with `tagged`.
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "`If-None-Match` names what the caller has already."}
}


def etag_of(resource: BaseModel) -> str:
    return f'"{hashlib.sha256(resource.model_dump_json().encode()).hexdigest()[:32]}"'


def tagged(
    request: Request, resource: BaseModel, *, headers: dict[str, str] | None = None
) -> Response:
    """The resource with its tag, or 304 where `If-None-Match` names what the caller has."""
    body = resource.model_dump_json().encode()
    tag = etag_of(resource)
    sent = {"ETag": tag, **(headers or {})}
    if has_already(request, tag):
        return Response(status_code=304, headers=sent)
    return Response(body, media_type=JSON, headers=sent)


def has_already(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names this tag: the caller has what it stands for.

    The comparison is the weak one (RFC 9110, 13.1.2): a proxy that compresses weakens tags.
    """
    given = request.headers.get("if-none-match", "").split(",")
    known = [part.strip().removeprefix("W/") for part in given]
    return tag in known or "*" in known
