"""What a drill sees of the database and does in it, past the proxy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, make_url, select, text
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.settings import Settings
from service.core.tables import (
    DeletionRequest,
    Event,
    Job,
    JobState,
    Model,
    ModelVersion,
    RequestState,
)
from service.deletion_requests import service as deletion_requests
from service.deletion_requests.schemas import DeletionRequestCreate
from tests.faults.invariants import check_invariants, leftovers
from tests.faults.power import Servers
from tests.waiting import wait_until

MAX_ATTEMPTS = 4
# What a drill waits for at the most, on a machine that has more to do.
PATIENCE_SECONDS = 100
WAITS_FOR_A_LOCK = text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
    "AND application_name = 'unlearnd worker' AND datname = current_database()"
)
OPEN = (RequestState.STAGED, RequestState.PROCESSING)


@dataclass
class Rows:
    """The rows of one drill, and the files that belong to them."""

    servers: Servers
    database_name: str
    folder: Path
    sample_ids: list[str]
    _database: Database | None = None

    @property
    def storage(self) -> Path:
        return self.folder / "home" / "storage"

    @property
    def scratch(self) -> Path:
        return self.folder / "home" / "work"

    def url_of(self, server: str) -> str:
        named = make_url(server).set(database=self.database_name)
        return named.render_as_string(hide_password=False)

    @property
    def database(self) -> Database:
        """The drill's own way to the database, past the proxy."""
        url = self.url_of(self.servers.postgres.direct_url)
        if self._database is None or str(self._database.engine.url) != str(make_url(url)):
            self.forget_database()
            self._database = Database(url, pool_size=4, application="drill", actor="system")
        return self._database

    def forget_database(self) -> None:
        if self._database is not None:
            self._database.dispose()
            self._database = None

    @contextmanager
    def session(self) -> Iterator[Session]:
        with self.database.unit_of_work() as session:
            yield session

    def delete(self, first: int, count: int = 3, *, of: str = "digits") -> UUID:
        """A deletion request for so many samples, accepted by the service's own code here."""
        wanted = self.sample_ids[first : first + count]
        order = DeletionRequestCreate(dataset=of, sample_ids=wanted)
        with self.database.unit_of_work() as session:
            return deletion_requests.accept(session, Settings(max_fraction=0.5), order).id

    def retry(self, request_id: UUID) -> None:
        with self.session() as session:
            deletion_requests.retry(session, request_id)

    def request(self, request_id: UUID) -> DeletionRequest:
        with self.session() as session:
            return session.get_one(DeletionRequest, request_id)

    def reasons(self, kind: str) -> list[str]:
        """What events of a kind gave as their reasons, in the order in which they happened."""
        query = select(Event.data["reason"].astext).where(Event.kind == kind).order_by(Event.id)
        with self.session() as session:
            return [reason for reason in session.scalars(query) if reason]

    def jobs(self) -> list[Job]:
        with self.session() as session:
            return list(session.scalars(select(Job).order_by(Job.created_at)))

    def job(self) -> Job:
        (job,) = self.jobs()
        return job

    def versions(self) -> int:
        with self.session() as session:
            return session.scalars(select(func.count()).select_from(ModelVersion)).one()

    def model(self, name: str = "digits") -> Model:
        with self.session() as session:
            return session.scalars(select(Model).where(Model.name == name)).one()

    @contextmanager
    def model_held(self) -> Iterator[None]:
        """Lock the model's row, which a publishing transaction needs, for the length of a block."""
        with self.database.engine.connect() as holder, holder.begin():
            holder.execute(text("SELECT id FROM models FOR UPDATE"))
            yield

    def worker_waits_for_a_lock(self) -> bool:
        with self.database.engine.connect() as connection:
            return bool(connection.scalar(WAITS_FOR_A_LOCK))

    def state_is(self, state: JobState, patience: float = PATIENCE_SECONDS) -> Job:
        found: Job = wait_until(
            lambda: next((job for job in self.jobs() if job.state == state), None),
            patience=patience,
        )
        return found

    def finishes(self, patience: float = PATIENCE_SECONDS) -> None:
        """Wait until no request is open and no job is live, and check all that was promised."""
        wait_until(self.is_finished, every=0.1, patience=patience)
        self.check()

    def is_finished(self) -> bool:
        with self.session() as session:
            waiting = select(func.count()).where(DeletionRequest.state.in_(OPEN))
            live = select(func.count()).where(Job.state.in_([JobState.QUEUED, JobState.RUNNING]))
            return session.scalars(waiting).one() == 0 and session.scalars(live).one() == 0

    def is_swept(self) -> bool:
        """Whether nothing is left of jobs that are over; workers look for it every half minute."""
        with self.session() as session:
            return not list(leftovers(session, self.storage, self.scratch))

    def check(self) -> None:
        check_invariants(self.database, self.storage, self.scratch, max_attempts=MAX_ATTEMPTS)

    def all_are(self, state: RequestState) -> None:
        with self.session() as session:
            found = set(session.scalars(select(DeletionRequest.state)))
        assert found == {state}
