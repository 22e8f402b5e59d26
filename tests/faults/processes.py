"""Processes of a drill: started as an operator starts them, and ended in every way there is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.supervisor.spawn import has_exited, reap, spawn
from tests.waiting import wait_until


@dataclass(frozen=True)
class Running:
    """A process of the service, with what it says in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_up(self) -> bool:
        return not has_exited(self.process)

    def kill(self) -> None:
        """SIGKILL for this process alone: its children learn of it as they would in the field."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self, patience: float = 30) -> float:
        """SIGTERM; returns how many seconds it took to end, in order.

        Uvicorn ends by the signal itself, once it is done.
        """
        began = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        wait_until(lambda: has_exited(self.process), every=0.01, patience=patience)
        assert self.process.wait() in (0, -signal.SIGTERM), self.says()[-3000:]
        return time.monotonic() - began

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Whatever became of it, nothing of its group is left."""
        reap(self.process)

    def runners(self) -> list[int]:
        """The runs that it supervises now."""
        found = []
        for children in Path(f"/proc/{self.pid}/task").glob("*/children"):
            for child in children.read_text(encoding="utf-8").split():
                line = Path(f"/proc/{child}/cmdline").read_bytes()
                if b"workers.runner" in line:
                    found.append(int(child))
        return found

    def runner(self) -> int:
        """The run that it supervises, once there is one."""
        found: list[int] = wait_until(self.runners, patience=30)
        return found[0]

    def says(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def has_said(self, words: str, patience: float = 20) -> None:
        wait_until(lambda: words in self.says(), patience=patience)


def start(command: str, log: Path, environment: Mapping[str, str]) -> Running:
    """A module of ours as a process, which the kernel kills if the drill itself dies."""
    with log.open("ab") as output:
        process = spawn(
            [sys.executable, "-m", *command.split()],
            death_signal=signal.SIGKILL,
            env=environment,
            stdout=output,
            stderr=output,
        )
    return Running(process, log)
