"""The answer to a request that is accepted, or was accepted before under the same key."""

import json
from collections.abc import Callable

from fastapi import Request, Response
from sqlalchemy.orm import Session

from service.api.idempotency import Once
from service.api.links import path_of
from service.api.tagged import JSON
from service.core.tables import DeletionRequest
from service.deletion_requests.views import show_accepted

POLL_AGAIN_SECONDS = "2"


def answer_once(
    request: Request,
    session: Session,
    once: Once,
    dataset: str,
    accept: Callable[[], DeletionRequest],
) -> Response:
    """202 with what `accept` stored, or with what was answered to this key the first time."""
    headers = {"Retry-After": POLL_AGAIN_SECONDS}
    if once.answer is None:
        body = show_accepted(request, session, dataset, accept()).model_dump_json()
        once.keep(body)
    else:
        body = once.answer
        headers["Idempotency-Replayed"] = "true"
    request_id = json.loads(body)["id"]
    headers["Location"] = path_of(request, "read_deletion_request", request_id=request_id)
    return Response(body, 202, media_type=JSON, headers=headers)
