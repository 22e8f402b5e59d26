"""A job that is stopped while it computes."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import SLOW, Service
from tests.service.cli.running import unlearnd
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

# Long enough for a command line to begin meanwhile, also where cores are busy.
LONG = SLOW | {
    "method_parameters": SLOW["method_parameters"] | {"min_steps": 600, "max_steps": 600}
}


def test_a_running_job_is_stopped_from_the_shell_and_its_request_is_retried(
    service: Service, digits: dict[str, Any]
) -> None:
    service.register(digits, method=LONG)
    accepted = service.delete(digits["forget"])
    job = service.job_in_phase("unlearning")
    runs = service.pids("workers.runner")

    url = {"UNLEARND_URL": str(service.http.base_url)}
    asked = unlearnd("jobs", "cancel", job["id"], home=service.settings.home_dir, **url)
    assert (asked.returncode, json.loads(asked.stdout)["state"]) == (0, "running")

    ended = wait_until(lambda: over(service, job["id"]))
    assert (ended["state"], ended["reason_code"], ended["version"]) == (
        "cancelled",
        "cancelled",
        None,
    )
    assert runs
    assert service.pids("workers.runner") == []
    # What was made from samples that are to be forgotten is gone with the job.
    wait_until(lambda: not any(path.is_dir() for path in service.settings.scratch_dir.iterdir()))
    assert service.request(accepted["id"])["status"] == "failed"
    again = unlearnd("jobs", "cancel", job["id"], home=service.settings.home_dir, **url)
    assert (again.returncode, "only one that waits or runs" in again.stderr) == (1, True)

    assert service.http.post(f"/v1/deletion-requests/{accepted['id']}:retry").status_code == 202
    assert len(service.completes(accepted["id"])["jobs"]) == 2


def over(service: Service, job_id: str) -> Any:
    job = service.get(f"/v1/jobs/{job_id}")
    return job if job["finished_at"] else None
