"""What must be true of database and storage whatever has happened (design, sections 1 and 7).

`check_invariants` reads both and names everything that is broken. It does not ask the code that it
judges: the queries are its own, and so is the arithmetic of digests and commitments.
"""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import (
    LIVE,
    Alias,
    Dataset,
    DeletionRequest,
    DeletionRequestSample,
    Event,
    Job,
    JobState,
    Model,
    ModelState,
    ModelVersion,
    RequestState,
    Tombstone,
    VersionState,
)

STORED = (VersionState.STAGING, VersionState.PUBLISHED, VersionState.SUPERSEDED)
ANSWERED = (RequestState.COMPLETED, RequestState.CANCELLED)
Broken = Iterator[str]


def check_invariants(
    database: Database, storage: Path, scratch: Path | None = None, *, max_attempts: int
) -> None:
    """Raises AssertionError with one line for everything that is broken."""
    with database.unit_of_work() as session:
        broken = [
            *clocks(session),
            *requests(session),
            *jobs(session, max_attempts),
            *lineages(session),
            *artifacts(session, storage),
            *forgotten(session, storage),
            *leftovers(session, storage, scratch),
        ]
    assert not broken, "\n".join(broken)


def clocks(session: Session) -> Broken:
    """Each reading of a clock belongs to one request that set tombstones, and none is missing."""
    for dataset in session.scalars(select(Dataset)):
        of_it = DeletionRequest.dataset_id == dataset.id
        readings = set(session.scalars(select(DeletionRequest.tv).where(of_it)))
        if readings - {0} != set(range(1, dataset.tv + 1)):
            yield f"The clock of {dataset.name} is {dataset.tv}, and requests have {readings}."
        setters = select(Tombstone.request_id).where(Tombstone.dataset_id == dataset.id).distinct()
        for holder in session.scalars(setters):
            request = session.get(DeletionRequest, holder)
            if request is None or request.state == RequestState.CANCELLED or request.tv < 1:
                yield f"Tombstones belong to request {holder}, which cannot have any."


def requests(session: Session) -> Broken:
    """Every request holds what it was accepted for, and is finished or waits for something."""
    for request in session.scalars(select(DeletionRequest)):
        given = select(DeletionRequestSample).where(DeletionRequestSample.request_id == request.id)
        rows = list(session.scalars(given))
        found = Counter(str(row.disposition) for row in rows)
        told = (request.staged, request.not_found, request.already_deleted, request.duplicate)
        stored = tuple(
            found[kind] for kind in ("staged", "not_found", "already_deleted", "duplicate")
        )
        if len(rows) != request.total or told != stored:
            yield f"Request {request.id} says {told} of {request.total}, and its samples {stored}."
        if request.state != RequestState.CANCELLED:
            yield from unheld(session, request, rows)
        accepted = select(Event.id).where(
            Event.request_id == request.id, Event.kind == "request.accepted"
        )
        if len(list(session.scalars(accepted))) != 1:
            yield f"Request {request.id} was not accepted exactly once."
        if request.state in (RequestState.STAGED, RequestState.PROCESSING):
            yield from idle(session, request)
        if request.state == RequestState.COMPLETED:
            yield from unanswered(session, request)


def unheld(
    session: Session, request: DeletionRequest, rows: Iterable[DeletionRequestSample]
) -> Broken:
    """Samples of a live request that have no tombstone: they were accepted, and lost."""
    wanted = {row.sample_id for row in rows if str(row.disposition) != "not_found"}
    query = select(Tombstone.sample_id).where(
        Tombstone.dataset_id == request.dataset_id, Tombstone.sample_id.in_(wanted)
    )
    lost = len(wanted - set(session.scalars(query)))
    if lost:
        yield f"{lost} samples of request {request.id} have no tombstone."


def models_of(session: Session, request: DeletionRequest) -> list[Model]:
    query = select(Model).where(
        Model.dataset_id == request.dataset_id, Model.state == ModelState.READY
    )
    return list(session.scalars(query))


def head(session: Session, model: Model) -> ModelVersion:
    published = ModelVersion.state == VersionState.PUBLISHED
    query = select(ModelVersion).where(ModelVersion.model_id == model.id, published)
    return session.scalars(query).one()


def unanswered(session: Session, request: DeletionRequest) -> Broken:
    """Models whose champion has not forgotten what a completed request named."""
    for model in models_of(session, request):
        reached = head(session, model).tv
        if reached < request.tv:
            yield f"{model.name} is at {reached}; request {request.id}, completed, is {request.tv}."


def idle(session: Session, request: DeletionRequest) -> Broken:
    """An open request that nothing is done about, and that no person is asked about either."""
    for model in models_of(session, request):
        if head(session, model).tv >= request.tv:
            continue
        live = select(Job.id).where(Job.model_id == model.id, Job.state.in_(LIVE))
        review = select(ModelVersion.id).where(
            ModelVersion.model_id == model.id,
            ModelVersion.state == VersionState.STAGING,
            ModelVersion.tv >= request.tv,
        )
        if model.paused or session.scalar(live) or session.scalar(review):
            return
    yield f"Request {request.id} is {request.state}, and nothing will end it."


def jobs(session: Session, max_attempts: int) -> Broken:
    found = list(session.scalars(select(Job)))
    live = Counter(job.model_id for job in found if job.state in LIVE)
    yield from (f"Model {model} has {n} live jobs." for model, n in live.items() if n > 1)
    made = Counter(session.scalars(select(ModelVersion.job_id)))
    for job in found:
        if not 0 <= job.attempt <= max_attempts:
            yield f"Job {job.id} has had {job.attempt} attempts of {max_attempts}."
        wanted = 1 if job.state in (JobState.PUBLISHED, JobState.NEEDS_REVIEW) else 0
        decided = job.state == JobState.FAILED and made[job.id] == 1
        if made[job.id] != wanted and not decided:
            yield f"Job {job.id} is {job.state} and made {made[job.id]} versions."
        if job.state in LIVE:
            continue
        if job.lease_owner is not None or job.finished_at is None:
            yield f"Job {job.id} is {job.state} and is still owned, or has no end."
        if job.state in (JobState.FAILED, JobState.CANCELLED) and not job.reason:
            yield f"Job {job.id} is {job.state} without a reason."


def lineages(session: Session) -> Broken:
    """Numbers without a gap, one head, each version on its parent's clock, champion at the head."""
    for model in session.scalars(select(Model).where(Model.state == ModelState.READY)):
        query = select(ModelVersion).where(ModelVersion.model_id == model.id)
        versions = {version.number: version for version in session.scalars(query)}
        if sorted(versions) != list(range(1, len(versions) + 1)):
            yield f"{model.name} has the versions {sorted(versions)}."
        for version in versions.values():
            job = session.get(Job, version.job_id) if version.job_id else None
            parent = session.get(ModelVersion, version.parent_id) if version.parent_id else None
            if (job is None) != (parent is None):
                yield f"Version {version.number} of {model.name} has a job or a parent alone."
            if job and parent and (job.parent_tv, job.tv) != (parent.tv, version.tv):
                yield f"Version {version.number} of {model.name} is not what its job was to make."
            if parent and version.tv <= parent.tv:
                yield f"Version {version.number} of {model.name} forgot nothing new."
        champion = session.get(Alias, (model.id, "champion"))
        if champion is None or champion.version_id != head(session, model).id:
            yield f"The champion of {model.name} is not its head."


def artifacts(session: Session, storage: Path) -> Broken:
    """Every row has its whole directory, and every file the digest that the row names."""
    for model, version in session.execute(select(Model, ModelVersion).join(ModelVersion.model)):
        directory = storage / "models" / model.name / version.digest
        if version.state not in STORED:
            continue
        manifest = directory / "manifest.json"
        if not manifest.is_file():
            yield f"Version {version.number} of {model.name} has no directory."
            continue
        if hashlib.sha256(manifest.read_bytes()).hexdigest() != version.digest:
            yield f"Version {version.number} of {model.name} has another digest than its row."
        files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        if files != version.files:
            yield f"Version {version.number} of {model.name} has other files than its row."
        names = {path.relative_to(directory).as_posix() for path in directory.rglob("*.*")}
        if names - {"manifest.json"} != {file["path"] for file in files}:
            yield f"Version {version.number} of {model.name} has {sorted(names)}."
        for file in files:
            path = directory / file["path"]
            if not path.is_file():
                yield f"{path.name} of version {version.number} of {model.name} is missing."
            elif hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
                yield f"{path.name} of version {version.number} of {model.name} is damaged."


def forgotten(session: Session, storage: Path) -> Broken:
    """Each version forgot exactly what was stamped since its parent: nothing accepted is missed."""
    query = select(Model, ModelVersion, Job).join(ModelVersion.model)
    for model, version, job in session.execute(query.join(Job, Job.id == ModelVersion.job_id)):
        told = storage / "models" / model.name / version.digest / "unlearning.json"
        if version.state not in STORED or not told.is_file():
            continue
        stamped = (
            select(Tombstone.sample_id)
            .join(DeletionRequest, DeletionRequest.id == Tombstone.request_id)
            .where(
                Tombstone.dataset_id == model.dataset_id,
                DeletionRequest.tv > job.parent_tv,
                DeletionRequest.tv <= job.tv,
            )
            .order_by(Tombstone.sample_id)
        )
        seal, count = hmac.new(job.commitment_salt, digestmod=hashlib.sha256), 0
        for sample_id in session.scalars(stamped):
            encoded, count = sample_id.encode(), count + 1
            seal.update(len(encoded).to_bytes(4, "little") + encoded)
        said = json.loads(told.read_text(encoding="utf-8"))["forgotten"]
        if said != {"count": count, "commitment": seal.hexdigest()}:
            yield f"Version {version.number} of {model.name} forgot {said['count']}, not {count}."
        if job.commitment != seal.hexdigest():
            yield f"Job {job.id} committed to other samples than those that were stamped."


def leftovers(session: Session, storage: Path, scratch: Path | None) -> Broken:
    """What was made from forgotten samples is gone with its job; nothing half-written is left."""
    running = {str(job_id) for job_id in session.scalars(select(Job.id).where(Job.state.in_(LIVE)))}
    places = [storage / ".staging"] if scratch is None else [storage / ".staging", scratch]
    for place in places:
        for path in place.glob("job-*"):
            if not any(job_id in path.name for job_id in running):
                yield f"{path.name} is left in {place.name} of a job that is over."
    for directory in storage.glob("models/*/*"):
        if not (directory / "manifest.json").is_file():
            yield f"{directory.name} was put in its place without a manifest."
