"""Which method `auto` takes, and what it does where the first one is not good enough."""

import copy
from dataclasses import fields
from functools import partial

import pytest
import torch

from tests.workers.memorised import Digits, samples, state
from tests.workers.unlearning.stubs import Guiding, Halfway, Stub, fail, nudged, run, use
from workers.unlearning.auto.config import AutoConfig
from workers.unlearning.auto.trial import NO_END
from workers.unlearning.base import (
    ParameterError,
    Problem,
    Unlearned,
    UnlearningError,
)
from workers.unlearning.errors import DoesNotFitError
from workers.unlearning.registry import get_method
from workers.zoo import ConvNet


def test_the_answer_names_the_method_that_did_it_and_repeats_it(digits: Digits) -> None:
    unlearned = run(digits.problem())

    assert unlearned.method == "distil"
    assert [trial["method"] for trial in unlearned.summary["auto"]["tried"]] == ["distil"]
    assert unlearned.summary["auto"]["kept"]
    again = get_method("distil").unlearn(
        digits.problem(parameters=unlearned.parameters), lambda _progress: None
    )
    first, second = state(unlearned.model), state(again.model)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_method_is_tried_where_one_loses_agreement_or_fails(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(
        monkeypatch,
        redirect=lambda given: given.fresh(),
        distil=fail,
        laf=lambda given: given.model,
    )

    unlearned = run(digits.problem())

    assert unlearned.method == "laf"
    tried = unlearned.summary["auto"]["tried"]
    assert [(trial["method"], trial.get("kept")) for trial in tried] == [
        ("redirect", False),
        ("distil", None),
        ("laf", True),
    ]
    assert tried[1]["error"] == "It does not learn."


def broken(problem: Problem) -> torch.nn.Module:
    """A network whose answers are not numbers."""
    model = problem.fresh()
    for weight in model.parameters():
        torch.nn.init.constant_(weight, torch.nan)
    return model


def test_another_method_is_tried_where_the_answers_of_a_result_cannot_be_judged(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, redirect=broken, distil=lambda given: given.model)

    unlearned = run(digits.problem())

    assert unlearned.method == "distil"
    assert "not finite" in unlearned.summary["auto"]["tried"][0]["error"]


def test_want_of_memory_is_told_as_such_for_another_attempt_may_have_more(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    starve = partial(fail, kind=DoesNotFitError)
    use(monkeypatch, redirect=fail, distil=starve, laf=fail)
    with pytest.raises(DoesNotFitError, match="It does not learn"):
        run(digits.problem())

    use(monkeypatch, redirect=starve, distil=starve, laf=lambda given: given.model)
    assert run(digits.problem()).method == "laf"


def test_a_method_that_did_not_come_to_its_end_is_kept_for_want_of_a_better_one(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = use(
        monkeypatch,
        redirect=lambda given: given.model,
        distil=lambda given: given.fresh(),
        laf=fail,
    )
    known["redirect"] = Halfway("redirect", lambda given: given.model, 0)
    unlearned = run(digits.problem())
    assert unlearned.method == "redirect"
    assert NO_END in unlearned.summary["auto"]["tried"][0]["held_back"]

    # A network that is not changed agrees most, and has forgotten nothing.
    known["distil"] = Halfway("distil", lambda given: given.model, 1)
    known["redirect"] = Halfway("redirect", nudged, 0)
    assert run(digits.problem(min_agreement=0.9)).method == "redirect"

    known["distil"] = Stub("distil", lambda given: given.model, 1)
    assert run(digits.problem()).method == "distil"


def test_where_none_keeps_agreement_the_one_that_is_nearest_is_handed_to_the_gate(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(
        monkeypatch,
        redirect=lambda given: given.fresh(),
        distil=lambda given: nudged(given, 0.5),
        laf=fail,
    )

    unlearned = run(digits.problem(min_agreement=1.0, holdout=None))

    assert unlearned.method == "distil"
    assert not unlearned.summary["auto"]["kept"]


def test_where_every_method_fails_the_run_fails(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, redirect=fail, distil=fail, laf=fail)

    with pytest.raises(UnlearningError, match=r"It does not learn\. Retrain without the samples"):
        run(digits.problem())


def test_knobs_of_a_method_are_set_by_naming_it() -> None:
    with pytest.raises(ParameterError, match="The method auto has no parameter 'learning_rate'"):
        get_method().check({"learning_rate": 0.1})
    get_method().check({"max_seconds": 0})
    assert all(knob.metadata["help"] for knob in fields(AutoConfig))


@pytest.mark.parametrize(("guides", "expected"), [(True, "guided"), (False, "laf")])
def test_a_result_that_may_guide_is_given_to_whatever_needs_a_guide(
    digits: Digits, monkeypatch: pytest.MonkeyPatch, guides: bool, expected: str
) -> None:
    """It is refused itself, and guides all the same if it says that it can."""
    guided_by: list[Unlearned | None] = []

    def guided(given: Problem) -> torch.nn.Module:
        guided_by.append(given.guide)
        return given.model

    known = use(
        monkeypatch,
        guided=guided,
        redirect=lambda given: given.fresh(),
        distil=lambda given: given.fresh(),
        laf=lambda given: given.model,
    )
    if guides:
        known["distil"] = Guiding("distil", lambda given: given.fresh(), 2)

    unlearned = run(digits.problem())

    tried = [trial["method"] for trial in unlearned.summary["auto"]["tried"]]
    assert tried == ["redirect", "distil", expected]
    assert [guide is not None and guide.method for guide in guided_by] == ["distil"] * guides


def turned_round(problem: Problem) -> torch.nn.Module:
    """The parent with the axes of its representation in another order, which its head undoes."""
    model = copy.deepcopy(problem.model)
    assert isinstance(model, ConvNet)
    order = torch.randperm(model.embed.out_features, generator=torch.Generator().manual_seed(0))
    first = model.head[1]
    assert isinstance(first, torch.nn.Linear)
    with torch.no_grad():
        model.embed.weight.copy_(model.embed.weight[order])
        model.embed.bias.copy_(model.embed.bias[order])
        first.weight.copy_(first.weight[:, order])
    return model


@pytest.mark.parametrize(("encodes", "chosen"), [(True, "laf"), (False, "redirect")])
def test_of_an_encoder_the_representation_counts_as_it_does_for_the_gate(
    digits: Digits, monkeypatch: pytest.MonkeyPatch, encodes: bool, chosen: str
) -> None:
    use(monkeypatch, redirect=turned_round, laf=lambda given: given.model)

    unlearned = run(digits.problem(encodes=encodes))

    assert unlearned.method == chosen
    first = unlearned.summary["auto"]["tried"][0]
    assert first["agreement"] > 0.999
    assert first["kept"] is not encodes
    assert (first["cosine"] is None) is not encodes


def test_held_out_agreement_counts(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remaining samples are all alike, so any constant answer agrees on them."""
    alike = samples(digits.remaining[:1].expand(50, -1, -1, -1))
    decision = digits.parent(digits.remaining[:1]).argmax(1)

    constant = copy.deepcopy(digits.parent)
    assert isinstance(constant, ConvNet)
    last = constant.head[-1]
    assert isinstance(last, torch.nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.nn.functional.one_hot(decision, 10).float().squeeze(0))

    use(
        monkeypatch,
        redirect=lambda _given: constant,
        distil=lambda given: given.model,
        laf=fail,
    )
    problem = digits.problem(remaining=alike, forgotten=samples(digits.forgotten[:1]))

    unlearned = run(problem)

    assert unlearned.method == "distil"
    first = unlearned.summary["auto"]["tried"][0]
    assert first["agreement"] == 1.0
    assert first["holdout_agreement"] < 0.5
