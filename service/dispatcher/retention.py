"""Destroying superseded versions: they still hold what later ones have forgotten."""

from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, contains_eager

from service.core.db import Database, clock_now
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.storage import LocalStore, StorageError
from service.core.tables import Model, ModelVersion, VersionState
from service.dispatcher.steps import each

log = structlog.get_logger(__name__)

# A sweep destroys this many at the most, so that it stays short.
AT_ONCE = 10
# What failed is tried again after this long: a storage that is away for an hour is logged sixty
# times for each of its versions, and not at each sweep.
PAUSE = timedelta(minutes=1)
SECONDS_A_DAY = 86_400


def past_retention() -> ColumnElement[bool]:
    """Rejected versions, and superseded ones that are older than their model's policy allows."""
    kept = func.make_interval(
        0, 0, 0, 0, 0, 0, Model.policy["retention_days"].as_float() * SECONDS_A_DAY
    )
    superseded = and_(
        ModelVersion.state == VersionState.SUPERSEDED,
        ModelVersion.superseded_at <= clock_now - kept,
    )
    rejected = ModelVersion.state == VersionState.REJECTED
    tried = ModelVersion.destroy_tried_at
    return and_(
        or_(superseded, rejected),
        ModelVersion.destroyed_at.is_(None),
        or_(tried.is_(None), tried < clock_now - PAUSE),
    )


def versions_to_destroy(session: Session) -> list[int]:
    """Those that could not be destroyed before go behind the others."""
    query = (
        select(ModelVersion.id)
        .join(ModelVersion.model)
        .where(past_retention())
        .order_by(ModelVersion.destroy_tried_at.nulls_first(), ModelVersion.id)
        .limit(AT_ONCE)
    )
    return list(session.scalars(query))


def lock_to_destroy(session: Session, version_id: int) -> ModelVersion | None:
    """The version, locked, if it is still to be destroyed and no other dispatcher is at it."""
    query = (
        select(ModelVersion)
        .join(ModelVersion.model)
        .options(contains_eager(ModelVersion.model))
        .where(ModelVersion.id == version_id, past_retention())
        .with_for_update(of=ModelVersion, skip_locked=True)
    )
    return session.scalar(query)


def destroy_old_versions(database: Database, store: LocalStore) -> None:
    """Remove the files, and say so. What fails half-way is removed by a later sweep."""
    each(database, "destroy", versions_to_destroy, partial(destroy_version, store=store))


def destroy_version(session: Session, version_id: int, store: LocalStore) -> None:
    """One version in one transaction, so that no other's failure takes its event back."""
    version = lock_to_destroy(session, version_id)
    if version is None:
        return
    try:
        store.destroy(version.model.name, version.digest)
    except StorageError as error:
        log.error(
            "version not destroyed",
            model=version.model.name,
            version=version.number,
            reason=str(error),
        )
        version.destroy_tried_at = clock_now
        return
    reason = "retention" if version.state == VersionState.SUPERSEDED else "rejected"
    if version.state == VersionState.SUPERSEDED:
        version.move_to(VersionState.DESTROYED)
    version.destroyed_at = clock_now
    destroyed = kinds.VersionDestroyed(
        model_id=version.model_id,
        version=version.number,
        digest=version.digest,
        reason=reason,
    )
    record(session, destroyed)
    log.info("version destroyed", model=version.model.name, version=version.number)
