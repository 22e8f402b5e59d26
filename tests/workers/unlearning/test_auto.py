"""Which method `auto` takes, and what it does where the first one is not good enough."""

import copy
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest
import torch

from tests.workers.memorised import Digits, samples, state
from workers.unlearning.auto import method as auto
from workers.unlearning.auto.config import AutoConfig
from workers.unlearning.base import (
    Method,
    ParameterError,
    Problem,
    Report,
    Unlearned,
    UnlearningError,
)
from workers.unlearning.errors import DoesNotFitError
from workers.unlearning.registry import get_method
from workers.zoo import ConvNet


def run(problem: Problem) -> Unlearned:
    return get_method().unlearn(problem, lambda _progress: None)


class Sized:
    """Samples of which only the number is asked."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def batch(self, positions: torch.Tensor) -> torch.Tensor:
        raise AssertionError(f"{len(positions)} samples were read")


@pytest.mark.parametrize(
    ("forgotten", "remaining", "first"),
    [
        (1, 100, "redirect"),
        (2, 100, "redirect"),
        (6, 100, "distil"),
        (256, 10_000, "redirect"),
        (257, 10_000, "distil"),
        (600, 59_400, "redirect"),
        (601, 59_399, "distil"),
        (12_000, 48_000, "distil"),
    ],
)
def test_few_samples_are_redirected_and_many_distilled(
    digits: Digits, forgotten: int, remaining: int, first: str
) -> None:
    problem = digits.problem(forgotten=Sized(forgotten), remaining=Sized(remaining))
    assert auto.methods_for(AutoConfig(), problem)[0] == first


def test_the_answer_names_the_method_that_did_it_and_repeats_it(digits: Digits) -> None:
    unlearned = run(digits.problem())

    assert unlearned.method == "redirect"
    assert [trial["method"] for trial in unlearned.summary["auto"]["tried"]] == ["redirect"]
    assert unlearned.summary["auto"]["kept"]
    again = get_method("redirect").unlearn(
        digits.problem(parameters=unlearned.parameters), lambda _progress: None
    )
    first, second = state(unlearned.model), state(again.model)
    assert all(torch.equal(first[name], second[name]) for name in first)


class Stub:
    """A method that hands out a network of the test's, or fails."""

    def __init__(self, name: str, make: Callable[[Problem], torch.nn.Module]) -> None:
        self.name = name
        self._make = make

    def check(self, parameters: Any) -> None:
        assert not parameters

    def unlearn(self, problem: Problem, report: Report) -> Unlearned:  # noqa: ARG002
        self.check(problem.parameters)
        parameters = {"steps": 7} if self.name == "distil" else {}
        return Unlearned(self._make(problem), self.name, parameters, {"made_by": self.name})


def use(monkeypatch: pytest.MonkeyPatch, **makers: Callable[[Problem], torch.nn.Module]) -> None:
    known: dict[str, Method] = {name: Stub(name, make) for name, make in makers.items()}
    monkeypatch.setattr(auto, "get_method", known.__getitem__)


def fail(_problem: Problem, kind: type[Exception] = UnlearningError) -> torch.nn.Module:
    raise kind("It does not learn.")


def nudged(problem: Problem, share: float = 0.4) -> torch.nn.Module:
    """The parent, moved by that share of the way towards fresh weights."""
    torch.manual_seed(0)
    model = problem.fresh()
    weights = {
        name: (1 - share) * tensor + share * model.state_dict()[name]
        for name, tensor in problem.model.state_dict().items()
    }
    model.load_state_dict(weights)
    return model


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
    class Halfway(Stub):
        def unlearn(self, problem: Problem, report: Report) -> Unlearned:
            return replace(super().unlearn(problem, report), reached=False)

    known: dict[str, Method] = {
        "redirect": Halfway("redirect", lambda given: given.model),
        "distil": Stub("distil", lambda given: given.fresh()),
        "laf": Stub("laf", fail),
    }
    monkeypatch.setattr(auto, "get_method", known.__getitem__)
    assert run(digits.problem()).method == "redirect"

    # Who changes nothing agrees most, and has forgotten nothing.
    known["laf"] = Halfway("laf", lambda given: given.model)
    known["redirect"] = Halfway("redirect", nudged)
    assert run(digits.problem(min_agreement=0.9)).method == "redirect"

    known["distil"] = Stub("distil", lambda given: given.model)
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
    get_method().check({"few": 0})
    assert all(knob.metadata["help"] for knob in fields(AutoConfig))


@pytest.mark.parametrize(
    ("remaining", "expected"), [(True, ["redirect", "distil", "guided"]), (False, None)]
)
def test_a_student_that_is_refused_for_unseen_data_guides_an_edit(
    digits: Digits, monkeypatch: pytest.MonkeyPatch, remaining: bool, expected: list[str] | None
) -> None:
    """One that does not answer as the parent does on what it has learnt is no guide."""

    class Student(torch.nn.Module):
        """The parent, but for what is held out or remains."""

        def __init__(self, parent: torch.nn.Module, wrong: torch.Tensor) -> None:
            super().__init__()
            self.parent = parent
            self.wrong = wrong

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.parent(inputs)
            known = (inputs.flatten(1).unsqueeze(1) == self.wrong.flatten(1)).all(2).any(1)
            return torch.where(known.unsqueeze(1), -logits, logits)

    wrong = digits.holdout if remaining else digits.remaining
    guides: list[torch.nn.Module | None] = []

    def guided(given: Problem) -> torch.nn.Module:
        guides.append(given.guide)
        return given.model

    use(
        monkeypatch,
        redirect=lambda given: given.fresh(),
        distil=lambda given: Student(given.model, wrong),
        guided=guided,
        laf=lambda given: given.model,
    )

    unlearned = run(digits.problem())

    tried = [trial["method"] for trial in unlearned.summary["auto"]["tried"]]
    assert tried == (expected or ["redirect", "distil", "laf"])
    assert [type(guide) for guide in guides] == ([Student] if remaining else [])
    assert unlearned.parameters == ({"student": {"steps": 7}} if remaining else {})


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

    class Constant(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(decision, 10).float().expand(len(inputs), -1)

    use(
        monkeypatch,
        redirect=lambda _given: Constant(),
        distil=lambda given: given.model,
        laf=fail,
    )
    problem = digits.problem(remaining=alike, forgotten=samples(digits.forgotten[:1]))

    unlearned = run(problem)

    assert unlearned.method == "distil"
    first = unlearned.summary["auto"]["tried"][0]
    assert first["agreement"] == 1.0
    assert first["holdout_agreement"] < 0.5
