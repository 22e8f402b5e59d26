"""LAF end to end, on a network that has learnt 40 wrong labels by heart."""

import copy
import json
import random
from typing import Any

import pytest
import torch
from torch import nn

from tests.workers.memorised import Digits, audited, same, samples, state
from workers.evaluation.gate import decide
from workers.unlearning.base import Problem, Progress, Unlearned, UnlearningError
from workers.unlearning.registry import get_method
from workers.unlearning.tap import find_tap

SHORT: dict[str, Any] = {"min_steps": 4, "check_every": 2, "density_steps": 20, "epochs": 1}


def run(problem: Problem) -> Unlearned:
    return get_method("laf").unlearn(problem, lambda _progress: None)


@pytest.fixture(scope="module")
def unlearned(digits: Digits) -> Unlearned:
    return run(digits.problem())


def test_forgotten_samples_can_be_told_from_held_out_ones_less_well(
    digits: Digits, unlearned: Unlearned
) -> None:
    report = digits.measure(unlearned.model)
    assert report.membership is not None
    for attack in report.membership.values():
        assert abs(attack.before.auc - 0.5) > 0.25
        assert abs(attack.after.auc - 0.5) < abs(attack.before.auc - 0.5) - 0.08
    assert report.remaining.agreement >= 0.97
    fixed = audited(digits.problem(fixed_floor=True), unlearned.model, resamples=20)
    assert decide(fixed.utility).passed
    assert fixed.utility.rule == "fixed"
    json.dumps([report.to_dict(), unlearned.summary, unlearned.parameters], allow_nan=False)


def test_the_wrong_labels_are_forgotten(digits: Digits, unlearned: Unlearned) -> None:
    with torch.no_grad():
        before = digits.parent(digits.forgotten).argmax(dim=1)
        after = unlearned.model(digits.forgotten).argmax(dim=1)
    assert (before == digits.given).float().mean() >= 0.95
    assert (after == digits.given).float().mean() <= 0.1
    assert (after == digits.true).float().mean() >= 0.75


def test_the_parent_is_untouched_and_the_head_is_frozen(
    digits: Digits, unlearned: Unlearned
) -> None:
    before, after = digits.parent.state_dict(), unlearned.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if not name.startswith("head.")}
    assert digits.parent.training == unlearned.model.training
    assert all(parameter.grad is None for parameter in digits.parent.parameters())
    assert all(parameter.requires_grad for parameter in unlearned.model.parameters())
    assert not any(module._forward_hooks for module in unlearned.model.modules())


def test_two_runs_give_the_same_bytes_and_leave_no_trace(digits: Digits) -> None:
    parent = state(digits.parent)
    torch.manual_seed(3)
    trace = torch.get_rng_state(), random.getstate(), torch.are_deterministic_algorithms_enabled()
    first = run(digits.problem(parameters=SHORT))
    assert torch.equal(torch.get_rng_state(), trace[0])
    assert (random.getstate(), torch.are_deterministic_algorithms_enabled()) == trace[1:]
    torch.manual_seed(4)
    with torch.no_grad():
        second = run(digits.problem(parameters=SHORT))
    other = run(digits.problem(parameters=SHORT, seed=8))
    assert same(state(first.model), state(second.model))
    assert first.summary == second.summary
    assert not same(state(first.model), state(other.model))
    assert same(parent, state(digits.parent))


@pytest.mark.parametrize(
    "changes",
    [{"holdout": None}, {"parameters": SHORT | {"forgotten_density": "vae", "latent": 2}}],
)
def test_it_works_without_a_holdout_and_with_a_vae(digits: Digits, changes: dict[str, Any]) -> None:
    result = run(digits.problem(**({"parameters": SHORT} | changes)))
    assert result.summary["agreement_kept"]
    assert result.summary["step_kept"] > 0


def test_one_forgotten_sample_is_enough(digits: Digits) -> None:
    result = run(
        digits.problem(
            forgotten=samples(digits.forgotten[:1]), parameters={"min_steps": 150, "epochs": 1}
        )
    )
    with torch.no_grad():
        answer = result.model(digits.forgotten[:1]).argmax(dim=1)
    assert answer != digits.given[:1]
    assert result.summary["agreement_kept"]
    assert not result.summary["parity_measured"]


def test_forty_percent_can_be_forgotten(digits: Digits) -> None:
    problem = digits.problem(
        forgotten=samples(digits.remaining[:400]),
        remaining=samples(digits.remaining[400:]),
        parameters=SHORT,
    )
    assert run(problem).summary["agreement_kept"]


def test_an_impossible_floor_ends_in_rewinds_and_is_said(digits: Digits) -> None:
    result = run(
        digits.problem(
            min_agreement=1.0,
            parameters=SHORT | {"min_steps": 40, "learning_rate": 1.0, "max_rewinds": 3},
        )
    )
    assert result.summary["rewinds"] == 3
    assert result.summary["forget_weight_at_end"] == 0.125
    assert result.summary["learning_rate_at_end"] == 0.125
    assert not result.summary["agreement_kept"]
    # An unchanged parent would pass the gate with nothing forgotten.
    assert not same(state(result.model), state(digits.parent))


def test_the_buffers_of_batch_norm_do_not_change(digits: Digits) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Dropout(), nn.Flatten(), nn.Linear(288, 10)
    )
    model(digits.remaining)
    # Modes of its own must come back, too.
    model[0].train(mode=False)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    tap = find_tap(model, digits.remaining[:2])
    result = run(digits.problem(model=model, tap=tap, min_agreement=0.0, parameters=SHORT)).model
    assert same(buffers, dict(result.named_buffers()))
    assert [m.training for m in result.modules()] == [m.training for m in model.modules()]
    assert not torch.equal(result.get_parameter("1.weight"), model.get_parameter("1.weight"))


def test_progress_goes_through_the_phases(digits: Digits) -> None:
    seen: list[Progress] = []
    get_method("laf").unlearn(digits.problem(parameters=SHORT), seen.append)
    phases = [progress.phase for progress in seen]
    assert phases == sorted(phases)
    assert set(phases) == {"embedding", "modelling", "unlearning"}
    for phase in set(phases):
        fractions = [progress.fraction for progress in seen if progress.phase == phase]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
    assert seen[-1].metrics["agreement"] > 0.9


def test_empty_sets_and_broken_models_are_refused(digits: Digits) -> None:
    for label in ("forgotten", "remaining"):
        with pytest.raises(ValueError, match=f"no {label} samples"):
            run(digits.problem(**{label: samples(digits.holdout[:0])}))
    broken = copy.deepcopy(digits.parent)
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    with pytest.raises(UnlearningError, match="not finite"):
        run(digits.problem(model=broken))
    with pytest.raises(ValueError, match="needs 160 forgotten"):
        run(digits.problem(parameters={"forgotten_density": "vae"}))
