"""When a deletion request is complete: every model of its dataset has caught up with it."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from service.core import clock, events
from service.core.tables import (
    DeletionRequest,
    Model,
    ModelState,
    ModelVersion,
    RequestState,
    VersionState,
)

OPEN = (
    RequestState.STAGED,
    RequestState.PROCESSING,
    RequestState.PARTIALLY_COMPLETED,
    RequestState.FAILED,
)
NO_MODEL = (
    "No model is trained on this dataset: the samples are excluded from every later training, "
    "and there was nothing to unlearn."
)


@dataclass(frozen=True)
class Standing:
    """Where one model stands: unlearned up to `reached`, given up on up to `failed`."""

    reached: int
    failed: int


def standings(session: Session, dataset_id: int) -> list[Standing]:
    published = ModelVersion.state == VersionState.PUBLISHED
    # A model that is still being validated will start from the clock it was registered with.
    query = (
        select(func.coalesce(ModelVersion.tv, Model.registered_tv), Model.failed_tv)
        .outerjoin(ModelVersion, (ModelVersion.model_id == Model.id) & published)
        .where(Model.dataset_id == dataset_id, Model.state != ModelState.INVALID)
    )
    return [Standing(reached, failed) for reached, failed in session.execute(query)]


def outcome(tv: int, models: list[Standing]) -> RequestState | None:
    """What a request with this clock has come to, or None while a model is still on its way."""
    done = [model.reached >= tv for model in models]
    if all(done):
        return RequestState.COMPLETED
    if not all(ok or model.failed >= tv for ok, model in zip(done, models, strict=True)):
        return None
    return RequestState.PARTIALLY_COMPLETED if any(done) else RequestState.FAILED


def settle(session: Session, dataset_id: int) -> None:
    """Bring every open request of a dataset to the state that its models' versions give it.

    Call it after anything that changes where a model stands. The dataset's row is locked first:
    two models that publish at the same moment would else each miss the other's version.
    """
    session.flush()
    clock.read(session, dataset_id, lock=True)
    models = standings(session, dataset_id)
    waiting: ColumnElement[bool] = DeletionRequest.state.in_(OPEN)
    if models:
        # A request completed before any model was registered still waits to be called unlearned.
        waiting = waiting | (
            (DeletionRequest.state == RequestState.COMPLETED)
            & (DeletionRequest.staged > 0)
            & ~DeletionRequest.unlearned
        )
    requests = session.scalars(
        select(DeletionRequest)
        .where(DeletionRequest.dataset_id == dataset_id, waiting)
        .order_by(DeletionRequest.tv, DeletionRequest.id)
        .with_for_update()
    )
    for request in requests:
        target = outcome(request.tv, models)
        if target == RequestState.COMPLETED and models:
            request.unlearned = request.staged > 0
            request.detail = None if request.unlearned else request.detail
        if target in (None, request.state) or request.state == RequestState.COMPLETED:
            continue
        request.move_to(target)
        if target == RequestState.COMPLETED:
            request.completed_at = session.scalar(select(func.now()))
            if not models and request.staged:
                request.detail = NO_MODEL
        events.record(
            session,
            f"request.{target}",
            dataset_id=dataset_id,
            request_id=request.id,
            tv=request.tv,
            models=len(models),
        )
