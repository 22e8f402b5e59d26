"""`/v1/deletion-requests`."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError

from service.api.deps import SettingsDep
from service.api.idempotency import KeyHeader, KeyInUseError, KeyReusedError, Once
from service.api.pagination import (
    CursorQuery,
    LimitQuery,
    Page,
    TimeCursorQuery,
    decode_number,
    decode_time_and_id,
    encode_number,
    encode_time_and_id,
)
from service.api.problems import problems
from service.api.schemas import ShortText
from service.api.strict import complaint
from service.api.tagged import NOT_MODIFIED, tagged
from service.api.transactions import SessionDep, TransactionRoute, caller_of
from service.core.errors import IllegalMoveError
from service.core.tables import Disposition, RequestState
from service.datasets.service import DatasetNotFoundError, DatasetNotReadyError
from service.deletion_requests import queries, service
from service.deletion_requests.answers import POLL_AGAIN_SECONDS, answer_once
from service.deletion_requests.schemas import (
    DeletionRequestCreate,
    DeletionRequestRead,
    EventRead,
    SampleRead,
)
from service.deletion_requests.service import (
    ReceivedInFutureError,
    RequestNotFoundError,
    TooLargeShareError,
)
from service.deletion_requests.views import show_request, show_sample, stored_as

router = APIRouter(
    route_class=TransactionRoute, prefix="/v1/deletion-requests", tags=["deletion requests"]
)


@router.post(
    "",
    status_code=202,
    response_model=DeletionRequestRead,
    responses=problems(
        DatasetNotFoundError,
        DatasetNotReadyError,
        TooLargeShareError,
        ReceivedInFutureError,
        KeyReusedError,
        KeyInUseError,
    ),
)
def create_deletion_request(
    order: DeletionRequestCreate,
    session: SessionDep,
    settings: SettingsDep,
    request: Request,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Delete samples. They are out of every later training before this answers.

    IDs that are unknown, repeated or already deleted are counted as such, and never an error for
    the rest. A request that touches no known sample completes at once.
    """
    once = Once(session, caller_of(session), idempotency_key, order)
    accept = partial(service.accept, session, settings, order)
    return answer_once(request, session, once, order.dataset, accept)


StatusQuery = Annotated[
    RequestState | None,
    Query(deprecated=True, description="The former name of `state`, for one release."),
]


@router.get("")
def list_deletion_requests(
    session: SessionDep,
    request: Request,
    state: RequestState | None = None,
    status: StatusQuery = None,
    dataset: ShortText | None = None,
    overdue: bool | None = None,
    client_reference: ShortText | None = None,
    limit: LimitQuery = 100,
    cursor: TimeCursorQuery = None,
) -> Page[DeletionRequestRead]:
    """Requests, the newest first."""
    rows = queries.page(
        session,
        state=one_state(state, status),
        dataset=dataset,
        overdue=overdue,
        client_reference=client_reference,
        before=decode_time_and_id(cursor) if cursor is not None else None,
        limit=limit + 1,
    )
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return Page(
        items=[show_request(request, session, row) for row in rows[:limit]],
        next_cursor=encode_time_and_id(last.accepted_at, last.id) if last else None,
    )


def one_state(state: RequestState | None, status: RequestState | None) -> RequestState | None:
    """The filter, under whichever of its two names it came.

    Raises:
        RequestValidationError: it came under both, with two values.
    """
    if state is not None and status is not None and state != status:
        raise RequestValidationError(
            [complaint("two_states", "status", f"It differs from state, {state}: send state only")]
        )
    return state if state is not None else status


@router.get(
    "/{request_id:request}",
    response_model=DeletionRequestRead,
    responses={**NOT_MODIFIED, **problems(RequestNotFoundError)},
)
def read_deletion_request(request_id: UUID, session: SessionDep, request: Request) -> Response:
    found = service.find(session, request_id)
    waiting = found.state in (RequestState.STAGED, RequestState.PROCESSING)
    headers = {"Retry-After": POLL_AGAIN_SECONDS} if waiting else None
    return tagged(request, show_request(request, session, found), headers=headers)


@router.post(
    "/{request_id:request}:cancel", responses=problems(RequestNotFoundError, IllegalMoveError)
)
def cancel_deletion_request(
    request_id: UUID, session: SessionDep, request: Request
) -> DeletionRequestRead:
    """Take a request back. Possible until a job has claimed it."""
    return show_request(request, session, service.cancel(session, request_id))


@router.post(
    "/{request_id:request}:retry",
    status_code=202,
    responses=problems(RequestNotFoundError, IllegalMoveError),
)
def retry_deletion_request(
    request_id: UUID, session: SessionDep, request: Request, response: Response
) -> DeletionRequestRead:
    """Try a request again that failed, or that some models failed."""
    response.headers["Retry-After"] = POLL_AGAIN_SECONDS
    return show_request(request, session, service.retry(session, request_id))


@router.get("/{request_id:request}/samples", responses=problems(RequestNotFoundError))
def list_samples(
    request_id: UUID,
    session: SessionDep,
    disposition: Disposition | None = None,
    limit: LimitQuery = 1000,
    cursor: CursorQuery = None,
) -> Page[SampleRead]:
    """What became of each ID, in the order in which they were given."""
    found = service.find(session, request_id)
    stored = stored_as(found, disposition) if disposition else None
    if disposition is not None and stored is None:
        return Page(items=[], next_cursor=None)
    after = decode_number(cursor) if cursor is not None else -1
    rows = queries.samples(session, found, stored=stored, after=after, limit=limit + 1)
    more = len(rows) > limit
    return Page(
        items=[show_sample(found, row) for row in rows[:limit]],
        next_cursor=encode_number(rows[limit - 1].position) if more else None,
    )


@router.get("/{request_id:request}/events", responses=problems(RequestNotFoundError))
def list_events(
    request_id: UUID, session: SessionDep, limit: LimitQuery = 100, cursor: CursorQuery = None
) -> Page[EventRead]:
    """What happened to the request and to the jobs that serve it, the oldest first."""
    found = service.find(session, request_id)
    after = decode_number(cursor, largest=2**63 - 1) if cursor is not None else 0
    rows = queries.events(session, found, after=after, limit=limit + 1)
    more = len(rows) > limit
    return Page(
        items=[EventRead.model_validate(row) for row in rows[:limit]],
        next_cursor=encode_number(rows[limit - 1].id) if more else None,
    )
