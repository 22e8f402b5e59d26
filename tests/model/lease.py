"""How a job lives between dispatchers, workers, a broker that loses messages, and a person.

Each step is one transaction of the code, or one fault. Between any two of them anything else may
happen. Time is left out: a lease may lapse at any moment, and a pause may be over at any moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.model.state import LIVE, OPEN, Job, State, Step, Worker

REQUESTS = 2
MAX_ATTEMPTS = 2
MESSAGES = 2

NOT_LATEST = "A version was published by a claim that was over."
TWICE = "A job published two versions."
GAP = "A version does not begin where the one before it ended: samples are lost."
STOPPED = "A job that was asked to stop ended otherwise, or was queued again."
TAKEN = "A lease that was kept was taken away."
TOO_OFTEN = "A job was tried more often than it may be."
WAITS = "A request waits, and nothing will come of it."


@dataclass(frozen=True)
class Rules:
    """What the code does. Each of these can be left out, to see that it is missed."""

    fence_checked_in_publishing: bool = True
    fence_raised_by_claim: bool = True
    lease_looked_at_again: bool = True
    stop_obeyed_in_publishing: bool = True
    lapsed_leases_taken_back: bool = True

    def moves(self, state: State) -> Iterator[Step]:
        """Everything that can happen next."""
        yield from self.outside(state)
        for number in range(len(state.noted)):
            yield from self.dispatcher(state, number)
        for number in range(len(state.workers)):
            yield from self.worker(state, number)

    def outside(self, state: State) -> Iterator[Step]:
        """Callers, a person, the broker, the clock on the wall."""
        job = state.job
        if state.clock < REQUESTS:
            yield Step("accept", 0, state._replace(requests=(*state.requests, "staged")))
        if state.cancels and state.live and not job.asked_to_stop:
            yield Step("cancel", 0, cancelled_by_a_person(state))
        if state.retries:
            for number, request in enumerate(state.requests):
                if request == "failed":
                    yield Step("retry", number, retried(state, number))
        if state.messages:
            yield Step("lose", 0, state._replace(messages=state.messages - 1))
            if state.messages < MESSAGES:
                yield Step("duplicate", 0, state._replace(messages=state.messages + 1))
        if job.lease == "kept":
            yield Step("lapse", 0, state._replace(job=job._replace(lease="lapsed")))

    def dispatcher(self, state: State, who: int) -> Iterator[Step]:
        job = state.job
        if who == 0 and not state.live and state.behind:
            yield Step("make", who, made(state))
        if who == 0 and job.state == "queued" and state.messages < MESSAGES:
            yield Step("ring", who, state._replace(messages=state.messages + 1))
        if job.lease == "lapsed" and not state.noted[who]:
            yield Step("look", who, noting(state, who, seen=True))
        if state.noted[who] and self.lapsed_leases_taken_back:
            rest = noting(state, who, seen=False)
            taking = job.lease == "lapsed" or (
                job.state == "running" and not self.lease_looked_at_again
            )
            broken = TAKEN if taking and job.lease == "kept" else None
            yield Step("take back", who, put_back(rest) if taking else rest, broken)

    def worker(self, state: State, who: int) -> Iterator[Step]:
        worker = state.workers[who]
        if worker.doing == "idle":
            if state.messages:
                yield self.claim(state._replace(messages=state.messages - 1), who)
            return
        idle = doing(state, who, "idle")
        owns = owned(state.job, worker)
        yield Step("crash", who, idle)
        if worker.doing == "stopping":
            yield Step("end", who, ended(idle, "cancelled") if owns else idle)
            return
        yield Step("beat", who, beaten(state, who) if owns else idle)
        yield Step("break", who, put_back(idle) if owns else idle)
        yield Step("shut down", who, given_back(idle) if owns else idle)
        if worker.doing == "running":
            how = "cancelled" if state.job.asked_to_stop else "failed"
            yield Step("refuse", who, ended(idle, how) if owns else idle)
            yield Step("finish", who, doing(state, who, "ready"))
        else:
            yield self.publish(state, who)

    def claim(self, state: State, who: int) -> Step:
        job = state.job
        if job.state != "queued":
            return Step("claim", who, state)
        job = job._replace(
            state="running",
            attempt=job.attempt + 1,
            lease="kept",
            parent=state.head,
            tv=state.clock,
        )
        workers = [
            worker._replace(
                latest=False, fence_fits=worker.fence_fits and not self.fence_raised_by_claim
            )
            for worker in state.workers
        ]
        workers[who] = Worker("running", of_this_job=True, fence_fits=True, latest=True)
        requests = tuple(
            "processing"
            if job.parent < tv <= job.tv and request in ("staged", "failed")
            else request
            for tv, request in enumerate(state.requests, start=1)
        )
        after = state._replace(job=job, workers=tuple(workers), requests=requests, held=0, failed=0)
        return Step("claim", who, after, TOO_OFTEN if job.attempt > MAX_ATTEMPTS else None)

    def publish(self, state: State, who: int) -> Step:
        worker, job = state.workers[who], state.job
        allowed = owned(job, worker)
        if not self.fence_checked_in_publishing:
            allowed = worker.of_this_job and job.state == "running"
        if not allowed:
            return Step("publish", who, doing(state, who, "idle"))
        if job.asked_to_stop and self.stop_obeyed_in_publishing:
            return Step("publish", who, doing(state, who, "stopping"))
        broken = None
        if not worker.latest:
            broken = NOT_LATEST
        elif job.versions:
            broken = TWICE
        elif job.parent != state.head or job.tv <= state.head:
            broken = GAP
        job = job._replace(state="published", lease="none", versions=job.versions + 1)
        after = doing(state, who, "idle")._replace(job=job, head=job.tv, held=state.failed)
        return Step("publish", who, settled(over(after)), broken)


def wrong(state: State) -> str | None:
    """The promise that a state breaks by itself."""
    job = state.job
    if job.asked_to_stop and job.state not in ("running", "cancelled"):
        return STOPPED
    if any(request in OPEN for request in state.requests[state.head :]) and not (
        state.live or state.behind
    ):
        return WAITS
    if any(request != "completed" for request in state.requests[: state.head]):
        return WAITS
    return None


def owned(job: Job, worker: Worker) -> bool:
    """Whether `lock_owned` finds the row: the fence is the job's, and somebody holds it."""
    return worker.of_this_job and worker.fence_fits and job.lease != "none"


def doing(state: State, who: int, what: str) -> State:
    workers = list(state.workers)
    workers[who] = Worker() if what == "idle" else workers[who]._replace(doing=what)
    return state._replace(workers=tuple(workers))


def noting(state: State, who: int, *, seen: bool) -> State:
    noted = list(state.noted)
    noted[who] = seen
    return state._replace(noted=tuple(noted))


def beaten(state: State, who: int) -> State:
    kept = state._replace(job=state.job._replace(lease="kept"))
    return doing(kept, who, "stopping") if state.job.asked_to_stop else kept


def made(state: State) -> State:
    """A new job. Messages and notes of the last one lead to nothing, and are left out."""
    workers = tuple(
        worker._replace(of_this_job=False, fence_fits=False, latest=False)
        for worker in state.workers
    )
    job = Job(state="queued", parent=state.head, tv=state.clock)
    return settled(
        state._replace(job=job, workers=workers, messages=0, noted=(False,) * len(state.noted))
    )


def over(state: State) -> State:
    """No claim of the job is worth anything any more."""
    return state._replace(workers=tuple(worker._replace(latest=False) for worker in state.workers))


def put_back(state: State) -> State:
    job = state.job
    if job.asked_to_stop:
        return ended(state, "cancelled")
    if job.attempt >= MAX_ATTEMPTS:
        return ended(state, "failed")
    return over(state._replace(job=job._replace(state="queued", lease="none")))


def given_back(state: State) -> State:
    job = state.job
    if job.asked_to_stop:
        return ended(state, "cancelled")
    job = job._replace(state="queued", lease="none", attempt=job.attempt - 1)
    return over(state._replace(job=job))


def ended(state: State, how: str) -> State:
    """A job without a version: the model is given up on, up to the job's clock."""
    job = state.job._replace(state=how, lease="none")
    failed = max(state.failed, job.tv)
    held = max(state.held, failed)
    return settled(over(state._replace(job=job, failed=failed, held=held)))


def cancelled_by_a_person(state: State) -> State:
    state = state._replace(cancels=state.cancels - 1)
    if state.job.state == "queued":
        return ended(state._replace(job=state.job._replace(tv=state.clock)), "cancelled")
    return state._replace(job=state.job._replace(asked_to_stop=True))


def retried(state: State, number: int) -> State:
    requests = list(state.requests)
    requests[number] = "processing"
    tv = number + 1
    if state.failed >= tv:
        state = state._replace(failed=0, held=0)
    return state._replace(requests=tuple(requests), retries=state.retries - 1)


def settled(state: State) -> State:
    """Every request in the state that the model's standing gives it."""
    coming = state.job.tv if state.job.state in LIVE else 0

    def of(tv: int, request: str) -> str:
        if request == "completed" or state.head >= tv:
            return "completed"
        if max(state.head, coming) < tv <= state.failed:
            return "failed"
        if request == "failed" and state.head < tv <= coming:
            return "processing"
        return request

    requests = enumerate(state.requests, start=1)
    return state._replace(requests=tuple(of(tv, request) for tv, request in requests))
