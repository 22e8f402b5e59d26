"""Which device a run computes on."""

import os
import platform
from typing import Any, Literal

import torch


class DeviceError(RuntimeError):
    """The device that was asked for is not there."""


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """A GPU if there is one, else the CPU; or what was asked for.

    Raises:
        DeviceError: CUDA was asked for and there is none.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise DeviceError("UNLEARND_DEVICE is cuda, and torch sees no CUDA device.")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def cpu_threads() -> int:
    return min(16, len(os.sched_getaffinity(0)))


def describe(device: torch.device) -> dict[str, Any]:
    """What a reproduction needs to know about the device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {"kind": device.type, "name": name, "torch": torch.__version__}
