"""The model's steps, done by the real functions on a real database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, select, update
from sqlalchemy.orm import Session

from service.core import actors, clock
from service.core.db import clock_now
from service.core.settings import Settings
from service.core.tables import LIVE, Dataset, DeletionRequest, Job, JobPhase, JobReason, Model
from service.deletion_requests import service as deletion_requests
from service.dispatcher import queries as due
from service.dispatcher import service as dispatcher
from service.jobs import service as jobs_of_people
from tests import factories
from tests.model import lease, state
from workers.lifecycle import jobs, publishing
from workers.lifecycle.jobs import Beat, ClaimedJob
from workers.lifecycle.leases import CancelledError, LeaseLostError

T = TypeVar("T")
SECONDS = 600.0
AT_ONCE = timedelta(0)
BEAT = Beat(JobPhase.UNLEARNING, 0.5, None)
SETTINGS = Settings(max_attempts=lease.MAX_ATTEMPTS, max_fraction=1)


@dataclass(frozen=True)
class Hand:
    """What one worker holds: a claim, and what it is doing."""

    claimed: ClaimedJob | None = None
    doing: str = "idle"


@dataclass(frozen=True)
class World:
    """What is outside of the database: workers, what dispatchers have seen, and messages.

    `job` is the present job: in one transaction all jobs are made at the same moment.
    """

    job: UUID | None = None
    hands: tuple[Hand, ...] = (Hand(), Hand())
    seen: tuple[UUID | None, ...] = (None, None)
    messages: tuple[UUID, ...] = ()
    cancels: int = 1
    retries: int = 1

    def with_hand(self, who: int, hand: Hand) -> "World":
        return replace(self, hands=put(self.hands, who, hand))


def put(items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    return (*items[:place], item, *items[place + 1 :])


@dataclass
class Real:
    """One dataset and one model, on a connection whose transaction nobody commits."""

    connection: Connection
    dataset: str
    model_id: int
    dataset_id: int
    world: World = field(default_factory=World)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session like every process has its own, committed or rolled back at its end."""
        with (
            Session(
                self.connection,
                join_transaction_mode="create_savepoint",
                expire_on_commit=False,
                info={actors.ACTOR: actors.SYSTEM},
            ) as session,
            session.begin(),
        ):
            yield session

    def do(self, action: str, who: int) -> None:
        acts: dict[str, Callable[[int], None]] = {
            "accept": self._accept,
            "cancel": self._cancel,
            "retry": self._retry,
            "lose": self._lose,
            "duplicate": self._duplicate,
            "lapse": self._lapse,
            "make": self._make,
            "ring": self._ring,
            "look": self._look,
            "take back": self._take_back,
            "claim": self._claim,
            "crash": self._crash,
            "end": self._end,
            "beat": self._beat,
            "break": self._break,
            "shut down": self._shut_down,
            "refuse": self._refuse,
            "finish": self._finish,
            "publish": self._publish,
        }
        acts[action](who)

    def view(self) -> state.State:
        """The database and the world as the model would put it, without what no code knows."""
        with self.transaction() as session:
            model = session.get_one(Model, self.model_id)
            head = clock.head(session, self.model_id)
            assert head is not None
            requests = session.scalars(
                select(DeletionRequest)
                .where(DeletionRequest.dataset_id == self.dataset_id)
                .order_by(DeletionRequest.tv)
            ).all()
            assert [request.tv for request in requests] == list(range(1, len(requests) + 1))
            assert clock.read(session, self.dataset_id) == len(requests)
            job = session.get_one(Job, self.world.job) if self.world.job else None
            lapsed = job is not None and job.id in due.lapsed_jobs(session)
            world = self.world
            return state.State(
                requests=tuple(str(request.state) for request in requests),
                head=head.tv,
                held=model.held_tv,
                failed=model.failed_tv,
                job=job_seen(job, lapsed),
                workers=tuple(worker_seen(hand, job) for hand in world.hands),
                noted=tuple(job is not None and seen == job.id for seen in world.seen),
                messages=len([key for key in world.messages if job and key == job.id]),
                cancels=world.cancels,
                retries=world.retries,
            )

    def _present(self, session: Session) -> UUID:
        """The key of the one live job."""
        live = select(Job.id).where(Job.model_id == self.model_id, Job.state.in_(LIVE))
        return session.scalars(live).one()

    def _accept(self, _who: int) -> None:
        with self.transaction() as session:
            number = clock.read(session, self.dataset_id)
            factories.accept(session, [f"s-{number}"], self.dataset)

    def _cancel(self, _who: int) -> None:
        with self.transaction() as session:
            jobs_of_people.cancel(session, self._present(session))
        self.world = replace(self.world, cancels=self.world.cancels - 1)

    def _retry(self, number: int) -> None:
        of_clock = select(DeletionRequest.id).where(
            DeletionRequest.dataset_id == self.dataset_id, DeletionRequest.tv == number + 1
        )
        with self.transaction() as session:
            deletion_requests.retry(session, session.scalars(of_clock).one())
        self.world = replace(self.world, retries=self.world.retries - 1)

    def _lose(self, _who: int) -> None:
        self.world = replace(self.world, messages=self.world.messages[:-1])

    def _duplicate(self, _who: int) -> None:
        messages = self.world.messages
        self.world = replace(self.world, messages=(*messages, messages[-1]))

    def _lapse(self, _who: int) -> None:
        past = clock_now - timedelta(seconds=1)
        with self.transaction() as session:
            session.execute(
                update(Job).where(Job.id == self._present(session)).values(lease_until=past)
            )

    def _make(self, _who: int) -> None:
        with self.transaction() as session:
            assert self.model_id in due.models_behind(session)
            dispatcher.make_job(session, self.model_id)
            self.world = replace(self.world, job=self._present(session))

    def _ring(self, _who: int) -> None:
        with self.transaction() as session:
            # The pause after a failed attempt is over.
            key = self._present(session)
            session.execute(update(Job).where(Job.id == key).values(run_after=None))
            messages = [message.model_dump() for message in dispatcher.due(session, AT_ONCE)]
        assert messages == [{"job_id": key}]
        self.world = replace(self.world, messages=(*self.world.messages, key))

    def _look(self, who: int) -> None:
        with self.transaction() as session:
            (key,) = due.lapsed_jobs(session)
        self.world = replace(self.world, seen=put(self.world.seen, who, key))

    def _take_back(self, who: int) -> None:
        key = self.world.seen[who]
        assert key is not None
        with self.transaction() as session:
            dispatcher.take_back_job(session, key, SETTINGS)
        self.world = replace(self.world, seen=put(self.world.seen, who, None))

    def _claim(self, who: int) -> None:
        *messages, key = self.world.messages
        with self.transaction() as session:
            session.execute(update(Job).where(Job.id == key).values(run_after=None))
            claimed = jobs.claim(session, key, f"worker-{who}", SECONDS)
        self.world = replace(self.world, messages=tuple(messages))
        if claimed is not None:
            self.world = self.world.with_hand(who, Hand(claimed, "running"))

    def _crash(self, who: int) -> None:
        self.world = self.world.with_hand(who, Hand())

    def _finish(self, who: int) -> None:
        self.world = self.world.with_hand(who, replace(self.world.hands[who], doing="ready"))

    def _beat(self, who: int) -> None:
        self._owning(who, lambda db, mine: jobs.heartbeat(db, mine, BEAT, SECONDS), keeps=True)

    def _break(self, who: int) -> None:
        def put_back(session: Session, mine: ClaimedJob) -> None:
            jobs.put_back(session, mine, JobReason.CRASHED, "It broke.", lease.MAX_ATTEMPTS)

        self._owning(who, put_back)

    def _shut_down(self, who: int) -> None:
        self._owning(who, jobs.give_back)

    def _refuse(self, who: int) -> None:
        self._owning(who, lambda db, mine: jobs.fail(db, mine, JobReason.REFUSED, "It is not so."))

    def _end(self, who: int) -> None:
        self._owning(who, jobs.cancel)

    def _publish(self, who: int) -> None:
        self._owning(who, lambda db, mine: publishing.publish(db, mine, factories.unlearned()))

    def _owning(
        self, who: int, act: Callable[[Session, ClaimedJob], Any], *, keeps: bool = False
    ) -> None:
        """Do what a worker does with its claim, and have it react as `run_job` does."""
        hand = self.world.hands[who]
        assert hand.claimed is not None
        after = hand if keeps else Hand()
        try:
            with self.transaction() as session:
                told = act(session, hand.claimed)
            if keeps and told:
                after = replace(hand, doing="stopping")
        except LeaseLostError:
            after = Hand()
        except CancelledError:
            after = replace(hand, doing="stopping")
        self.world = self.world.with_hand(who, after)


def job_seen(job: Job | None, lapsed: bool) -> state.Job:
    if job is None:
        return state.Job()
    kept = "lapsed" if lapsed else "kept"
    return state.Job(
        state=str(job.state),
        attempt=job.attempt,
        lease="none" if job.lease_owner is None else kept,
        parent=job.parent_tv,
        tv=job.tv,
        asked_to_stop=job.cancel_requested_at is not None,
    )


def worker_seen(hand: Hand, job: Job | None) -> state.Worker:
    mine = hand.claimed
    same = mine is not None and job is not None and mine.id == job.id
    fits = same and mine is not None and job is not None and mine.fence == job.fence
    return state.Worker(hand.doing, of_this_job=same, fence_fits=fits)


def as_seen(modelled: state.State) -> state.State:
    """A state of the model without what no code knows."""
    job = modelled.job._replace(versions=0)
    workers = tuple(worker._replace(latest=False) for worker in modelled.workers)
    return modelled._replace(job=job, workers=workers)


def begin(connection: Connection, name: str) -> Real:
    """A dataset of its own, with a model whose version 1 knows of no deletion."""
    real = Real(connection, name, 0, 0)
    acting = {actors.ACTOR: actors.SYSTEM}
    with Session(connection, join_transaction_mode="create_savepoint", info=acting) as session:
        made: Dataset = factories.dataset(session, name, rows=2 * lease.REQUESTS)
        real.dataset_id = made.id
        real.model_id = factories.model(session, made, name, max_fraction=1).id
    return real
