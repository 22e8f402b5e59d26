"""What `unlearnd worker` becomes."""

import pytest

from service.cli.processes import worker_command
from service.core.messages import Queue
from service.core.settings import Settings


@pytest.mark.parametrize(("queue", "at_once"), [("gpu", "1"), ("cpu", "3")])
def test_jobs_run_one_at_a_time_and_registrations_as_many_as_is_set(
    queue: Queue, at_once: str
) -> None:
    command = worker_command(queue, Settings(registrations_at_once=3))

    assert command[command.index("-c") + 1] == at_once
    assert command[command.index("-Q") + 1] == queue
