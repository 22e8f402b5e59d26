"""One drill's service: processes, database, storage, and what a drill waits for."""

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import httpx2

from service.core import keys
from service.core.messages import RunJob, celery_app, send
from service.core.settings import Settings
from service.core.tables import Job
from service.embedded.server import free_port
from tests.conftest import ANYWHERE, plain_environment
from tests.faults import networks, processes
from tests.faults.processes import Running
from tests.faults.rows import MAX_ATTEMPTS, PATIENCE_SECONDS, Rows
from tests.waiting import wait_until

LEASE_SECONDS = 3.0
WORKER = (
    "{program} -q -A {application} worker -P threads -c 1 -Q {queue} -n {queue}-{number}@drill "
    "--without-gossip --without-mingle --loglevel INFO"
)


@dataclass(frozen=True)
class API:
    running: Running
    http: httpx2.Client

    def post(self, sample_ids: list[str], key: str | None = None) -> httpx2.Response:
        """Ask for a deletion, once."""
        headers = {} if key is None else {"Idempotency-Key": key}
        body = {"dataset": "digits", "sample_ids": sample_ids}
        return self.http.post("/v1/deletion-requests", json=body, headers=headers)


@dataclass
class Stack(Rows):
    """The service on a database and a storage of its own, in which a model is registered."""

    running: list[Running] = field(default_factory=list)
    clients: list[httpx2.Client] = field(default_factory=list)
    redis_prefix: str = field(default_factory=lambda: f"drill-{uuid4().hex}:")

    def __post_init__(self) -> None:
        self.drill.mkdir(parents=True, exist_ok=True)

    @property
    def drill(self) -> Path:
        """The folder that `tests.faults.networks` obeys."""
        return self.folder / "drill"

    def environment(self, **settings: str) -> dict[str, str]:
        named = {
            "UNLEARND_HOME": str(self.folder / "home"),
            "UNLEARND_DATABASE_URL": self.url_of(self.servers.postgres.url),
            "UNLEARND_REDIS_URL": self.servers.redis.url,
            "UNLEARND_REDIS_PREFIX": self.redis_prefix,
            "UNLEARND_LEASE_SECONDS": str(LEASE_SECONDS),
            "UNLEARND_DISPATCH_INTERVAL_SECONDS": "0.2",
            "UNLEARND_RING_AGAIN_SECONDS": "1",
            "UNLEARND_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
            "UNLEARND_DEVICE": "cpu",
            "UNLEARND_THREADS": "1",
            "UNLEARND_SOURCES": ANYWHERE,
            "UNLEARND_MODULE_FACTORIES": "tests.faults.networks:",
            networks.FOLDER: str(self.drill),
        }
        return plain_environment(**named | settings)

    def start(self, name: str, command: str, **settings: str) -> Running:
        log = self.folder / f"{len(self.running)}-{name}.log"
        started = processes.start(command, log, self.environment(**settings))
        self.running.append(started)
        return started

    @cached_property
    def key(self) -> str:
        """The caller's key."""
        with self.database.unit_of_work() as session:
            made = keys.create("drill")
            session.add(made.row)
        return made.text

    def dispatcher(self, **settings: str) -> Running:
        return self.start("dispatcher", "service.cli dispatcher", **settings)

    def worker(
        self,
        queue: str = "gpu",
        *,
        program: str = "celery",
        application: str = "workers.app",
        **settings: str,
    ) -> Running:
        """What `unlearnd worker` becomes, without the second and a half that it needs for that."""
        number = len(self.running)
        command = WORKER.format(
            program=program, application=application, queue=queue, number=number
        )
        return self.start(f"worker-{queue}", command, **settings)

    def api(self, **settings: str) -> API:
        """A serving API, with a client; all clients of a drill are one caller."""
        port = free_port()
        running = self.start("api", "service.cli api", UNLEARND_PORT=str(port), **settings)
        http = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=30,
            trust_env=False,
        )
        self.clients.append(http)
        wait_until(lambda: is_alive(http, running), every=0.05, patience=PATIENCE_SECONDS)
        return API(running, http)

    def ring(self, job: Job) -> None:
        """Deliver a job's message once more."""
        app = celery_app(Settings(redis_prefix=self.redis_prefix), self.servers.redis.url)
        send(app, RunJob(job_id=job.id))

    def hold(self, phase: str) -> None:
        """Runs will stay in this phase. That an earlier one reached it is forgotten."""
        (self.drill / f"reached-{phase}").unlink(missing_ok=True)
        (self.drill / f"hold-{phase}").touch()

    def order(self, what: str, phase: str) -> None:
        (self.drill / f"{what}-{phase}").touch()

    def release(self, phase: str) -> None:
        (self.drill / f"hold-{phase}").unlink()

    def reaches(self, phase: str) -> None:
        """Wait for a run to come to this phase, since this was last asked."""
        reached = self.drill / f"reached-{phase}"
        wait_until(reached.exists, every=0.02, patience=PATIENCE_SECONDS)
        reached.unlink()

    def end_processes(self) -> None:
        for running in reversed(self.running):
            running.end()

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.end_processes()
        self.forget_database()
        shutil.rmtree(self.folder / "home", ignore_errors=True)


def is_alive(http: httpx2.Client, running: Running) -> bool:
    assert running.is_up, running.says()
    try:
        return http.get("/livez").status_code == 200
    except httpx2.TransportError:
        return False
