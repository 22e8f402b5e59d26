"""The description of the API, with every answer that can be given."""

from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from service.api.problems import MEDIA_TYPE, FormProblem, Problem

PUBLIC = "/v1/"
REF = "#/components/schemas/{model}"
# FastAPI's own form of a refusal, which is never given here.
OTHER_FORMS = ("HTTPValidationError", "ValidationError")

# What any request may be answered, whatever it asks for.
ALWAYS = {
    400: "`/problems/bad-request`: no HTTP, or a body that is no text or is nested too deeply.",
    405: "`/problems/method-not-allowed`: `Allow` says what may be done here.",
    408: "`/problems/head-too-slow`, `/problems/body-too-slow`: the request did not come in time.",
    413: "`/problems/body-too-large`: The body is too large.",
    422: "`/problems/validation`: the body or a parameter does not have the expected form.",
    431: "`/problems/head-too-large`: the head of the request is too large.",
    500: "`/problems/internal`: The service failed.",
    501: "`/problems/not-implemented`: the body comes in a coding that is not read here.",
    503: "`/problems/busy`, `/problems/unavailable`: nothing was changed; send it again later.",
}
HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "`Bearer`."},
    405: {"Allow": "The methods of this path."},
    503: {"Retry-After": "Seconds."},
}


def install(app: FastAPI) -> None:
    app.openapi = partial(describe, app, app.openapi)  # type: ignore[method-assign]


def describe(app: FastAPI, by_routes: Any) -> dict[str, Any]:
    """What the routes say of themselves, and what all of them share."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    described: dict[str, Any] = by_routes()
    for operations in described["paths"].values():
        for operation in operations.values():
            complete(operation["responses"])
    schemas = described["components"]["schemas"]
    for name in OTHER_FORMS:
        schemas.pop(name, None)
    for model in (Problem, FormProblem):
        form = model.model_json_schema(ref_template=REF)
        schemas |= form.pop("$defs", {}) | {model.__name__: form}
    return described


def complete(responses: dict[str, Any]) -> None:
    """Add to the responses of one operation what is the same for all."""
    for status, sentence in ALWAYS.items():
        own = responses.get(str(status), {}).get("description", "")
        own = own if own.startswith("`") else ""
        responses[str(status)] = {"description": f"{own} {sentence}".strip()}
    for key, response in responses.items():
        number = int(key)
        if number < HTTPStatus.BAD_REQUEST:
            continue
        form = FormProblem if number == HTTPStatus.UNPROCESSABLE_ENTITY else Problem
        response["content"] = {MEDIA_TYPE: {"schema": {"$ref": REF.format(model=form.__name__)}}}
        if number in HEADERS:
            response["headers"] = {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in HEADERS[number].items()
            }
