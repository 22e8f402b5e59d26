"""Why a job, an attempt or a registration ended, as a code that programs may match on.

It knows no database, so that a run can say it too.
"""

from enum import StrEnum


class JobReason(StrEnum):
    """Stable: what a code stands for never changes. The sentence beside it is for people."""

    OUT_OF_MEMORY = "out_of_memory"
    """A GPU's, a limit's or the machine's memory was used up, whoever noticed it."""
    KILLED = "killed"
    """Its process was ended by somebody else's signal."""
    CRASHED = "crashed"
    """Its process broke down: a fault in code, such as a segmentation fault."""
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    """Files, model or settings do not fit: another attempt would end alike."""
    METHOD_FAILED = "method_failed"
    """The unlearning method came to no end, such as by a loss that is no number."""
    STORAGE = "storage"
    """A file could not be read or written."""
    DISK_FULL = "disk_full"
    WORKER_LOST = "worker_lost"
    """The worker stopped answering for longer than its lease."""
    WORKER_STOPPED = "worker_stopped"
    OVERTAKEN = "overtaken"
    """Another version was published meanwhile."""
    NOTHING_LEFT = "nothing_left"
    """All its requests were cancelled before it began."""
    GATE_NOT_PASSED = "gate_not_passed"
    APPROVAL_WANTED = "approval_wanted"
    """The gate was passed, and the model's policy leaves publishing to a person."""
