"""A worker that dies costs time, and nothing else: `tests/faults` has more of this."""

from typing import Any

import pytest

from tests.e2e.conftest import SLOW, Service
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
    service.register(digits, method=SLOW)
    accepted = service.delete(digits["forget"])
    service.job_in_phase("unlearning")

    service.kill_worker()

    ended = service.completes(accepted["id"])
    check_one_version_came_of_it(service, ended, attempts=2)
    assert service.went_on()
