"""How much memory a run takes, and whether the kernel has killed for want of it."""

import resource
import time
from pathlib import Path

# Looking for new processes of a run reads a line of every process of the machine.
SECONDS_BETWEEN_SEARCHES = 1.0
# What cannot be dropped and read again from a file: a mapped file does not count, swapped pages do.
OWN = ("RssAnon:", "RssShmem:", "VmSwap:")
KIB = 1024
# The kernel counts when it kills. To take much memory away takes time, and so does the ending of
# a run's other processes.
SECONDS_TO_DIE = 30.0


class GroupMemory:
    """The memory of all processes of a group, as they come and go."""

    def __init__(self, group: int, proc: Path = Path("/proc")) -> None:
        self._group = group
        self._proc = proc
        self._members: list[Path] = []
        self._searched: float | None = None

    def used(self) -> int:
        """Bytes that only these processes can give back: anonymous, shared and swapped out.

        Memory that several of them share is counted in each.
        """
        now = time.monotonic()
        if self._searched is None or now - self._searched >= SECONDS_BETWEEN_SEARCHES:
            found = self._proc.glob("[0-9]*")
            self._members = [path for path in found if group_of(path) == self._group]
            self._searched = now
        return sum(used_by(member) for member in self._members)


def limit_allocations(mebibytes: int) -> None:
    """Have every allocation of this process refused that would take it above the limit.

    For processes without torch and CUDA, which reserve far more than they use.
    """
    most = mebibytes * KIB * KIB
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def group_of(process: Path) -> int | None:
    """Its process group; None if it is gone."""
    try:
        stat = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in brackets, may hold anything. Behind it: state, parent, group.
    return int(stat.rpartition(")")[2].split()[2])


def used_by(process: Path) -> int:
    """Bytes of one process; 0 if it is gone."""
    try:
        status = (process / "status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * KIB for line in status.splitlines() if line.startswith(OWN))


class KernelWatch:
    """Notices that the kernel kills for want of memory, to tell that from somebody's kill."""

    def __init__(self) -> None:
        self._seen = kernel_kills()
        self._last: float | None = None

    def look(self) -> None:
        found = kernel_kills()
        if found > self._seen:
            self._seen, self._last = found, time.monotonic()

    def killed_lately(self) -> bool:
        """Whether it has killed as recently as a process that ends now may have been killed."""
        self.look()
        return self._last is not None and time.monotonic() - self._last < SECONDS_TO_DIE


def kernel_kills(root: Path = Path("/")) -> int:
    """How many processes the kernel has killed for want of memory, as near to this one as it says.

    That is: in this process's control group, or else on the whole machine.
    """
    for counter in (*_counters(root), root / "proc/vmstat"):
        try:
            lines = counter.read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _counters(root: Path) -> list[Path]:
    """Where a control group may count, in both of its forms, seen from inside and outside."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    base, found = root / "sys/fs/cgroup", []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            mounts, name = [base / "memory"], "memory.oom_control"
        elif not controllers:
            mounts, name = [base, base / "unified"], "memory.events"
        else:
            continue
        found += [place / name for mount in mounts for place in (mount / path.lstrip("/"), mount)]
    return found
