"""Out of memory: the batch is halved, the work goes on, and its result stays what it was."""

import copy
import gc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.workers.memorised import FEW_STEPS, Digits, audited, nearly_same, samples, state
from workers.evaluation import rebound
from workers.unlearning.base import Problem, Tap, Unlearned, UnlearningError
from workers.unlearning.compute import Compute
from workers.unlearning.embedding import answer, embed
from workers.unlearning.memory import Room
from workers.unlearning.registry import get_method
from workers.unlearning.tap import Tapped
from workers.zoo import digits_cnn

pytestmark = pytest.mark.exact

FULL = torch.OutOfMemoryError
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """Each halving collects garbage, which takes long among all that pytest and torch keep."""
    gc.freeze()
    yield
    gc.unfreeze()


class Narrow(nn.Module):
    """A network on a device that holds `room` samples, with gradients or without.

    It calculates in doubles, so that rounding does not hide what halving changes.
    """

    def __init__(self, inner: nn.Module, room: int, error: type[Exception]) -> None:
        super().__init__()
        self.inner = inner.double()
        self.room = room
        self.error = error
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        if len(images) > self.room:
            raise self.error("out of memory")
        logits: Tensor = self.inner(images.double())
        return logits


def narrow(
    digits: Digits, room: int, error: type[Exception] = torch.OutOfMemoryError, **changes: Any
) -> Problem:
    return digits.problem(
        model=Narrow(copy.deepcopy(digits.parent), room, error),
        fresh=lambda: Narrow(digits_cnn(), room, error),
        tap=Tap("inner.embed", "output"),
        **changes,
    )


def run(method: str, problem: Problem) -> Unlearned:
    return get_method(method).unlearn(problem, lambda _progress: None)


def test_reading_goes_on_with_halves_and_remembers_what_fits(digits: Digits) -> None:
    problem = narrow(digits, room=10)
    compute, model = Compute(), problem.model
    assert isinstance(model, Narrow)
    everything = torch.arange(len(digits.remaining))

    with Tapped(model.eval(), problem.tap) as tapped:
        found = embed(tapped, problem.remaining, everything, CPU, 300, compute=compute)
    tried = list(model.sizes)
    again = answer(model, problem.remaining, everything, CPU, 300, compute=compute)

    wanted = answer(digits.parent, samples(digits.remaining), everything, CPU, 37)
    assert torch.allclose(found.logits, wanted, atol=1e-4)
    assert torch.equal(found.logits, again)
    # A processor reads no more than 64 at once, however large the batch is.
    assert tried[:5] == [64, 32, 16, 8, 8]
    assert all(size <= 8 for size in model.sizes[4:])
    assert compute.facts()["batch_reduced"] == {"embedding": 8}


def test_what_fits_is_not_reduced(digits: Digits) -> None:
    compute = Compute()
    answer(digits.parent, samples(digits.holdout), torch.arange(50), CPU, 20, compute=compute)
    assert "batch_reduced" not in compute.facts()


@pytest.mark.parametrize("method", FEW_STEPS)
def test_a_step_in_halves_is_the_step_in_one_piece(digits: Digits, method: str) -> None:
    parameters, compute = FEW_STEPS[method], Compute()
    whole = run(method, narrow(digits, room=10**6, parameters=parameters))

    parts = run(method, narrow(digits, room=30, parameters=parameters, compute=compute))

    first, second = state(whole.model), state(parts.model)
    assert nearly_same(first, second, atol=2e-4)
    # It did move, and not by rounding.
    start = state(digits.parent)
    moved = [(second[f"inner.{name}"] - start[name]).abs().max() for name in start]
    assert max(moved) > 5e-4
    assert set(compute.facts()["batch_reduced"]) == {"embedding", "training"}
    assert all(size <= 30 for size in compute.facts()["batch_reduced"].values())


def test_a_process_without_a_share_of_a_small_batch_adds_nothing() -> None:
    def work(rows: Tensor) -> Tensor:
        assert len(rows)
        return rows.double().mean()

    room, none = Room(), torch.arange(0)
    assert room.all_or_again("training", none, lambda: None, work) == []
    assert room.each("training", none, work) == []
    assert room.all_or_again("training", torch.arange(3), lambda: None, work) == [1.0]


def test_one_sample_that_does_not_fit_is_said(digits: Digits) -> None:
    problem = narrow(digits, room=0)
    with pytest.raises(UnlearningError, match="One sample does not fit"):
        answer(problem.model, problem.remaining, torch.arange(9), CPU, 4)
    fits_only_without_gradients = replace(problem, model=digits.parent, tap=digits.problem().tap)
    with pytest.raises(UnlearningError, match="One sample does not fit"):
        run("distil", replace(fits_only_without_gradients, parameters=FEW_STEPS["distil"]))


def test_an_audit_in_little_memory_finds_what_it_finds_in_much(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each of its steps is in halves, so a few show what a hundred do.
    monkeypatch.setattr(rebound, "STEPS", 15)
    little, much = (
        audited(
            narrow(digits, room),
            Narrow(copy.deepcopy(digits.parent), room, FULL),
            max_samples=150,
            resamples=20,
        ).rebound
        for room in (30, 999)
    )
    assert little is not None
    assert much is not None
    assert little.told_by == much.told_by
    assert little.contradiction.forgotten == much.contradiction.forgotten


def test_a_training_of_the_audit_that_does_not_fit_leaves_the_rest(digits: Digits) -> None:
    class OnlyReads(Narrow):
        def forward(self, images: Tensor) -> Tensor:
            self.room = 0 if torch.is_grad_enabled() else 999
            return super().forward(images)

    candidate = OnlyReads(copy.deepcopy(digits.parent), 999, FULL)
    report = audited(narrow(digits, 999), candidate, max_samples=150, resamples=20)

    assert report.rebound is None
    assert "One sample does not fit" in report.not_measured["rebound"]
    assert report.membership is not None


@pytest.mark.parametrize("error", [RuntimeError, MemoryError])
def test_any_other_error_is_passed_on(digits: Digits, error: type[Exception]) -> None:
    problem = narrow(digits, room=10, error=error)
    with pytest.raises(error, match="out of memory"):
        answer(problem.model, problem.remaining, torch.arange(20), CPU, 20)
    problem = replace(problem, model=digits.parent, parameters=FEW_STEPS["distil"])
    with pytest.raises(error, match="out of memory"):
        run("distil", problem)
