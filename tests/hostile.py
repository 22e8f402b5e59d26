"""Factories of models that misbehave, for tests of what supervises them."""

import atexit
import os
import signal
import time

from torch import nn


def crash() -> nn.Module:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError("unreachable")


def hang() -> nn.Module:
    # It does not listen to SIGTERM either.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
    raise AssertionError("unreachable")


def not_a_module() -> str:
    return "a string"


def one_logit() -> nn.Module:
    """A yes or no by the sign of one number."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 1))


def no_head() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())


def crash_at_exit() -> nn.Module:
    """Fine until the interpreter ends, as some native libraries are."""
    atexit.register(os.abort)
    from workers.zoo import digits_cnn

    return digits_cnn()


def chatty() -> nn.Module:
    """Prints to standard output, which is the supervisor's pipe."""
    os.write(1, b"not progress at all\n")
    from workers.zoo import digits_cnn

    return digits_cnn()


def leak() -> nn.Module:
    """Takes more and more memory and gives none back, 16 MiB at a time."""
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1) * 2**24))
        time.sleep(0.01)


def leak_in_a_child() -> nn.Module:
    """The same in a process that the run has started."""
    child = os.fork()
    if not child:
        leak()
    os.waitpid(child, 0)
    raise AssertionError("unreachable")


def too_large_at_once() -> nn.Module:
    """More than any machine has: the allocator refuses it."""
    return nn.Linear(2**24, 2**24)


def killed_from_outside() -> nn.Module:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")
