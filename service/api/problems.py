"""Refusals as `application/problem+json` (RFC 9457). Only this module knows their HTTP numbers."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from service.core.errors import ConflictError, DomainError, InvalidError, NotFoundError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
IN_FLIGHT_SECONDS = 1
# What PostgreSQL says while a standby takes over: the server is read-only still, or it ended the
# session. (The whole class 57P is about servers that stop, or are not up yet.)
FAILOVER = ("25006", "25P03", "57P")
# What it is when a database is away, silent, or has no connection left.
AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
UNKNOWN_FIELD = "(unknown)"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

log = structlog.get_logger(__name__)


class UnauthorizedError(DomainError):
    code = "unauthorized"
    title = "A valid API key is needed"


class GoneError(DomainError):
    code = "gone"
    title = "This does not exist any more"


class NotReadyError(DomainError):
    code = "not-ready"
    title = "The service is not ready"


class BusyError(NotReadyError):
    code = "busy"
    title = "The service is busy"


class InFlightError(ConflictError):
    """A conflict that is over in a moment."""


class BodyTooLargeError(DomainError):
    code = "body-too-large"
    title = "The body is too large"


class BodyTooSlowError(DomainError):
    code = "body-too-slow"
    title = "The body did not come"


class UnsupportedMediaError(DomainError):
    code = "unsupported-media-type"
    title = "The body is not of a kind that is read here"


class RangeError(DomainError):
    code = "range-not-satisfiable"
    title = "The file has no such part"


class StorageFullError(DomainError):
    code = "insufficient-storage"
    title = "The service has no room for the body"


STATUS: dict[type[DomainError], int] = {
    NotFoundError: 404,
    ConflictError: 409,
    InvalidError: 422,
    UnauthorizedError: 401,
    BodyTooSlowError: 408,
    GoneError: 410,
    BodyTooLargeError: 413,
    UnsupportedMediaError: 415,
    RangeError: 416,
    NotReadyError: 503,
    StorageFullError: 507,
}


class Problem(BaseModel):
    """The body of every refusal. `type` is stable; `detail` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class FieldError(BaseModel):
    """What is wrong with one field. The value itself is never repeated."""

    field: str
    message: str


class FormProblem(Problem):
    """A refusal that may name fields: then `errors` says of each what is wrong with it."""

    errors: list[FieldError] = []


def status_of(error: type[DomainError]) -> int:
    return next((STATUS[kind] for kind in error.__mro__ if kind in STATUS), 500)


def answer(
    request: Request,
    *,
    code: str,
    title: str,
    status: int,
    detail: str,
    headers: dict[str, str] | None = None,
    **facts: Any,
) -> JSONResponse:
    problem = Problem(
        type=f"/problems/{code}",
        title=title,
        status=status,
        detail=detail,
        instance=request.url.path,
    )
    body = facts | problem.model_dump()
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def problems(*errors: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may refuse in these ways, beside those that all share."""
    described: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = status_of(error)
        entry = described.setdefault(status, {"description": ""})
        line = f"`/problems/{error.code}`: {error.title}."
        entry["description"] = f"{entry['description']} {line}".strip()
    return described


def refuse(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)  # noqa: S101 (the handler is registered for it)
    headers = {}
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, NotReadyError):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if isinstance(error, InFlightError):
        headers["Retry-After"] = str(IN_FLIGHT_SECONDS)
    return answer(
        request,
        code=error.code,
        title=error.title,
        status=status_of(type(error)),
        detail=str(error),
        headers=headers,
        **error.facts,
    )


def field_of(found: dict[str, Any]) -> str:
    place = list(found["loc"][1:])
    if found["type"] == "json_invalid":
        place = []  # Where JSON itself is broken, the place is a count of characters and no field.
    elif found["type"] == "extra_forbidden":
        place[-1:] = [UNKNOWN_FIELD]  # The caller chose this name: it may be an ID.
    return ".".join(str(part) for part in place) or str(found["loc"][0])


def refuse_body(request: Request, error: Exception) -> JSONResponse:
    """Say which fields are wrong and how. The given values are left out: they may be IDs."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = [
        FieldError(
            field=field_of(found),
            message=found["msg"],
        )
        for found in error.errors()
    ]
    first = errors[0]
    more = f" ({len(errors) - 1} more in `errors`)" if len(errors) > 1 else ""
    return answer(
        request,
        code="validation",
        title="The request does not have the expected form",
        status=422,
        detail=f"{first.field}: {first.message}{more}.",
        errors=[found.model_dump() for found in errors[:100]],
    )


def refuse_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {request.url.path}."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(allowed_methods(request))
        detail = f"{request.method} is not allowed here: {headers['Allow']} is."
    elif isinstance(error.__cause__, RecursionError):
        detail = "The body is nested too deeply."
    return answer(
        request,
        code=phrase.lower().replace(" ", "-"),
        title=phrase,
        status=error.status_code,
        detail=detail,
        headers=headers,
    )


def allowed_methods(request: Request) -> list[str]:
    """What may be done at a path. Starlette names the methods of the first route only."""
    found = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] == Match.FULL
            for route in request.app.routes
        )
    ]
    return ["GET", "HEAD", *found[1:]] if found[:1] == ["GET"] else found


def refuse_for_now(request: Request, error: Exception) -> JSONResponse:
    """The database is away: nothing was changed, and the caller should come again."""
    log.warning("database unavailable", exc_info=error, path=request.url.path)
    return answer(
        request,
        code="unavailable",
        title="The service is not ready",
        status=503,
        detail="The database did not answer; nothing was changed. Send the same request again.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def refuse_if_failing_over(request: Request, error: Exception) -> JSONResponse:
    """For a kind of error that is a failover's sometimes, and a fault of ours else.

    Raises:
        InternalError: the one that was given, if it is a fault.
    """
    state = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    if not state.startswith(FAILOVER):
        raise error
    return refuse_for_now(request, error)


def admit_fault(request: Request, error: Exception) -> JSONResponse:
    # Starlette raises the error again after this answer, and the server logs it.
    log.error("unhandled error", path=request.url.path, error=type(error).__name__)
    return answer(
        request,
        code="internal",
        title="The service failed",
        status=500,
        detail="This is a fault of the service; its log says more.",
    )


def install(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, refuse)
    app.add_exception_handler(RequestValidationError, refuse_body)
    app.add_exception_handler(HTTPException, refuse_http)
    for kind in AWAY:
        app.add_exception_handler(kind, refuse_for_now)
    app.add_exception_handler(InternalError, refuse_if_failing_over)
    app.add_exception_handler(Exception, admit_fault)
