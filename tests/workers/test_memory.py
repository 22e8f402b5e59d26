"""How much memory a run takes, and what the kernel counts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until
from workers.memory import GroupMemory, kernel_kills, used_by

MIB = 2**20
HOLD = """
import mmap, sys
own = bytearray(int(sys.argv[1]) * 2**20)
with open(sys.argv[2], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
touched = sum(mapped[::4096])
print("ready", flush=True)
sys.stdin.read()
"""


def test_what_is_mapped_from_files_does_not_count(tmp_path: Path) -> None:
    """The kernel can drop it and read it again: a run over large files would be ended for it."""
    (tmp_path / "large").write_bytes(bytes(64 * MIB))
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(size), str(tmp_path / "large")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for size in (0, 48)
    ]
    for holder in holders:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
    small, large = (GroupMemory(holder.pid).used() for holder in holders)
    for holder in holders:
        holder.kill()
        holder.communicate()

    assert small < 40 * MIB
    assert 47 * MIB < large - small < 49 * MIB


def test_all_processes_of_the_group_count_and_no_others() -> None:
    command = f'import os, time\nheld = bytearray(32 * {MIB})\nos.write(1, b".")\ntime.sleep(60)'
    twice = f"{sys.executable} -c '{command}' & {sys.executable} -c '{command}' & wait"
    with subprocess.Popen(
        ["/bin/sh", "-c", twice], stdout=subprocess.PIPE, start_new_session=True
    ) as shell:
        assert shell.stdout is not None
        said = shell.stdout.read(2)
        used = GroupMemory(shell.pid).used()
        os.killpg(shell.pid, signal.SIGKILL)

    assert said == b".."
    assert 64 * MIB < used < 110 * MIB
    # Only the shell was waited for: the others are killed, and may still be going.
    wait_until(lambda: GroupMemory(shell.pid).used() == 0)


def test_a_process_that_is_gone_takes_nothing(tmp_path: Path) -> None:
    assert used_by(tmp_path / "4711") == 0


@pytest.mark.parametrize(
    ("cgroup", "counter"),
    [
        ("0::/jobs/gpu0", "sys/fs/cgroup/jobs/gpu0/memory.events"),
        ("0::/", "sys/fs/cgroup/memory.events"),
        ("1:cpu:/\n4:memory:/outside", "sys/fs/cgroup/memory/outside/memory.oom_control"),
        ("4:memory:/not/seen/inside\n0::/", "sys/fs/cgroup/memory/memory.oom_control"),
        ("0::/jobs", "proc/vmstat"),
    ],
)
def test_the_nearest_counter_of_the_kernel_is_read(
    cgroup: str, counter: str, tmp_path: Path
) -> None:
    files = {"proc/self/cgroup": cgroup, "proc/vmstat": "oom_kill 9", counter: "oom 1\noom_kill 3"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")

    assert kernel_kills(tmp_path) == 3


def test_this_machines_counter_can_be_read() -> None:
    assert kernel_kills() >= 0
