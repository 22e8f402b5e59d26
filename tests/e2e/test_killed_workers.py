"""A worker that dies in the middle costs time, and nothing else."""

from typing import Any

import pytest
from sqlalchemy import text

from service.core.db import Database
from service.core.messages import RunJob, celery_app, send
from tests.e2e.conftest import Service
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def check_one_version_came_of_it(
    service: Service, request: dict[str, Any], *, attempts: int
) -> None:
    (job,) = request["jobs"]
    assert (job["state"], job["attempt"], job["version"]) == ("published", attempts, 2)
    assert len(service.get("/v1/models/digits/versions")["items"]) == 2
    # Caches made from forgotten samples are gone, also those of the run that was killed.
    wait_until(
        lambda: [path for path in service.settings.scratch_dir.iterdir() if path.is_dir()] == [],
        patience=20,
    )
    assert list((service.settings.storage_dir / ".staging").iterdir()) == []


def test_a_worker_killed_while_unlearning(service: Service, digits: dict[str, Any]) -> None:
    service.register(digits, method="laf")
    accepted = service.delete(digits["forget"])
    service.job_in_phase("unlearning")

    service.kill_worker()

    ended = service.completes(accepted["id"])
    check_one_version_came_of_it(service, ended, attempts=2)
    assert service.went_on()


def test_a_worker_killed_while_publishing(
    service: Service, digits: dict[str, Any], database: Database
) -> None:
    service.register(digits, method="laf")
    accepted = service.delete(digits["forget"])
    service.job_in_phase("loading")
    # The publishing transaction needs the model's row: holding it stops the worker right there.
    with database.engine.connect() as holder, holder.begin():
        holder.execute(text("SELECT id FROM models FOR UPDATE"))
        service.job_in_phase("publishing")
        wait_until(lambda: a_worker_waits_for_a_lock(database))
        service.kill_worker()

    ended = service.completes(accepted["id"])
    check_one_version_came_of_it(service, ended, attempts=2)


def a_worker_waits_for_a_lock(database: Database) -> bool:
    with database.engine.connect() as connection:
        waiting = connection.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                "AND application_name = 'unlearnd worker' AND datname = current_database()"
            )
        )
    return bool(waiting)


def test_a_message_delivered_many_times_publishes_once(
    service: Service, digits: dict[str, Any]
) -> None:
    service.register(digits)
    accepted = service.delete(digits["forget"])
    job = wait_until(lambda: service.request(accepted["id"])["jobs"])[0]
    app = celery_app(service.settings, service.settings.redis_url or "")

    for _ in range(5):
        send(app, RunJob(job_id=job["id"]))
    service.completes(accepted["id"])
    for _ in range(5):
        send(app, RunJob(job_id=job["id"]))
    # A message that came after them has been answered, so they have been, too.
    service.post("/v1/models", model_body(digits, "again"))
    service.becomes_ready("/v1/models/again")
    wait_until(lambda: service.get("/v1/models/again")["tv"] == 1)

    ended = service.request(accepted["id"])
    assert [job["attempt"] for job in ended["jobs"] if job["model"] == "digits"] == [1]
    assert len(service.get("/v1/models/digits/versions")["items"]) == 2
    # A model that is registered late starts behind the clock, and catches up by itself.
    assert {version["model"] for version in ended["versions"]} == {"digits", "again"}


def model_body(digits: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "name": name,
        "dataset": "digits",
        "source_uri": digits["model"],
        "architecture": {"kind": "module", "factory": digits["factory"]},
    }
