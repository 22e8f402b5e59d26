"""Two processes that do one job come to what one comes to."""

import atexit
import faulthandler
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from tests import numerics
from tests.workers.memorised import Digits, nearly_same, samples, state
from workers.runner.launch import leave_the_interpreter
from workers.unlearning.base import Problem, Samples
from workers.unlearning.compute import Compute
from workers.unlearning.embedding import answer
from workers.unlearning.inputs import Inputs
from workers.unlearning.ranks import Ranks
from workers.unlearning.registry import get_method
from workers.unlearning.tap import find_tap
from workers.zoo import digits_cnn

METHODS: dict[str, dict[str, Any]] = {
    "distil": {"passes": 0.1, "max_passes": 0.1, "min_steps": 40, "embed_batch": 100},
    "redirect": {"max_steps": 10, "references": 400},
    "laf": {"min_steps": 20, "max_steps": 20, "density_steps": 20, "embedded_samples": 400},
}
CPU = torch.device("cpu")


@dataclass
class Counted:
    """The first hundred of some samples; it counts how many were read."""

    samples: Samples
    read: int = 0

    def __len__(self) -> int:
        return 100

    def batch(self, positions: Tensor) -> Inputs:
        self.read += len(positions)
        return self.samples.batch(positions)


def problem_of(tensors: dict[str, Tensor], compute: Compute, method: str) -> Problem:
    parent = digits_cnn()
    sets = {name: tensors.pop(name) for name in ("remaining", "forgotten", "holdout")}
    parent.load_state_dict(tensors)
    return Problem(
        model=parent.eval(),
        fresh=digits_cnn,
        tap=find_tap(parent, sets["remaining"][:2]),
        remaining=samples(sets["remaining"]),
        forgotten=samples(sets["forgotten"]),
        holdout=samples(sets["holdout"]),
        device=CPU,
        seed=7,
        min_agreement=0.9,
        parameters=METHODS[method],
        compute=compute,
    )


def be_one_of_two(rank: int, folder: str) -> None:
    faulthandler.enable()
    # As a native thread does at times that still runs when an interpreter is taken apart.
    atexit.register(os.abort)
    torch.set_num_threads(numerics.THREADS)
    home, ranks = Path(folder), Ranks(rank, 2)
    dist.init_process_group(
        "gloo", f"file://{home}/group", timedelta(seconds=60), world_size=2, rank=rank
    )
    for method in METHODS:
        scratch = home / method
        scratch.mkdir(exist_ok=True)
        tensors = load_file(home / "problem.safetensors")
        problem = problem_of(tensors, Compute(ranks=ranks, scratch=scratch), method)
        made = get_method(method).unlearn(problem, lambda _progress: None)
        save_file(state(made.model), home / f"{method}-{rank}.safetensors")
    counted = Counted(problem.remaining)
    answers = answer(
        problem.model, counted, torch.arange(100), CPU, 30, compute=Compute(ranks=ranks)
    )
    save_file(
        {"answers": answers, "read": torch.tensor(counted.read)}, home / f"read-{rank}.safetensors"
    )
    uneven(ranks, home)
    dist.destroy_process_group()
    leave_the_interpreter()


def uneven(ranks: Ranks, home: Path) -> None:
    """What only a few processes have: a gradient, a short memory, a running mean."""
    used, unused = (nn.Parameter(torch.zeros(2)) for _ in range(2))
    used.grad = torch.ones(2) if ranks.first else None
    ranks.add_up_gradients([used, unused])
    compute = Compute(ranks=ranks)
    compute.room.limit("training", 64 if ranks.first else 16)
    compute.settle()
    norm = nn.BatchNorm1d(1)
    norm(torch.full((4, 1), 10.0 * ranks.rank))
    ranks.agree_on(norm)
    assert used.grad is not None
    found = {
        "used": used.grad,
        "unused": torch.tensor(unused.grad is None),
        "fits": torch.tensor(compute.facts()["batch_reduced"]["training"]),
        "mean": norm.running_mean,
    }
    save_file(
        {name: value for name, value in found.items() if value is not None},
        home / f"uneven-{ranks.rank}.safetensors",
    )


@pytest.fixture(scope="module")
def together(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("ranks")
    sets = {"remaining": digits.remaining, "forgotten": digits.forgotten, "holdout": digits.holdout}
    save_file(
        {**state(digits.parent), **{name: part.contiguous() for name, part in sets.items()}},
        home / "problem.safetensors",
    )
    spawn(be_one_of_two, (str(home),), nprocs=2)
    return home


@pytest.mark.parametrize("method", METHODS)
def test_the_result_is_that_of_one_process(digits: Digits, together: Path, method: str) -> None:
    problem = problem_of(load_file(together / "problem.safetensors"), Compute(), method)
    alone = get_method(method).unlearn(problem, lambda _progress: None).model

    first, second = (load_file(together / f"{method}-{rank}.safetensors") for rank in (0, 1))

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert nearly_same(first, state(alone), atol=2e-3)
    other = digits_cnn()
    other.load_state_dict(first)
    everything = torch.arange(len(digits.remaining))
    decisions = [
        answer(model.eval(), problem.remaining, everything, CPU, 500).argmax(1)
        for model in (alone, other)
    ]
    assert (decisions[0] == decisions[1]).double().mean() >= 0.99


def test_each_process_reads_a_part_and_gets_the_answers_of_all(
    digits: Digits, together: Path
) -> None:
    alone = answer(digits.parent, samples(digits.remaining[:100]), torch.arange(100), CPU, 30)

    parts = [load_file(together / f"read-{rank}.safetensors") for rank in (0, 1)]

    assert [int(part["read"]) for part in parts] == [60, 40]
    assert all(torch.equal(part["answers"], alone) for part in parts)


def test_what_only_one_process_has_is_shared(together: Path) -> None:
    for rank in (0, 1):
        found = load_file(together / f"uneven-{rank}.safetensors")
        assert found["used"].tolist() == [1.0, 1.0]
        assert bool(found["unused"])
        assert int(found["fits"]) == 16
        # A tenth of the way to 0, and to 10.
        assert found["mean"].tolist() == pytest.approx([0.5])
