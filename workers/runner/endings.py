"""From what went wrong in a run to what is told of it."""

import os
import re

import torch
from safetensors import SafetensorError

from service.core.reasons import JobReason
from workers.data.locations import trouble, trouble_code
from workers.plan import Failed, Refused
from workers.runner.refusals import REFUSALS
from workers.unlearning.errors import DoesNotFitError, RanksError, UnlearningError

# A CPU's allocator and some libraries of a GPU have no error of their own for it.
NO_MEMORY = re.compile(
    r"DefaultCPUAllocator: can't allocate memory|CUDA(?: driver)? error: out of memory"
    r"|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED"
)
OUT_OF_MEMORY = Failed(reason="The run ran out of memory.", code=JobReason.OUT_OF_MEMORY)
SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")


def ending_of(error: Exception) -> Refused | Failed | None:
    """How a run ends that this error ends; None for a fault in code, which is a crash.

    The sentences name no sample: what an error of a library says is not repeated.
    """
    if isinstance(error, RanksError) and isinstance(error.__cause__, UnlearningError):
        return ending_of(error.__cause__)
    if isinstance(error, REFUSALS):
        # A factory, or whatever else failed with it, may only have had too little memory.
        cause = error.__cause__
        starved = isinstance(cause, Exception) and out_of_memory(cause)
        return OUT_OF_MEMORY if starved else Refused(reason=str(error))
    if out_of_memory(error):
        if isinstance(error, DoesNotFitError):
            return Failed(reason=str(error), code=JobReason.OUT_OF_MEMORY)
        return OUT_OF_MEMORY
    if isinstance(error, UnlearningError):
        # With the same seed on the same data it would end alike.
        return Refused(reason=str(error), code=JobReason.METHOD_FAILED)
    failed = of_the_system(error)
    return Failed(reason=trouble(failed), code=trouble_code(failed)) if failed else None


def out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError, DoesNotFitError)):
        return True
    failed = of_the_system(error)
    if failed is not None:
        return trouble_code(failed) == JobReason.OUT_OF_MEMORY
    return isinstance(error, RuntimeError) and bool(NO_MEMORY.search(str(error)))


def of_the_system(error: Exception) -> OSError | None:
    """What the operating system refused, also where safetensors tells it in words only."""
    if isinstance(error, OSError):
        return error
    if isinstance(error, SafetensorError) and (said := SYSTEM_ERROR.search(str(error))):
        number = int(said[1])
        return OSError(number, os.strerror(number))
    return None
