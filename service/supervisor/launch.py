"""Become another program that ends when the process which wanted it ends.

`service.supervisor.spawn` runs this file as a script, with the standard library alone. Between
fork and exec in the parent, where other threads may hold locks, no Python code should run; in
a fresh interpreter it may. After the exec nothing of it is left: the program has the same PID.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_GET_SECUREBITS = 27
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522


def checked(result: int, what: str) -> None:
    """Raise what the C library left in errno."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def prctl(libc: ctypes.CDLL, option: int, *values: int) -> None:
    padded = (*values, 0, 0, 0, 0)[:4]
    checked(libc.prctl(option, *(ctypes.c_ulong(value) for value in padded)), f"prctl {option}")


def become(libc: ctypes.CDLL, uid: int, gid: int, program: str) -> None:
    """Give up root, but go on reading what root may read.

    The program, its files and the home may lie below a folder such as /root that only root
    enters. One ambient capability gets there, and nobody's folders need another mode.
    """
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bits = (ctypes.c_uint32 * 6)()
    checked(libc.capget(header, bits), "capget")
    permitted = bits[1]
    wanted = CAP_DAC_OVERRIDE
    # This one allows less. But containers often lack it, and it runs no program that an
    # installation with umask 077 made executable for root alone.
    if permitted >> CAP_DAC_READ_SEARCH & 1 and os.stat(program).st_mode & 0o001:  # noqa: PTH116
        wanted = CAP_DAC_READ_SEARCH

    prctl(libc, PR_SET_KEEPCAPS, 1)
    # Without this, access(2) disregards the capability of everybody but root, and initdb asks
    # by access(2) whether it may run postgres. Below a folder that all may enter, it may.
    if permitted >> CAP_SETPCAP & 1:
        present = libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0)
        prctl(libc, PR_SET_SECUREBITS, present | SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = 1 << wanted
    checked(libc.capset(header, (ctypes.c_uint32 * 6)(mask, mask, mask)), "capset")
    prctl(libc, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, wanted)


def main() -> None:
    # Python ignores two signals, and a shell makes its background jobs ignore two more. A
    # program inherits that over an exec, and few expect it.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

    parent, death_signal, uid, gid = (int(word) for word in sys.argv[1:5])
    command = sys.argv[5:]
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if uid >= 0:
            become(libc, uid, gid, command[0])
    except OSError as error:
        sys.exit(
            f"Root cannot start this as uid {uid} ({error.strerror}). Run as an ordinary user, or"
            " with CAP_CHOWN, CAP_SETUID, CAP_SETGID, CAP_KILL and CAP_DAC_OVERRIDE."
        )
    try:
        # A change of identity clears the death signal, so this comes after it.
        prctl(libc, PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            sys.exit("The process that wanted this one is gone.")
        os.execvp(command[0], command)  # noqa: S606 - No shell is the point.
    except OSError as error:
        sys.exit(f"Cannot run {command[0]}: {error}")


if __name__ == "__main__":
    main()
