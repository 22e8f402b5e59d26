"""Fewer bits and compiled networks: the same job, and what was done is told."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.workers.memorised import FEW_STEPS, Digits, same, samples, state
from workers.unlearning.base import Unlearned
from workers.unlearning.compute import Compute
from workers.unlearning.embedding import answer
from workers.unlearning.precision import best_precision
from workers.unlearning.registry import get_method
from workers.unlearning.tap import find_tap

CPU = torch.device("cpu")
SHORT = {"passes": 0.1, "max_passes": 0.1, "min_steps": 10}


def run(digits: Digits, method: str, compute: Compute, **parameters: Any) -> Unlearned:
    problem = digits.problem(compute=compute, parameters=parameters)
    return get_method(method).unlearn(problem, lambda _progress: None)


@pytest.mark.parametrize(
    ("capabilities", "best"),
    [
        ({"avx2": True}, torch.float32),
        ({"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": True, "amx_bf16": True}, torch.bfloat16),
    ],
)
def test_a_cpu_stays_at_float32_unless_it_computes_in_less(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], best: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr("workers.unlearning.precision.kernels_take_bfloat16", lambda: True)

    assert best_precision(CPU) == best
    assert Compute().facts() == {"processes": 1, "precision": "float32"}


def test_a_cpu_whose_kernels_are_limited_stays_at_float32() -> None:
    """In a process of its own: the limit is read once."""
    asked = (
        "import torch; from workers.unlearning import precision;"
        "torch.cpu.get_capabilities = lambda: {'avx512_bf16': True};"
        "print(precision.best_precision(torch.device('cpu')))"
    )
    env = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", asked], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "torch.float32\n"


@pytest.mark.parametrize("method", ["redirect", "distil", "laf"])
def test_steps_are_taken_in_bfloat16_and_looks_in_the_numbers_of_the_gate(
    digits: Digits, method: str
) -> None:
    """Rounding alone changes one decision in a thousand, and the gate counts those."""
    stepping: set[bool] = set()
    looking: set[bool] = set()

    def note(_network: nn.Module, inputs: tuple[Tensor]) -> None:
        # One sample alone tells which weights are trained; nothing is computed with its answer.
        if len(inputs[0]) > 1:
            where = stepping if torch.is_grad_enabled() else looking
            where.add(torch.is_autocast_enabled("cpu"))

    # A student of fresh weights, or the parent, of which edits are copies with its hooks.
    changes: dict[str, Any] = {}
    if method == "distil":
        watched = digits.problem().fresh()
        changes["fresh"] = lambda: watched
    else:
        watched = copy.deepcopy(digits.parent)
        changes |= {"model": watched, "tap": find_tap(watched, digits.remaining[:2])}
    watched.register_forward_pre_hook(note)
    problem = digits.problem(
        compute=Compute(precision=torch.bfloat16), parameters=FEW_STEPS[method], **changes
    )

    get_method(method).unlearn(problem, lambda _progress: None)

    assert stepping == {True}
    assert looking == {False}


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("redirect", {"remaining_batch": 128, "max_steps": 60}),
        ("distil", {"batch": 100, "min_steps": 300}),
    ],
)
def test_unlearning_in_bfloat16_forgets_and_keeps_as_well(
    digits: Digits, method: str, parameters: dict[str, Any]
) -> None:
    compute = Compute(precision=torch.bfloat16)

    unlearned = run(digits, method, compute, **parameters)

    # Measured in float32, as the gate does.
    report = digits.measure(unlearned.model)
    assert report.remaining.agreement >= 0.97
    with torch.no_grad():
        after = unlearned.model(digits.forgotten).argmax(dim=1)
    assert (after == digits.given).float().mean() <= 0.05
    assert all(tensor.dtype == torch.float32 for tensor in state(unlearned.model).values())
    assert compute.facts()["precision"] == "bfloat16"


def test_bfloat16_is_used_where_it_is_asked_for_and_nowhere_else(digits: Digits) -> None:
    rows, held_out = torch.arange(100), samples(digits.holdout)
    short = Compute(precision=torch.bfloat16)

    exact = answer(digits.parent, held_out, rows, CPU, 100)
    rounded = answer(digits.parent, held_out, rows, CPU, 100, compute=short)

    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    assert torch.allclose(rounded, exact, atol=0.1, rtol=0.05)
    assert torch.equal(
        answer(digits.parent, held_out, rows, CPU, 100, compute=short.exact()), exact
    )


def compiled_to_itself(model: nn.Module) -> Any:
    return torch.compile(model, backend="eager")


def broken(_graph: Any, _inputs: list[Tensor]) -> Any:
    raise AssertionError("this compiler has a defect")


def test_a_network_is_compiled_for_long_training_only(digits: Digits) -> None:
    plain = run(digits, "distil", Compute(), **SHORT)
    long = Compute(compile_from=10, compiler=compiled_to_itself)
    short = Compute(compile_from=11, compiler=compiled_to_itself)

    assert same(state(run(digits, "distil", long, **SHORT).model), state(plain.model))
    assert same(state(run(digits, "distil", short, **SHORT).model), state(plain.model))

    assert long.facts()["compiled"] == "yes"
    assert "compiled" not in short.facts()


def test_a_network_that_cannot_be_compiled_is_trained_as_it_is_and_that_is_told(
    digits: Digits,
) -> None:
    plain = run(digits, "distil", Compute(), **SHORT)
    compute = Compute(compile_from=1, compiler=lambda model: torch.compile(model, backend=broken))

    unlearned = run(digits, "distil", compute, **SHORT)

    assert same(state(unlearned.model), state(plain.model))
    assert compute.facts()["compiled"] == "given up: BackendCompilerFailed"


def test_tables_on_disk_change_no_bit(digits: Digits, tmp_path: Path) -> None:
    in_memory = run(digits, "distil", Compute(), **SHORT)

    on_disk = run(digits, "distil", Compute(scratch=tmp_path), **SHORT)

    assert same(state(in_memory.model), state(on_disk.model))
    assert in_memory.summary == on_disk.summary
    # The workspace that holds them goes at the end of a job.
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes == {"remaining.f32": 960 * 40, "forgotten.f32": 40 * 40, "targets.f32": 960 * 40}
