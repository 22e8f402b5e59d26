"""Whoever comes with an older claim changes nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.db import Database, clock_now
from service.core.settings import Settings
from service.core.tables import Event, Job, JobPhase, JobReason, ModelVersion
from service.dispatcher.service import take_back
from tests import factories
from workers.lifecycle import jobs, publishing
from workers.lifecycle.jobs import Beat, ClaimedJob
from workers.lifecycle.leases import LeaseLostError

Claim = Callable[[Job], ClaimedJob]
Act = Callable[[Session, ClaimedJob], Any]
BEAT = Beat(JobPhase.UNLEARNING, 0.5, [{"step": 1.0}])


ACTS: dict[str, Act] = {
    "heartbeat": lambda session, claimed: jobs.heartbeat(session, claimed, BEAT, 60),
    "publish": lambda session, claimed: publishing.publish(session, claimed, factories.unlearned()),
    "publish for review": lambda session, claimed: publishing.publish(
        session, claimed, factories.unlearned("It agrees too little.")
    ),
    "fail": lambda session, claimed: jobs.fail(
        session, claimed, JobReason.REFUSED, "It cannot be done."
    ),
    "put back": lambda session, claimed: jobs.put_back(
        session, claimed, JobReason.CRASHED, "It crashed.", 3
    ),
    "give back": jobs.give_back,
    "cancel": jobs.cancel,
}


def lapse(database: Database, settings: Settings, job: Job) -> None:
    """The lease ends, and a dispatcher queues the job again."""
    with database.unit_of_work() as session:
        session.get_one(Job, job.id).lease_until = clock_now - timedelta(seconds=1)
    take_back(database, settings)


def picture(session: Session, job: Job) -> tuple[Any, ...]:
    """All that an old claim could have changed."""
    session.rollback()
    session.refresh(job)
    columns = {name: getattr(job, name) for name in Job.__table__.columns.keys()}  # noqa: SIM118
    versions = session.scalars(select(func.count()).select_from(ModelVersion)).one()
    events = session.scalars(select(func.count()).select_from(Event)).one()
    return columns, versions, events


def act(database: Database, claimed: ClaimedJob, name: str) -> None:
    with database.unit_of_work() as session:
        ACTS[name](session, claimed)


def test_an_old_claim_can_do_nothing_once_another_worker_has_the_job(
    database: Database, session: Session, settings: Settings, job: Job, claim: Claim
) -> None:
    old = claim(job)
    lapse(database, settings, job)
    new = claim(job)
    assert (old.fence, new.fence) == (1, 2)
    before = picture(session, job)

    for name in ACTS:
        with pytest.raises(LeaseLostError):
            act(database, old, name)
        assert picture(session, job) == before, name


def test_an_old_claim_can_do_nothing_while_the_job_waits_for_another_worker(
    database: Database, session: Session, settings: Settings, job: Job, claim: Claim
) -> None:
    old = claim(job)
    lapse(database, settings, job)
    before = picture(session, job)

    for name in ACTS:
        with pytest.raises(LeaseLostError):
            act(database, old, name)
        assert picture(session, job) == before, name


@pytest.mark.parametrize("last", ["publish", "publish for review", "fail", "cancel"])
def test_what_is_over_stays_as_it_is(
    database: Database, session: Session, job: Job, claim: Claim, last: str
) -> None:
    claimed = claim(job)
    act(database, claimed, last)
    before = picture(session, job)

    for name in ACTS:
        with pytest.raises(LeaseLostError):
            act(database, claimed, name)
        assert picture(session, job) == before, name


@pytest.mark.parametrize("name", ACTS)
def test_whoever_has_the_job_can_do_it(
    database: Database, session: Session, settings: Settings, job: Job, claim: Claim, name: str
) -> None:
    claim(job)
    lapse(database, settings, job)
    new = claim(job)
    before = picture(session, job)

    act(database, new, name)

    assert picture(session, job) != before


def test_a_heartbeat_keeps_the_lease_and_tells_how_far_the_job_is(
    database: Database, session: Session, job: Job, claim: Claim
) -> None:
    claimed = claim(job)
    with database.unit_of_work() as other:
        other.get_one(Job, job.id).lease_until = clock_now + timedelta(seconds=1)

    with database.unit_of_work() as other:
        assert jobs.heartbeat(other, claimed, BEAT, 60) is False
    with database.unit_of_work() as other:
        jobs.heartbeat(other, claimed, Beat(JobPhase.AUDITING, 0.9, None), 60)

    session.refresh(job)
    assert (job.phase, job.progress, job.metrics) == ("auditing", 0.9, [{"step": 1.0}])
    assert factories.seconds_left(session, job) > 50


def test_a_heartbeat_tells_that_somebody_wants_the_job_to_stop(
    database: Database, session: Session, job: Job, claim: Claim
) -> None:
    claimed = claim(job)
    session.refresh(job)
    job.cancel_requested_at = clock_now
    session.commit()

    with database.unit_of_work() as other:
        assert jobs.heartbeat(other, claimed, BEAT, 60) is True
