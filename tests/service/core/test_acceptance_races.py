"""Acceptance from many sessions at once, against jobs that are claimed meanwhile."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.tables import Dataset, DeletionRequest, Job, JobState, Model, Tombstone
from service.dispatcher.service import make_jobs
from tests import factories
from tests.service.racing import at_once, in_background, wait_for_blocked
from workers.lifecycle import jobs, publishing

ROWS = 200


@pytest.fixture
def digits(session: Session) -> Dataset:
    return factories.dataset(session, rows=ROWS)


@pytest.fixture
def cnn(session: Session, digits: Dataset) -> Model:
    return factories.model(session, digits, max_fraction=1)


@dataclass
class Worker:
    """Claims whatever is due and publishes it, and keeps what it was told to forget."""

    database: Database
    forget_sets: list[set[int]] = field(default_factory=list)
    excluded: list[set[int]] = field(default_factory=list)

    def work_once(self) -> bool:
        make_jobs(self.database)
        with self.database.unit_of_work() as session:
            waiting = session.scalar(select(Job.id).where(Job.state == JobState.QUEUED))
        if waiting is None:
            return False
        with self.database.unit_of_work() as session:
            claimed = jobs.claim(session, waiting, "worker", 60)
        assert claimed is not None
        with self.database.unit_of_work() as session:
            read = jobs.read_forget_set(session, claimed)
        self.forget_sets.append(set(read.forgotten.tolist()))
        self.excluded.append(set(read.excluded.tolist()))
        with self.database.unit_of_work() as session:
            publishing.publish(session, claimed, factories.unlearned())
        return True

    def work_until(self, stop: Event) -> None:
        while not stop.is_set():
            self.work_once()


@pytest.mark.usefixtures("cnn")
def test_no_sample_is_lost_or_claimed_twice_while_requests_come_in_at_once(
    database: Database, digits: Dataset
) -> None:
    worker, stop = Worker(database), Event()

    def caller(number: int) -> set[str]:
        chosen, asked = random.Random(number), set()
        for _ in range(10):
            names = [f"s-{n}" for n in chosen.sample(range(ROWS), 20)]
            with database.unit_of_work() as session:
                factories.accept(session, names)
            asked.update(names)
        return asked

    with in_background(lambda: worker.work_until(stop)) as working:
        try:
            asked = set().union(*at_once(8, caller))
        finally:
            stop.set()
        working.result()
    worker.work_once()

    with database.unit_of_work() as session:
        requests = session.scalars(select(DeletionRequest)).all()
        stones = session.scalars(select(Tombstone)).all()
        clock = session.get_one(Dataset, digits.id).tv
    # One tombstone each, all held by requests that stamped; the primary key does the rest.
    assert {stone.sample_id for stone in stones} == asked
    stamping = [request for request in requests if request.staged]
    assert sum(request.staged for request in stamping) == len(stones)
    assert all(request.staged + request.already_deleted == 20 for request in requests)
    # The clock's readings: each used once, and none left out.
    assert sorted(request.tv for request in stamping) == list(range(1, clock + 1))
    # The jobs of one lineage: together everything, and nothing twice.
    claimed = [row for forget_set in worker.forget_sets for row in forget_set]
    assert sorted(claimed) == sorted(stone.row_position for stone in stones)
    # No training ever read a row that an earlier job had forgotten, or that its own forgets.
    so_far: set[int] = set()
    for forgotten, excluded in zip(worker.forget_sets, worker.excluded, strict=True):
        so_far |= forgotten
        assert so_far <= excluded
    assert {request.state for request in requests} == {"completed"}


def test_a_claim_waits_for_a_transaction_that_holds_the_clock_and_then_includes_it(
    database: Database, session: Session, cnn: Model
) -> None:
    factories.request(session, ["s-1"])
    job = factories.job(session, cnn, factories.head(session, cnn), tv=1)
    held = factories.accept(session, ["s-2"])  # stamped, and not committed

    def claim() -> tuple[int, list[int]]:
        with database.unit_of_work() as other:
            claimed = jobs.claim(other, job.id, "worker", 60)
            assert claimed is not None
            return claimed.job.tv, jobs.read_forget_set(other, claimed).forgotten.tolist()

    with in_background(claim) as claiming:
        wait_for_blocked(database, claiming)
        session.commit()
        assert claiming.result() == (held.tv, [1, 2])


def test_a_claim_waits_for_a_clock_that_is_rolled_back_and_then_goes_without_it(
    database: Database, session: Session, cnn: Model
) -> None:
    factories.request(session, ["s-1"])
    job = factories.job(session, cnn, factories.head(session, cnn), tv=1)
    factories.accept(session, ["s-2"])

    def claim() -> int:
        with database.unit_of_work() as other:
            claimed = jobs.claim(other, job.id, "worker", 60)
            assert claimed is not None
            return claimed.job.tv

    with in_background(claim) as claiming:
        wait_for_blocked(database, claiming)
        session.rollback()
        assert claiming.result() == 1


@pytest.mark.usefixtures("cnn")
@pytest.mark.parametrize(("commits", "staged", "already_deleted"), [(True, 1, 1), (False, 2, 0)])
def test_the_second_of_two_overlapping_requests_finds_the_first_ones_tombstones(
    database: Database,
    session: Session,
    commits: bool,
    staged: int,
    already_deleted: int,
) -> None:
    factories.accept(session, ["s-1", "s-2"])

    def second() -> DeletionRequest:
        with database.unit_of_work() as other:
            return factories.accept(other, ["s-2", "s-3"])

    with in_background(second) as waiting:
        wait_for_blocked(database, waiting)
        if commits:
            session.commit()
        else:
            session.rollback()
        request = waiting.result()
    assert (request.staged, request.already_deleted) == (staged, already_deleted)


@pytest.mark.usefixtures("cnn")
def test_requests_that_name_the_same_samples_in_opposite_orders_do_not_deadlock(
    database: Database, session: Session
) -> None:
    names = [f"s-{n}" for n in range(10)]

    def caller(given: list[str]) -> Callable[[], int]:
        def accept() -> int:
            with database.unit_of_work() as other:
                return factories.accept(other, given).staged

        return accept

    # In the order of the callers, each would get as far as this sample, and then meet the other.
    factories.accept(session, ["s-5"])
    with (
        in_background(caller(names)) as upwards,
        in_background(caller(names[::-1])) as downwards,
    ):
        wait_for_blocked(database, upwards, downwards)
        session.rollback()
        assert sorted([upwards.result(), downwards.result()]) == [0, 10]
