"""When a deletion request is complete: every model of its dataset has caught up with it.

And when it has failed: a model was given up on, and nothing that it has left answers the request.
`Standing` is that rule; whatever gives a model up goes through `give_up`.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from service.core import clock
from service.core.facts.kinds import OUTCOMES
from service.core.facts.record import record
from service.core.tables import (
    LIVE,
    DeletionRequest,
    Job,
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
GIVEN_UP = (RequestState.PARTIALLY_COMPLETED, RequestState.FAILED)
NO_MODEL = (
    "No model is trained on this dataset: the samples are excluded from every later training, "
    "and there was nothing to unlearn."
)


@dataclass(frozen=True)
class Standing:
    """Where one model stands, in readings of the clock.

    It is unlearned up to `reached` and was given up on up to `failed`. Up to `coming`, a live job
    or a version that waits for review may still answer what was given up before.
    """

    reached: int
    failed: int
    coming: int = 0

    def answers(self, tv: int) -> bool:
        return self.reached >= tv

    def serves(self, tv: int) -> bool:
        return self.reached < tv <= self.coming

    def fails(self, tv: int) -> bool:
        return max(self.reached, self.coming) < tv <= self.failed


def standings(session: Session, dataset_id: int) -> list[Standing]:
    waiting, published = aliased(ModelVersion), ModelVersion.state == VersionState.PUBLISHED
    in_review = select(func.max(waiting.tv)).where(
        waiting.model_id == Model.id, waiting.state == VersionState.STAGING
    )
    at_work = select(func.max(Job.tv)).where(Job.model_id == Model.id, Job.state.in_(LIVE))
    coming = func.greatest(in_review.scalar_subquery(), at_work.scalar_subquery())
    # A model that is still being validated will start from the clock it was registered with.
    reached = func.coalesce(ModelVersion.tv, Model.registered_tv)
    query = (
        select(reached, Model.failed_tv, func.coalesce(coming, 0))
        .select_from(Model)
        .outerjoin(ModelVersion, (ModelVersion.model_id == Model.id) & published)
        .where(Model.dataset_id == dataset_id, Model.state != ModelState.INVALID)
    )
    return [Standing(*row) for row in session.execute(query)]


def outcome(tv: int, models: list[Standing]) -> RequestState | None:
    """What a request with this clock has come to, or None while a model is still on its way."""
    done = [model.answers(tv) for model in models]
    if all(done):
        return RequestState.COMPLETED
    if not all(ok or model.fails(tv) for ok, model in zip(done, models, strict=True)):
        return None
    return RequestState.PARTIALLY_COMPLETED if any(done) else RequestState.FAILED


def served(tv: int, models: list[Standing]) -> bool:
    """Whether a job or a version in review is to answer a request with this clock."""
    return any(model.serves(tv) for model in models)


def give_up(session: Session, model: Model, tv: int) -> None:
    """Make no further try by itself up to this clock: what nothing answers any more has failed.

    The model's row must be locked. Whatever ends a job or a waiting version without publishing it
    calls this once that is over. So what a model is held back up to, it was given up on or has a
    version in review for, and no request waits for nothing.
    """
    model.failed_tv = max(model.failed_tv, tv)
    model.held_tv = max(model.held_tv, model.failed_tv)
    settle(session, model.dataset_id)


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
        if target is None and request.state in GIVEN_UP and served(request.tv, models):
            request.move_to(RequestState.PROCESSING)
            continue
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
        settled = OUTCOMES[target](
            dataset_id=dataset_id, request_id=request.id, tv=request.tv, models=len(models)
        )
        record(session, settled)
