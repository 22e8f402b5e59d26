"""Faults at random, for as long as is asked: `make chaos MINUTES=20 SEED=17`.

The seed decides what is done in which order, and to whom. How far the service has come by then
depends on the machine, so the same seed is the same storm, and not the same second by second.
"""

import os
import random
import sys
import time

import pytest
from sqlalchemy import select

from service.core.tables import DeletionRequest
from tests.faults.callers import Callers
from tests.faults.stack import Stack
from tests.faults.storm import Storm
from tests.faults.twins import add_twin
from tests.waiting import wait_until

MINUTES = float(os.environ.get("CHAOS_MINUTES") or 2)
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
LONGEST_PAUSE_SECONDS = 1.5
# How long it may take until everything is over, once nothing goes wrong any more.
CALM_SECONDS = 600


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


@pytest.mark.chaos
@pytest.mark.timeout(MINUTES * 60 + CALM_SECONDS + 300)
def test_a_storm_of_faults_loses_nothing_and_publishes_nothing_twice(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    add_twin(stack)
    chance = random.Random(SEED)
    with capfd.disabled():
        say(f"\nChaos for {MINUTES:g} minutes. The same storm again: make chaos SEED={SEED}")
        storm = Storm(stack, chance)
        callers = Callers(stack, storm, chance)
        began = time.monotonic()
        while time.monotonic() - began < MINUTES * 60:
            strike = chance.choice([*storm.strikes(), *callers.strikes()])
            pause = chance.uniform(0, LONGEST_PAUSE_SECONDS)
            say(f"{time.monotonic() - began:7.1f} s  {strike()}")
            time.sleep(pause)

        storm.mend()
        wait_until(callers.all_are_answered, every=0.5, patience=60)
        wait_until(callers.nothing_is_open, every=1, patience=CALM_SECONDS)
        wait_until(stack.is_swept, every=1, patience=60)
        stack.check()
        jobs, versions = stack.jobs(), stack.versions()
        attempts = sum(job.attempt for job in jobs)
        say(f"{len(callers.asked)} requests, {len(jobs)} jobs in {attempts} attempts at the end,")
        say(f"{versions} versions. Nothing was lost. SEED={SEED}")
    with stack.session() as session:
        stored = set(session.scalars(select(DeletionRequest.id)))
    assert stored == {asked.accepted for asked in callers.asked}
