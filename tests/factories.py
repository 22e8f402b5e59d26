"""Rows as the workers would have left them, for tests that need no worker."""

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from service.core.db import clock_now
from service.core.policy import Policy
from service.core.settings import Settings
from service.core.tables import (
    Alias,
    Dataset,
    DatasetState,
    DeletionRequest,
    Job,
    JobState,
    Model,
    ModelState,
    ModelVersion,
    Sample,
    VersionState,
)
from service.deletion_requests import service as deletion_requests
from service.deletion_requests.schemas import DeletionRequestCreate
from workers.plan import Unlearned, Written, WrittenFile

PIXELS = {"column": "pixels", "kind": "array", "shape": [1, 8, 8], "scale": 0.0625}


def dataset(session: Session, name: str = "digits", *, rows: int = 100, **columns: Any) -> Dataset:
    """A ready dataset with the samples `s-0`, `s-1` and so on."""
    made = Dataset(
        name=name,
        uri="file:///nowhere/*.parquet",
        id_column="sample_id",
        inputs=[PIXELS],
        **{"state": DatasetState.READY, "rows": rows, "files": [], **columns},
    )
    session.add(made)
    session.flush()
    session.execute(
        text(f"CREATE TABLE samples_{made.id} PARTITION OF samples FOR VALUES IN ({made.id})")
    )
    session.execute(
        text(
            "INSERT INTO samples (dataset_id, sample_id, row_position) "
            "SELECT :dataset, 's-' || n, n FROM generate_series(0, :last) AS n"
        ),
        {"dataset": made.id, "last": rows - 1},
    )
    session.commit()
    return made


def samples(session: Session, sample_ids: Iterable[str], of: int = 1, *, first: int = 1000) -> None:
    """More samples of the dataset with the key `of`, under any IDs."""
    for row, sample_id in enumerate(sample_ids, start=first):
        session.add(Sample(dataset_id=of, sample_id=sample_id, row_position=row))
    session.commit()


def model(session: Session, of: Dataset, name: str = "cnn", *, tv: int = 0, **policy: Any) -> Model:
    """A ready model with version 1, which the alias `champion` points at."""
    made = Model(
        name=name,
        dataset_id=of.id,
        source_uri="file:///nowhere",
        architecture={"kind": "module", "factory": "workers.zoo:digits_cnn", "kwargs": {}},
        representation={"module": "auto"},
        method="auto",
        method_parameters={},
        policy=Policy.model_validate(policy).stored(),
        registered_tv=tv,
        state=ModelState.READY,
    )
    session.add(made)
    session.flush()
    first = version(session, made, number=1, tv=tv)
    session.add(Alias(model_id=made.id, name="champion", version_id=first.id))
    session.commit()
    return made


def version(
    session: Session,
    of: Model,
    *,
    number: int,
    tv: int,
    state: VersionState = VersionState.PUBLISHED,
) -> ModelVersion:
    made = ModelVersion(
        model_id=of.id, number=number, digest=uuid4().hex * 2, tv=tv, state=state, files=[]
    )
    session.add(made)
    session.flush()
    return made


def job(session: Session, of: Model, parent: ModelVersion, *, tv: int, **columns: Any) -> Job:
    made = Job(
        model_id=of.id,
        parent_id=parent.id,
        parent_tv=parent.tv,
        tv=tv,
        seed=1,
        commitment_salt=b"salt",
        **{"state": JobState.QUEUED, **columns},
    )
    session.add(made)
    session.commit()
    return made


def accept(
    session: Session, sample_ids: Iterable[str], of: str = "digits", **fields: Any
) -> DeletionRequest:
    """A deletion request through the service itself, not committed yet."""
    order = DeletionRequestCreate(dataset=of, sample_ids=list(sample_ids), **fields)
    return deletion_requests.accept(session, Settings(max_fraction=1), order)


def request(
    session: Session, sample_ids: Iterable[str], of: str = "digits", **fields: Any
) -> DeletionRequest:
    """An accepted deletion request, committed."""
    made = accept(session, sample_ids, of, **fields)
    session.commit()
    return made


def unlearned(*reasons: str, level: str = "membership") -> Unlearned:
    """What a runner hands back: a version that passed, or that did not for these reasons."""
    file = WrittenFile(path="model.safetensors", bytes=1, sha256="0" * 64)
    written = Written(digest=uuid4().hex * 2, files=[file])
    return Unlearned(
        written=written,
        commitment="c" * 64,
        audit={"level": level},
        passed=not reasons,
        reasons=list(reasons),
    )


def head(session: Session, of: Model) -> ModelVersion:
    """The published version of a model, as it is now in the database."""
    query = select(ModelVersion).where(
        ModelVersion.model_id == of.id, ModelVersion.state == VersionState.PUBLISHED
    )
    return session.scalars(query.execution_options(populate_existing=True)).one()


def seconds_left(session: Session, of: Job) -> float:
    """How long a job's lease holds, by the database's clock."""
    query = select(func.extract("epoch", Job.lease_until - clock_now)).where(Job.id == of.id)
    return float(session.scalars(query).one())


def publish(session: Session, of: Model, *, tv: int) -> ModelVersion:
    """A new head of a model, with the alias moved to it, as a published job leaves them."""
    parent = head(session, of)
    parent.state = VersionState.SUPERSEDED
    session.flush()
    made = version(session, of, number=parent.number + 1, tv=tv)
    made.parent_id = parent.id
    session.get_one(Alias, (of.id, "champion")).version_id = made.id
    session.commit()
    return made


def unpublish(session: Session, of: Model) -> None:
    """A model as it is before its validation: with no version and no alias."""
    session.execute(delete(Alias).where(Alias.model_id == of.id))
    session.execute(delete(ModelVersion).where(ModelVersion.model_id == of.id))
    of.state = ModelState.VALIDATING
    session.commit()
