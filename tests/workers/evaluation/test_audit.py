import copy
import json
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from workers.evaluation.audit import audit
from workers.evaluation.gate import ADVICE, decide
from workers.evaluation.report import AuditReport
from workers.statistics.floors import DEFAULT_MIN_AGREEMENT
from workers.unlearning.tap import find_tap


@dataclass(frozen=True)
class Rows:
    inputs: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, positions: Tensor) -> Tensor:
        return self.inputs[positions]


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return fresh()


def fresh() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(), nn.Linear(8, 3))


def rows(count: int, seed: int, scale: float = 1.0) -> Rows:
    return Rows(scale * torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)))


def measure(
    candidate: nn.Module,
    forgotten: Rows,
    holdout: Rows | None,
    max_samples: int = 5000,
    min_agreement: float | None = None,
) -> AuditReport:
    parent = network()
    return audit(
        parent,
        candidate,
        fresh,
        find_tap(parent, torch.zeros(2, 4)),
        remaining=rows(300, 1),
        forgotten=forgotten,
        holdout=holdout,
        device=torch.device("cpu"),
        seed=3,
        min_agreement=min_agreement,
        max_samples=max_samples,
        resamples=50,
    )


def turned() -> nn.Sequential:
    model = network()
    with torch.no_grad():
        model.get_parameter("3.weight").neg_()
    return model


def test_a_copy_agrees_in_everything() -> None:
    report = measure(copy.deepcopy(network()), rows(200, 2), rows(200, 4))
    assert report.level == "robust"
    assert report.remaining.agreement == 1.0
    assert report.remaining.kl == 0.0
    assert report.remaining.cka == pytest.approx(1.0)
    assert report.membership is not None
    assert all(found.before == found.after for found in report.membership.values())
    assert decide(report.utility).passed


def test_the_gate_says_by_which_rule_it_decides() -> None:
    """A floor that is not set is the gate's own, and one that is set is a fixed one."""
    own, same, none = (
        decide(measure(turned(), rows(100, 2), rows(200, 4), min_agreement=floor).utility)
        for floor in (None, DEFAULT_MIN_AGREEMENT, 0.0)
    )

    # The parent is unsure of everything, so the floor is lower than that of a sure one.
    assert own.rule == "disputes"
    assert own.min_agreement < 0.97
    assert (same.rule, same.min_agreement) == ("fixed", 0.97)
    assert not same.passed
    assert (own.passed, none.passed, none.rule) == (False, True, "fixed")
    assert own.reasons[-1] == ADVICE


def test_forgotten_samples_that_stand_out_reach_utility_only() -> None:
    report = measure(network(), rows(200, 2, scale=9.0), rows(200, 4))
    assert report.level == "utility"
    assert "can still be told" in report.statement


def test_a_changed_model_fails_with_both_numbers() -> None:
    report = measure(turned(), rows(100, 2), rows(200, 4))
    verdict = decide(report.utility)
    assert report.level == "none"
    assert not verdict.passed
    # Both numbers, and what to do about it.
    assert report.utility.reasons == verdict.reasons[:-1]
    assert verdict.rule == report.utility.rule == "disputes"
    assert f"{report.remaining.agreement:.4f}" in verdict.reasons[0]
    assert f"{report.utility.remaining_floor:.4f}" in verdict.reasons[0]
    assert "have become worse" in verdict.reasons[-2]


def test_a_floor_that_an_operator_sets_is_lower_on_held_out_samples() -> None:
    verdict = decide(measure(turned(), rows(100, 2), rows(200, 4), min_agreement=0.97).utility)

    assert len(verdict.reasons) == 3
    assert "0.9700" in verdict.reasons[0]
    # A quarter of the data was forgotten: 0.97 - 0.25.
    assert "0.7200" in verdict.reasons[1]


@pytest.mark.parametrize(
    ("forgotten", "holdout", "reason"),
    [(rows(50, 2), None, "no held-out set"), (rows(1, 2), rows(50, 4), "20 forgotten and 20")],
)
def test_what_is_not_measured_is_none_with_a_reason(
    forgotten: Rows, holdout: Rows | None, reason: str
) -> None:
    report = measure(network(), forgotten, holdout)
    assert report.membership is None
    assert reason in report.not_measured["membership"]
    assert reason in report.statement
    assert report.level == "utility"
    json.dumps(report.to_dict(), allow_nan=False)


@pytest.mark.parametrize("count", [1, 7, 19])
def test_a_few_samples_are_looked_at_one_by_one(count: int) -> None:
    report = measure(network(), rows(count, 2), rows(200, 4))
    assert report.level == "utility"
    assert "20 forgotten and 20" in report.not_measured["membership"]
    assert {"per_sample", "contradiction", "likeness"}.isdisjoint(report.not_measured)
    assert report.per_sample is not None
    assert report.per_sample.after.beyond <= count
    assert report.contradiction is not None
    assert "One by one, none of them stands out" in report.statement
    json.dumps(report.to_dict(), allow_nan=False)


def test_every_figure_has_an_interval_that_holds_it() -> None:
    found = measure(turned(), rows(100, 2), rows(200, 4)).to_dict()
    figures = [
        (found[name], figure)
        for name in ("remaining", "forgotten", "holdout")
        for figure in ("agreement", "kl", "cka")
    ]
    figures += [(found["weights"], "barrier")]
    for within, figure in figures:
        low, high = within[f"{figure}_low"], within[f"{figure}_high"]
        assert low <= within[figure] <= high, (figure, within)
        # Of a hundred samples, nothing is certain and something is known.
        if within[figure] > 0 and figure != "cka":
            assert 0 < high - low < 2 * within[figure], (figure, within)


def test_an_audit_samples_repeats_itself_and_leaves_no_trace() -> None:
    before = torch.get_rng_state()
    candidate = turned()
    weights = copy.deepcopy(candidate.state_dict())
    first, second = (measure(candidate, rows(80, 2), rows(70, 4), 60) for _ in range(2))
    assert first == second
    assert (first.remaining.size, first.remaining.samples) == (300, 60)
    assert torch.equal(before, torch.get_rng_state())
    assert candidate.training
    assert all(torch.equal(weights[name], value) for name, value in candidate.state_dict().items())


def test_empty_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="remaining and forgotten"):
        measure(network(), rows(0, 2), None)
