"""Destroying superseded versions: they still hold what later ones have forgotten."""

import structlog
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from service.core import events
from service.core.db import clock_now
from service.core.storage import LocalStore, StorageError
from service.core.tables import Model, ModelVersion, VersionState

log = structlog.get_logger(__name__)

# A sweep destroys this many at the most, so that it stays short.
AT_ONCE = 10
SECONDS_A_DAY = 86_400


def past_retention(session: Session) -> list[ModelVersion]:
    """Rejected versions, and superseded ones that are older than their model's policy allows."""
    kept = func.make_interval(
        0, 0, 0, 0, 0, 0, Model.policy["retention_days"].as_float() * SECONDS_A_DAY
    )
    query = (
        select(ModelVersion)
        .join(ModelVersion.model)
        .options(joinedload(ModelVersion.model, innerjoin=True))
        .where(
            or_(
                and_(
                    ModelVersion.state == VersionState.SUPERSEDED,
                    ModelVersion.superseded_at <= clock_now - kept,
                ),
                ModelVersion.state == VersionState.REJECTED,
            ),
            ModelVersion.destroyed_at.is_(None),
        )
        .order_by(ModelVersion.id)
        .limit(AT_ONCE)
        .with_for_update(of=ModelVersion, skip_locked=True)
    )
    return list(session.scalars(query))


def destroy_old_versions(session: Session, store: LocalStore) -> None:
    """Remove the files, and say so. What fails half-way is removed by the next sweep."""
    for version in past_retention(session):
        try:
            store.destroy(version.model.name, version.digest)
        except StorageError as error:
            log.error("version not destroyed", version=version.number, reason=str(error))
            continue
        reason = "retention" if version.state == VersionState.SUPERSEDED else "rejected"
        if version.state == VersionState.SUPERSEDED:
            version.move_to(VersionState.DESTROYED)
        version.destroyed_at = clock_now
        events.record(
            session,
            "version.destroyed",
            model_id=version.model_id,
            version=version.number,
            digest=version.digest,
            reason=reason,
        )
        log.info("version destroyed", model=version.model.name, version=version.number)
