"""Starting a runner, passing its progress on, and ending it for certain."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
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
from workers.plan import OUTCOME, PLAN, Ending, Failed, Outcome, Plan, ProgressLine
from workers.progress import RunProgress

log = structlog.get_logger(__name__)

GRACE_SECONDS = 30.0
POLL_SECONDS = 0.1
MIB = 2**20


class RunFailedError(RuntimeError):
    """The run came to nothing; another attempt may do better."""

    def __init__(self, code: JobReason, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class MemoryLimitError(RunFailedError):
    """It took more memory than it may."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            JobReason.OUT_OF_MEMORY, f"It took more memory than the limit of {limit} MiB."
        )


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
    process = subprocess.Popen(
        [sys.executable, "-m", "workers.runner", str(work_dir), str(os.getpid())],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=held,
        text=True,
        env=environment(),
    )
    watch = Watch(process, settings, lease)
    try:
        watch.until_it_ends()
    except (LeaseLostError, MemoryLimitError):
        # Somebody else may begin soon, or more memory be taken: there is no time to be polite.
        kill(process)
        raise
    finally:
        end(process)
    return read_outcome(process.returncode, work_dir, out_of_memory=watch.kernel_killed())


def environment() -> dict[str, str]:
    """A runner's: this process's own, and what keeps a run from others' cores and from the network.

    Threads that wait for each other must not burn the cores that the others need. Models are read
    from where they were registered, and nothing is fetched from a hub.
    """
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "HF_HUB_OFFLINE": "1"}


class Watch:
    """One runner under watch."""

    def __init__(self, process: subprocess.Popen[str], settings: Settings, lease: Keeper) -> None:
        self._process = process
        self._settings = settings
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
        seconds = self._settings.job_time_limit_seconds
        if time.monotonic() - self._started > seconds:
            raise RunFailedError(
                JobReason.TIMED_OUT, f"It took longer than the limit of {seconds:.0f} seconds."
            )
        mebibytes = self._settings.job_memory_limit_mib
        if mebibytes is not None and self._memory.used() > mebibytes * MIB:
            raise MemoryLimitError(mebibytes)

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
                self._progress.add(self._lines.get_nowait())
            except Empty:
                break
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


def read_outcome(code: int, work_dir: Path, *, out_of_memory: bool) -> Outcome:
    """What a run left whose process ended with this code, negative for a signal.

    `out_of_memory` says what a kill was that nobody else owns up to.

    Raises:
        RunFailedError: nothing, or that it failed.
    """
    path = work_dir / OUTCOME
    if code == 0 and path.exists():
        text = path.read_text(encoding="utf-8")
        ending = TypeAdapter[Ending](Ending).validate_json(text)
        if isinstance(ending, Failed):
            raise failure(ending.code, ending.reason, out_of_memory=out_of_memory)
        return ending
    reason = code_of_exit(code)
    if code < 0:
        name = signal.Signals(-code).name
        raise failure(reason, f"Its process was ended by {name}.", out_of_memory=out_of_memory)
    raise RunFailedError(reason, f"Its process ended with code {code}; its log says why.")


def failure(code: JobReason, reason: str, *, out_of_memory: bool) -> RunFailedError:
    if code == JobReason.KILLED and out_of_memory:
        return RunFailedError(JobReason.OUT_OF_MEMORY, "The kernel killed it for want of memory.")
    return RunFailedError(code, reason)
