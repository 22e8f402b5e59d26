"""Starting a runner, passing its progress on, and ending it for certain."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO

import structlog
from pydantic import TypeAdapter, ValidationError

from service.core.reasons import JobReason
from service.core.settings import Settings
from workers.exits import code_of_exit
from workers.keeper import Keeper
from workers.lifecycle.leases import LeaseLostError
from workers.memory import GroupMemory, KernelWatch
from workers.plan import (
    OUTCOME,
    PLAN,
    Ending,
    Failed,
    IndexPlan,
    Outcome,
    Plan,
    ProgressLine,
    UnlearnPlan,
)
from workers.progress import RunProgress
from workers.runner.steps import FIRST, broke_down

log = structlog.get_logger(__name__)

GRACE_SECONDS = 30.0
POLL_SECONDS = 0.1
MIB = 2**20
LOG = "its log says why"
TIME_ADVICE = (
    "See whether the storage answers, and register smaller files, or have an operator raise "
    "UNLEARND_REGISTRATION_TIME_LIMIT_SECONDS."
)
MEMORY_ADVICE = (
    "What it read may be damaged, or more than fits: write it anew, with smaller values or in "
    "smaller files, or have an operator raise UNLEARND_REGISTRATION_MEMORY_LIMIT_MIB."
)


class RunFailedError(RuntimeError):
    """The run came to nothing; another attempt may do better.

    `final`: it was a registration, and another attempt at the same files would end alike.
    """

    def __init__(self, code: JobReason, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.final = final


class MemoryLimitError(RunFailedError):
    """It took more memory than it may."""


def run(
    plan: Plan, work_dir: Path, settings: Settings, lease: Keeper, held: Sequence[int] = ()
) -> Outcome:
    """Do a plan in a process of its own, for as long as its lease is kept.

    The process shares the file descriptors that are `held`: a lock is free when both are gone.

    The process is gone when this returns or raises.

    Raises:
        RunFailedError: it crashed, was killed, found the storage away, or took more time or memory
            than it may.
        LeaseLostError, CancelledError, ShutdownError: see `Keeper.check`.
    """
    (work_dir / PLAN).write_text(plan.model_dump_json(), encoding="utf-8")
    indexes = isinstance(plan, IndexPlan)
    module = "workers.indexing" if indexes else "workers.runner"
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(work_dir), str(os.getpid())],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=held,
        text=True,
        # NumPy's threads would each reserve memory under the limit of a process that has no need.
        env=environment() | ({"OPENBLAS_NUM_THREADS": "1"} if indexes else {}),
    )
    watch = Watch(process, limits_of(plan, settings), lease)
    try:
        watch.until_it_ends()
    except (LeaseLostError, MemoryLimitError):
        # Somebody else may begin soon, or more memory be taken: there is no time to be polite.
        kill(process)
        raise
    finally:
        end(process)
    code, killed = process.returncode, watch.kernel_killed()
    return read_outcome(code, work_dir, out_of_memory=killed, step=watch.step)


def environment() -> dict[str, str]:
    """A runner's: this process's own, and what keeps a run from others' cores and from the network.

    Threads that wait for each other must not burn the cores that the others need. Models are read
    from where they were registered, and nothing is fetched from a hub.
    """
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Limits:
    """What a process may take. A registration says in which step it was, and a run does not."""

    seconds: float
    mebibytes: int | None
    first_step: str | None


def limits_of(plan: Plan, settings: Settings) -> Limits:
    if isinstance(plan, UnlearnPlan):
        return Limits(settings.job_time_limit_seconds, settings.job_memory_limit_mib, None)
    seconds = settings.registration_time_limit_seconds
    return Limits(seconds, settings.registration_memory_limit_mib, FIRST)


class Watch:
    """One runner under watch."""

    def __init__(self, process: subprocess.Popen[str], limits: Limits, lease: Keeper) -> None:
        """`step` is what a registration does now, and None for a run."""
        self.step = limits.first_step
        self._process = process
        self._limits = limits
        self._lease = lease
        self._progress = RunProgress()
        self._lines: SimpleQueue[ProgressLine] = SimpleQueue()
        self._started = time.monotonic()
        self._memory = GroupMemory(process.pid)
        self._kernel = KernelWatch()

    def until_it_ends(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 (it is a pipe)
        reader = Thread(target=self._read, args=[self._process.stdout], daemon=True)
        reader.start()
        while self._process.poll() is None:
            self._kernel.look()
            self._pass_on()
            self._lease.check()
            self._check_limits()
            time.sleep(POLL_SECONDS)
        reader.join(timeout=GRACE_SECONDS)
        self._pass_on()

    def kernel_killed(self) -> bool:
        """Whether the kernel has killed for want of memory just now."""
        return self._kernel.killed_lately()

    def _check_limits(self) -> None:
        seconds, mebibytes = self._limits.seconds, self._limits.mebibytes
        if time.monotonic() - self._started > seconds:
            how = f"It took longer than the limit of {seconds:.0f} seconds"
            said = self._said(how, TIME_ADVICE)
            raise RunFailedError(JobReason.TIMED_OUT, said, final=self.step is not None)
        if mebibytes is not None and self._memory.used() > mebibytes * MIB:
            how = f"It took more memory than the limit of {mebibytes} MiB"
            said = self._said(how, MEMORY_ADVICE)
            raise MemoryLimitError(JobReason.OUT_OF_MEMORY, said, final=self.step is not None)

    def _said(self, how: str, advice: str) -> str:
        return f"{how}." if self.step is None else f"{how} while it {self.step}. {advice}"

    def _read(self, pipe: IO[str]) -> None:
        for line in pipe:
            try:
                self._lines.put(ProgressLine.model_validate_json(line))
            except ValidationError:
                log.warning("a runner wrote a line that is no progress", length=len(line))

    def _pass_on(self) -> None:
        changed = False
        while True:
            try:
                line = self._lines.get_nowait()
            except Empty:
                break
            self.step = line.step or self.step
            self._progress.add(line)
            changed = True
        if changed:
            self._lease.tell(self._progress)


def end(process: subprocess.Popen[str]) -> None:
    """End a runner and all that it started: politely, and then for certain."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        # One that somebody has stopped would only hear it once it goes on.
        os.killpg(process.pid, signal.SIGCONT)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("a runner had to be killed", pid=process.pid)
    kill(process)
    if process.stdout is not None:
        process.stdout.close()


def kill(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # Nobody of its group is left.
    finally:
        process.wait()


def read_outcome(
    code: int, work_dir: Path, *, out_of_memory: bool, step: str | None = None
) -> Outcome:
    """What a run left whose process ended with this code, negative for a signal.

    `out_of_memory` says what a kill was that nobody else owns up to; `step` is what a registration
    did last.

    Raises:
        RunFailedError: nothing, or that it failed.
    """
    path = work_dir / OUTCOME
    if code == 0 and path.exists():
        text = path.read_text(encoding="utf-8")
        ending = TypeAdapter[Ending](Ending).validate_json(text)
        if not isinstance(ending, Failed):
            return ending
        if ending.code == JobReason.OUT_OF_MEMORY and step is not None:
            how = f"It ran out of memory while it {step}. {MEMORY_ADVICE}"
            raise RunFailedError(ending.code, how, final=True)
        raise RunFailedError(ending.code, ending.reason)
    reason = code_of_exit(code)
    if reason == JobReason.KILLED and out_of_memory:
        reason = JobReason.OUT_OF_MEMORY
        raise RunFailedError(reason, "The kernel killed it for want of memory.")
    name = signal.Signals(-code).name if code < 0 else None
    how = f"was ended by {name}" if name else f"ended with code {code}"
    if reason == JobReason.CRASHED and step is not None:
        raise RunFailedError(reason, broke_down(how, step), final=step != FIRST)
    raise RunFailedError(reason, f"Its process {how}." if name else f"Its process {how}; {LOG}.")
