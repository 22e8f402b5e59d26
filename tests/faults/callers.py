"""Callers and people in a storm: they ask, ask again, change their minds and try once more."""

import random
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import select

from service.core.tables import DeletionRequest, Job, RequestState
from tests.faults.rows import OPEN
from tests.faults.stack import Stack
from tests.faults.storm import Storm, Strike

REQUESTS = "/v1/deletion-requests"
GIVEN_UP = (RequestState.FAILED, RequestState.PARTIALLY_COMPLETED)
DATASETS = ("digits", "twin")
# So many samples are asked for at the most, again and again, or nothing would remain.
SAMPLES = 120


@dataclass
class Asked:
    """A request that its caller sends again, with its key, until it is accepted."""

    dataset: str
    sample_ids: list[str]
    upload: bool
    key: str = field(default_factory=lambda: uuid4().hex)
    accepted: UUID | None = None


class Callers:
    """All that people do, out of the storm's own generator."""

    def __init__(self, stack: Stack, storm: Storm, chance: random.Random) -> None:
        self._stack, self._storm, self._chance = stack, storm, chance
        self.asked: list[Asked] = []
        self._next = 0

    def strikes(self) -> list[Strike]:
        asking = [self.ask, self.ask, self.upload, self.ask_again, self.ask_again]
        return [*asking, *asking, self.cancel_request, self.cancel_job, self.retry]

    def ask(self) -> str:
        return self._ask(upload=False)

    def upload(self) -> str:
        return self._ask(upload=True)

    def _ask(self, *, upload: bool) -> str:
        dataset, count = self._chance.choice(DATASETS), self._chance.randint(1, 4)
        # Some samples have been named before.
        first = max(0, self._next - self._chance.choice([0, 0, 2]))
        self._next = (first + count) % SAMPLES
        asked = Asked(dataset, self._stack.sample_ids[first : first + count], upload)
        self.asked.append(asked)
        how = "upload" if upload else "request"
        return f"{how} of {count} samples of {dataset}: {self.send(asked)}"

    def ask_again(self) -> str:
        place = self._chance.random()
        if not self.asked:
            return "nobody has asked yet"
        return f"the same again: {self.send(self.asked[int(place * len(self.asked))])}"

    def send(self, asked: Asked) -> str:
        """Send a request once more; what was accepted is answered alike for ever."""
        key = {"Idempotency-Key": asked.key}
        try:
            if asked.upload:
                lines = "".join(f"{sample_id}\n" for sample_id in asked.sample_ids)
                path = f"{REQUESTS}/uploads?dataset={asked.dataset}"
                headers = key | {"Content-Type": "text/plain"}
                answer = self._storm.api.http.post(path, content=lines, headers=headers)
            else:
                body = {"dataset": asked.dataset, "sample_ids": asked.sample_ids}
                answer = self._storm.api.http.post(REQUESTS, json=body, headers=key)
        except httpx2.TransportError as error:
            return type(error).__name__
        if answer.status_code == 202:
            told = UUID(answer.json()["id"])
            assert asked.accepted in (None, told), "one key was answered in two ways"
            asked.accepted = told
        else:
            assert answer.status_code in (409, 503), answer.text
        return str(answer.status_code)

    def cancel_request(self) -> str:
        place = self._chance.random()
        known = [asked.accepted for asked in self.asked if asked.accepted is not None]
        if not known:
            return "nothing to cancel"
        return self._tell("cancel", f"{REQUESTS}/{known[int(place * len(known))]}:cancel")

    def cancel_job(self) -> str:
        with self._stack.session() as session:
            job = session.scalar(select(Job.id).order_by(Job.created_at.desc()).limit(1))
        return "no job to cancel" if job is None else self._tell("stop", f"/v1/jobs/{job}:cancel")

    def retry(self) -> str:
        with self._stack.session() as session:
            failed = select(DeletionRequest.id).where(DeletionRequest.state.in_(GIVEN_UP)).limit(1)
            request = session.scalar(failed)
        if request is None:
            return "nothing to retry"
        return self._tell("retry", f"{REQUESTS}/{request}:retry")

    def _tell(self, what: str, path: str) -> str:
        try:
            answer = self._storm.api.http.post(path)
        except httpx2.TransportError as error:
            return f"{what}: {type(error).__name__}"
        assert answer.status_code in (200, 202, 409, 503), answer.text
        return f"{what}: {answer.status_code}"

    def all_are_answered(self) -> bool:
        """Whether all that was ever asked is accepted, after one more try where it is not."""
        for asked in self.asked:
            if asked.accepted is None:
                self.send(asked)
        return all(asked.accepted is not None for asked in self.asked)

    def nothing_is_open(self) -> bool:
        """Whether all is completed or cancelled, after one more try of what failed."""
        with self._stack.session() as session:
            states = list(session.scalars(select(DeletionRequest.state)))
        if any(state in GIVEN_UP for state in states):
            self.retry()
            return False
        return not any(state in OPEN for state in states) and self._stack.is_finished()
