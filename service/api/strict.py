"""Queries are read as bodies are: what a route does not know, it refuses."""

import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

from service.api.paths import in_parts
from service.api.problems import UNKNOWN_FIELD

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

UNKNOWN_PARAMETER = "unknown_parameter"
REPEATED_PARAMETER = "repeated_parameter"
SEVERAL_VALUES = (list, set, frozenset, tuple)
# What is spelt like the name of a parameter is a slip, and is named. Anything else may be an ID.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class StrictRoute(APIRoute):
    """A route that refuses query parameters which it does not know, or which come twice.

    What a misspelt filter would have kept out is not shown, and a second value is not ignored.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(in_parts(path), endpoint, **options)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        known = dict(parameters(self.dependant))
        single = {name for name, annotation in known.items() if not takes_several(annotation)}

        async def handle_strictly(request: Request) -> Response:
            names = [name for name, _ in request.query_params.multi_items()]
            complaints = [
                *unknown(names, list(known)),
                *repeated(names, single),
            ]
            if complaints:
                raise RequestValidationError(complaints)
            return await handle(request)

        return handle_strictly


def parameters(dependant: Dependant) -> Iterator[tuple[str, Any]]:
    """Names and types of the query parameters of a route, and of what it depends on."""
    for field in dependant.query_params:
        form = field.field_info.annotation
        if isinstance(form, type) and issubclass(form, BaseModel):
            for name, inner in form.model_fields.items():
                yield inner.alias or name, inner.annotation
        else:
            yield field.alias, form
    for dependency in dependant.dependencies:
        yield from parameters(dependency)


def takes_several(annotation: Any) -> bool:
    """Whether a parameter of this type may come more than once."""
    origin = get_origin(annotation) or annotation
    if origin in (Union, UnionType):
        return any(takes_several(part) for part in get_args(annotation))
    return origin in SEVERAL_VALUES


def unknown(names: Iterable[str], known: list[str]) -> list[dict[str, Any]]:
    may_be = f"known are {', '.join(known)}" if known else "this route takes none"
    return [
        complaint(UNKNOWN_PARAMETER, name, f"There is no such query parameter: {may_be}")
        for name in dict.fromkeys(names)
        if name not in known
    ]


def repeated(names: Iterable[str], single: set[str]) -> list[dict[str, Any]]:
    return [
        complaint(REPEATED_PARAMETER, name, f"It came {count} times: send it once")
        for name, count in Counter(names).items()
        if count > 1 and name in single
    ]


def complaint(kind: str, name: str, message: str) -> dict[str, Any]:
    """One of the errors of a RequestValidationError, about a query parameter."""
    field = name if NAME.fullmatch(name) else UNKNOWN_FIELD
    return {"type": kind, "loc": ("query", field), "msg": message, "input": None}
