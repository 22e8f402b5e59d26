"""Accepting deletion requests, and finding them."""

from datetime import UTC, timedelta
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from service.core import clock, completion, deadlines
from service.core.errors import IllegalMoveError, InvalidError, NotFoundError
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.settings import Settings
from service.core.tables import DeletionRequest, Disposition, RequestState
from service.datasets import service as datasets
from service.deletion_requests import queries
from service.deletion_requests.given import Given, accepted
from service.deletion_requests.listed import Listed
from service.deletion_requests.schemas import DeletionRequestCreate, UploadCreate

CLOCK_SKEW = timedelta(minutes=5)
NOTHING_KNOWN = "None of the sample IDs is in the dataset: there was nothing to delete."
NOTHING_NEW = "Every known sample was deleted by an earlier request."


class RequestNotFoundError(NotFoundError):
    code = "deletion-request-not-found"
    title = "There is no such deletion request"


class TooLargeShareError(InvalidError):
    code = "too-large-a-share"
    title = "The request would delete too large a share of the dataset"


class ReceivedInFutureError(InvalidError):
    code = "received-in-future"
    title = "The request says that it was received in the future"


def accept(session: Session, settings: Settings, order: DeletionRequestCreate) -> DeletionRequest:
    """Accept a request that came with its IDs in one body: see `accept_given`."""
    return accept_given(session, settings, order, Listed(order.sample_ids))


def accept_given(
    session: Session,
    settings: Settings,
    order: DeletionRequestCreate | UploadCreate,
    given: Given,
) -> DeletionRequest:
    """Store a request and set its tombstones, in the caller's transaction.

    Unknown, repeated and already deleted IDs are dispositions, never an error for the rest. From
    the commit on, no training may read the samples. Nothing may follow this in the transaction
    that takes long: it ends with the dataset's row locked.

    Raises:
        DatasetNotFoundError, DatasetNotReadyError: from the dataset.
        TooLargeShareError: more than `max_fraction` of the dataset.
        ReceivedInFutureError: `received_at` has not been yet.
    """
    target = queries.target(session, order.dataset)
    if target is None:
        raise datasets.unknown(order.dataset)
    datasets.refuse_unready(order.dataset, target.state, target.reason)
    request = new_request(order, target, given.total)
    limit = min([settings.max_fraction, *(policy.max_fraction for policy in target.policies)])

    # Without a model it may be complete already, which takes a second look.
    if target.policies and given.accept_at_once(session, request):
        refuse_too_large_a_share(order.dataset, request.staged, target.rows, limit)
        return request

    counts = given.resolve(session, request.id, target.dataset_id)
    request.staged = counts.get(Disposition.STAGED, 0)
    request.not_found = counts.get(Disposition.NOT_FOUND, 0)
    request.duplicate = counts.get(Disposition.DUPLICATE, 0)
    refuse_too_large_a_share(order.dataset, request.staged, target.rows, limit)
    session.add(request)
    session.flush()
    record(session, accepted(request))
    clock.stamp(session, request, found=given.found)
    if request.staged and target.policies:
        return request
    if not request.staged:
        request.detail = NOTHING_NEW if request.already_deleted else NOTHING_KNOWN
    completion.settle(session, target.dataset_id)
    session.flush()
    return request


def new_request(
    order: DeletionRequestCreate | UploadCreate, target: queries.Target, total: int
) -> DeletionRequest:
    """The row as it is before any of its IDs was looked up.

    Raises:
        ReceivedInFutureError: `received_at` has not been yet.
    """
    received_at = (order.received_at or target.now).astimezone(UTC)
    if received_at > target.now + CLOCK_SKEW:
        raise ReceivedInFutureError(
            f"received_at may not be later than now, {target.now.isoformat()}."
        )
    return DeletionRequest(
        id=uuid4(),
        dataset_id=target.dataset_id,
        tv=0,
        state=RequestState.STAGED,
        detail=None,
        regulation=order.regulation,
        client_reference=order.client_reference,
        received_at=received_at,
        accepted_at=target.now,
        due_at=deadlines.due_at(order.regulation, received_at),
        completed_at=None,
        total=total,
        staged=0,
        not_found=0,
        already_deleted=0,
        duplicate=0,
        unlearned=False,
    )


def refuse_too_large_a_share(dataset: str, staged: int, rows: int | None, limit: float) -> None:
    known = rows or 0
    if staged > limit * known:
        raise TooLargeShareError(
            f"{staged} of the {known} samples of {dataset} is more than max_fraction, {limit}. "
            "Ask for fewer, have the operator raise it, or retrain the model without them.",
            samples=staged,
            rows=known,
            max_fraction=limit,
        )


def find(session: Session, request_id: UUID) -> DeletionRequest:
    request = queries.by_id(session, request_id)
    if request is None:
        raise RequestNotFoundError(f"There is no deletion request {request_id}.")
    return request


def lock(session: Session, request_id: UUID) -> DeletionRequest:
    """The request, locked after its dataset, as a claim locks them."""
    clock.read(session, find(session, request_id).dataset_id, lock=True)
    return queries.lock(session, request_id)


def cancel(session: Session, request_id: UUID) -> DeletionRequest:
    """Take a request back, and lift the tombstones that no other live request holds.

    Raises:
        IllegalMoveError: a job has claimed it, or it is over.
    """
    request = lock(session, request_id)
    request.move_to(RequestState.CANCELLED)
    clock.lift(session, request)
    record(session, kinds.RequestCancelled(dataset_id=request.dataset_id, request_id=request.id))
    return request


def retry(session: Session, request_id: UUID) -> DeletionRequest:
    """Have the models that failed a request try again; their next job is due at once.

    Raises:
        IllegalMoveError: the request did not fail.
    """
    # Models are locked before datasets everywhere, so that nobody waits in a circle.
    models = queries.lock_models(session, find(session, request_id).dataset_id)
    request = lock(session, request_id)
    if request.state not in (RequestState.FAILED, RequestState.PARTIALLY_COMPLETED):
        raise IllegalMoveError(
            f"The request is {request.state}: only one that failed can be tried again.",
            state=str(request.state),
        )
    request.move_to(RequestState.PROCESSING)
    for model in models:
        if model.failed_tv >= request.tv:
            model.held_tv = model.failed_tv = 0
    record(session, kinds.RequestRetried(dataset_id=request.dataset_id, request_id=request.id))
    return request
