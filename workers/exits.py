"""What the end of a process says about its cause."""

import signal

from service.core.reasons import JobReason

# What the kernel sends to a process for what it has done itself, and what `abort` sends.
FAULTS = {
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGTRAP,
    signal.SIGSYS,
}


def code_of_exit(code: int) -> JobReason:
    """From an exit code as of `subprocess`: a negative one is a signal."""
    return JobReason.KILLED if code < 0 and -code not in FAULTS else JobReason.CRASHED
