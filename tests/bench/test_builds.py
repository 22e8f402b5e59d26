"""Another build answers the same request about the same network, in its own tree."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.unlearning.builds import SCRIPT, BuildError, answered_by, checked_out
from bench.unlearning.images import digits
from bench.unlearning.networks import fresh
from bench.unlearning.tasks import make_task

ROOT = Path(__file__).parents[2]
# A process of its own imports torch and computes, on machines that do something else as well.
pytestmark = pytest.mark.timeout(600)
FEW: dict[str, Any] = {"passes": 0.1, "max_passes": 0.1, "min_steps": 5, "batch": 16}


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def repository() -> None:
    done = subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("This copy is not a git repository, so it has no other build.")


@pytest.mark.usefixtures("repository")
def test_a_commit_is_checked_out_for_a_while() -> None:
    head, before = git("rev-parse", "HEAD"), git("worktree", "list")

    with checked_out("HEAD") as build:
        assert head.startswith(build.commit)
        assert (build.tree / "bench" / "unlearning" / "compare.py").is_file()
        assert build.tree.resolve() != ROOT

    assert not build.tree.exists()
    assert git("worktree", "list") == before
    with pytest.raises(BuildError, match="rev-parse"), checked_out("no-such-commit"):
        pass


@pytest.mark.usefixtures("repository")
def test_the_other_build_gets_this_parent_and_makes_another_network_of_it() -> None:
    images = digits().some(200)
    task = make_task("memorised-40-by-4", images, 0)
    torch.manual_seed(0)
    parent = fresh(images)
    before = {name: tensor.clone() for name, tensor in parent.state_dict().items()}
    job = {
        "method": "distil",
        "parameters": FEW,
        "seed": 0,
        "job_seed": 500,
        "threads": 1,
        "device": "cpu",
    }

    with checked_out("HEAD") as build:
        made = answered_by(build, job, images, task, parent)

    assert [answer["method"] for answer in made.requests] == ["distil"] * 4
    assert made.cost.cpu_seconds > 0
    assert made.peak_mib > 50
    assert all(torch.equal(before[name], tensor) for name, tensor in parent.state_dict().items())
    changed = made.model.state_dict()
    assert not any(torch.equal(before[name], changed[name]) for name in before)


def test_code_of_this_tree_is_not_taken_for_that_of_another(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", train=np.zeros((1, 1, 8, 8), dtype=np.uint8))

    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode
    assert "is not the one in" in done.stderr
