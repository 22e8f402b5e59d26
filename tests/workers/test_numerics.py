"""Whether a limit that a setting of `tests.numerics` names is really in effect."""

import os
import platform
import re

import pytest
import torch
from torch import nn

from tests import numerics

# What torch and oneDNN call their kernels, from the plainest on.
TORCH = ("DEFAULT", "AVX2", "AVX512")
ONEDNN = {"AVX": ("avx2", "avx512", "amx"), "AVX2": ("avx512", "amx")}

X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="these limits are of x86-64")


def kernels_of_onednn(capfd: pytest.CaptureFixture[str]) -> set[str]:
    """What computes a convolution, by oneDNN's own words."""
    with torch.no_grad(), torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        nn.Conv2d(16, 16, 3)(torch.ones(4, 16, 16, 16))
    said = capfd.readouterr().out
    return set(re.findall(r"exec,cpu,convolution,([^,]+),", said))


@pytest.mark.numerics
@X86
def test_the_limits_that_the_environment_names_are_in_effect(
    capfd: pytest.CaptureFixture[str],
) -> None:
    limit = os.environ.get("ATEN_CPU_CAPABILITY", TORCH[-1]).upper()
    assert TORCH.index(torch.backends.cpu.get_cpu_capability()) <= TORCH.index(limit)

    used = kernels_of_onednn(capfd)
    assert used
    beyond = ONEDNN.get(os.environ.get("ONEDNN_MAX_CPU_ISA", ""), ())
    assert not any(name in kernel for name in beyond for kernel in used), used


@pytest.mark.numerics
def test_threads_and_numbers_are_those_that_the_environment_names() -> None:
    assert int(os.environ.get("NUMERICS_THREADS", "1")) == numerics.THREADS
    named = os.environ.get("NUMERICS_PRECISION", "float32")
    assert str(numerics.PRECISION) == f"torch.{named}"


def test_the_numeric_folders_are_marked_by_themselves(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        where = item.nodeid.rpartition("/")[0]
        if where in numerics.FOLDERS:
            left_out = item.get_closest_marker("exact") is not None
            assert (item.get_closest_marker("numerics") is None) == left_out
