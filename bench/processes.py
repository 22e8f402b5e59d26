"""Measurements in processes of their own, which have done nothing else."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from workers.runner.death import die_with

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def in_a_process(work: Callable[[Asked], Answer], asked: Asked) -> Answer:
    """What `work(asked)` returns or raises in a new process, which ends with this one."""
    with ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=die_with, initargs=(os.getpid(),)
    ) as pool:
        return pool.submit(work, asked).result()
