"""The same task answered by another build: a commit of this repository, in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from torch import nn

from bench.unlearning.images import Images
from bench.unlearning.networks import fresh
from bench.unlearning.tasks import Task
from bench.unlearning.training import Cost

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("in_another_build.py")


class BuildError(RuntimeError):
    """The commit is unknown, or its code fails; the message holds what the command printed."""


@dataclass(frozen=True)
class Build:
    """A commit, by its short name, and the folder in which it is checked out."""

    commit: str
    tree: Path


@contextmanager
def checked_out(commit: str) -> Iterator[Build]:
    """The commit in a temporary work tree, which is removed in the end.

    Raises:
        BuildError: git does not know the commit.
    """
    name = _run(["git", "rev-parse", "--short", f"{commit}^{{commit}}"], ROOT).strip()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        _run(["git", "worktree", "add", "--detach", str(tree), name], ROOT)
        try:
            yield Build(name, tree)
        finally:
            _run(["git", "worktree", "remove", "--force", str(tree)], ROOT)


@dataclass(frozen=True)
class Made:
    """What another build made; the rest is as in `compare.Row`."""

    model: nn.Module
    cost: Cost
    peak_mib: float
    requests: list[dict[str, Any]]


def answered_by(
    build: Build, job: dict[str, Any], images: Images, task: Task, parent: nn.Module
) -> Made:
    """The network that the other build makes of `parent`, and what it cost.

    job: "method", "parameters", "seed", "job_seed", "threads" and "device", as in `compare.Order`.
    There are no labels. `images` and `task` are written to a folder, so that both builds have the
    same data and the same network however either would draw or train them.

    Raises:
        BuildError: the other build fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        arrays: dict[str, Any] = {f"request-{n}": rows for n, rows in enumerate(task.requests())}
        np.savez(
            place / "data.npz", train=images.train.images, holdout=images.holdout.images, **arrays
        )
        save_file(parent.state_dict(), place / "parent.safetensors")
        asked = job | {"images": images.name, "factory": images.factory, "scale": images.scale}
        (place / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        # -P: modules are found in the other tree, and not beside the script.
        _run([sys.executable, "-P", str(SCRIPT), str(place)], build.tree)
        told = json.loads((place / "told.json").read_text(encoding="utf-8"))
        model = fresh(images)
        model.load_state_dict(load_file(place / "made.safetensors"))
    device = next(parent.parameters()).device
    cost = Cost(**told["cost"])
    return Made(model.to(device).eval(), cost, told["peak_mib"], told["requests"])


def _run(command: list[str], folder: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"`{' '.join(command[:3])}` failed: {done.stderr.strip()}")
    return done.stdout
