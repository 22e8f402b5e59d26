"""Numeric tests as they run on other processors: other kernels, threads and numbers.

`python -m tests.numerics` runs them in each of `SETTINGS`, one after the other, but for the one
that is this processor's own: `make test` runs that.
`python -m tests.numerics avx2 -k redirect` runs some of them in one.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "tests/workers/unlearning",
    "tests/workers/evaluation",
    "tests/workers/statistics",
)
LIMITS = "tests/workers/test_numerics.py"

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

# What a test computes with that does not choose for itself.
THREADS = int(os.environ.get("NUMERICS_THREADS", "1"))
PRECISION = PRECISIONS[os.environ.get("NUMERICS_PRECISION", "float32")]

# torch, oneDNN and MKL each choose kernels, and each is limited by a variable of its own. MKL takes
# AVX2 for a limit on processors of Intel alone, and COMPATIBLE on all.
X86 = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    },
    "plain": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "AVX",
        "MKL_CBWR": "COMPATIBLE",
        "NUMERICS_THREADS": "2",
    },
}
OTHER = {"plain": {"ATEN_CPU_CAPABILITY": "default", "NUMERICS_THREADS": "2"}}
# Evaluation computes in float32, whatever the environment names.
LEFT_OUT = {"bfloat16": "tests/workers/evaluation"}
SETTINGS = {
    **(X86 if platform.machine() == "x86_64" else OTHER),
    "bfloat16": {"NUMERICS_PRECISION": "bfloat16", "NUMERICS_THREADS": "2"},
}


@contextmanager
def threads() -> Iterator[None]:
    """Have torch compute in `THREADS` threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def described() -> str:
    """The line that pytest begins with: what a report of a failed test needs to say."""
    kernels = torch.backends.cpu.get_cpu_capability()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "none")
    precision = str(PRECISION).removeprefix("torch.")
    return (
        f"numerics: torch {torch.__version__}, {platform.machine()}, kernels {kernels}, "
        f"limit of oneDNN {limit}, threads {THREADS}, {precision}"
    )


def own() -> str | None:
    """The setting that changes nothing on this processor; None if each changes something."""
    same = torch.backends.cpu.get_cpu_capability() == "AVX2" and platform.machine() == "x86_64"
    return "avx2" if same and (1, torch.float32) == (THREADS, PRECISION) else None


def run(setting: str, arguments: list[str]) -> int:
    """Run the numeric tests in a setting, in two processes -> their exit code."""
    command = [sys.executable, "-m", "pytest", "-m", "numerics and not gpu", "-n", "2"]
    folders = [folder for folder in FOLDERS if folder != LEFT_OUT.get(setting)]
    command += ["--dist", "loadfile", "--no-loadscope-reorder", LIMITS, *folders, *arguments]
    named = {"OMP_WAIT_POLICY": "PASSIVE"} | SETTINGS[setting]
    print(f"{setting}: {' '.join(f'{k}={v}' for k, v in named.items())}", flush=True)  # noqa: T201
    return subprocess.run(command, cwd=ROOT, env=os.environ | named, check=False).returncode


def main(arguments: list[str]) -> int:
    chosen = [name for name in arguments[:1] if name in SETTINGS]
    failed = []
    for setting in chosen or [name for name in SETTINGS if name != own()]:
        started = time.monotonic()
        if run(setting, arguments[len(chosen) :]):
            failed.append(setting)
        print(f"{setting}: {time.monotonic() - started:.0f} seconds", flush=True)  # noqa: T201
    if failed:
        print(f"Numeric tests failed in: {', '.join(failed)}.")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
