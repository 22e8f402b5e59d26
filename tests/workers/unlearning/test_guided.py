"""A redirection by a student, where neighbours see nothing to forget."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import numerics
from tests.workers.memorised import FEW_STEPS, LEARNT, Digits, same, samples, state
from tests.workers.unlearning.test_resuming import Always, Cut, CutShortError, complain
from workers.unlearning.base import ParameterError, Problem, Progress, Unlearned
from workers.unlearning.compute import Compute
from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.guided.config import GuidedConfig
from workers.unlearning.ranks import Ranks
from workers.unlearning.redirect.targets import guided_targets
from workers.unlearning.registry import get_method
from workers.unlearning.savepoints import DiskSavepoints


def guide(model: torch.nn.Module) -> Unlearned:
    """What a distillation would hand out with this network."""
    return Unlearned(model, "distil", {"steps": 7}, {"lessons": 1}, guides=True)


def run(problem: Problem) -> Unlearned:
    return get_method("guided").unlearn(problem, lambda _progress: None)


@pytest.fixture(scope="module")
def student(distilled_digits: torch.nn.Module) -> torch.nn.Module:
    return distilled_digits


@pytest.fixture(scope="module")
def unlearned(digits: Digits, student: torch.nn.Module) -> Unlearned:
    return run(digits.problem(guide=guide(student)))


def decisions(model: torch.nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = model(inputs).argmax(dim=1)
    return found


def test_forgotten_samples_are_decided_as_the_student_does_and_the_rest_is_kept(
    digits: Digits, student: torch.nn.Module, unlearned: Unlearned
) -> None:
    said = decisions(student, digits.forgotten)
    assert (decisions(unlearned.model, digits.forgotten) == said).float().mean() >= 0.9
    assert (decisions(unlearned.model, digits.forgotten) == digits.given).float().mean() <= 0.1
    kept = decisions(unlearned.model, digits.remaining) == decisions(
        digits.parent, digits.remaining
    )
    assert kept.float().mean() >= 0.97
    assert unlearned.reached
    assert unlearned.edited
    assert unlearned.method == "guided"
    # What made the guide is told with the result.
    assert unlearned.parameters["student"] == {"steps": 7}
    assert unlearned.summary["student"] == {"lessons": 1}


def test_parent_and_student_are_untouched_and_two_runs_give_the_same_bytes(
    digits: Digits, student: torch.nn.Module, unlearned: Unlearned
) -> None:
    before = {name: tensor.clone() for name, tensor in state(student).items()}

    again = run(digits.problem(guide=guide(student)))

    assert same(state(unlearned.model), state(again.model))
    assert unlearned.summary == again.summary
    assert same(before, state(student))
    assert not same(state(digits.parent), state(again.model))


@pytest.mark.exact
def test_without_a_guide_a_student_is_distilled_first_and_once(
    digits: Digits, unlearned: Unlearned, tmp_path: Path
) -> None:
    compute = Compute(
        scratch=tmp_path,
        saves=DiskSavepoints(tmp_path / "saves", Always(0), Ranks(), complain),
        precision=numerics.PRECISION,
    )
    problem = digits.problem(compute=compute, parameters={"student": LEARNT})
    phases: list[str] = []

    def cut_short_in_the_edit(progress: Progress) -> None:
        phases.append(progress.phase)
        if "turned" in progress.metrics:
            raise CutShortError

    with pytest.raises(CutShortError):
        get_method("guided").unlearn(problem, cut_short_in_the_edit)
    resumed = Cut(at=0)
    own = get_method("guided").unlearn(problem, resumed)

    assert resumed.heard < len(phases)
    assert own.summary["student"]["began_with"] == "fresh weights"
    # The same student, with the same seed, and the same edit.
    assert same(state(own.model), state(unlearned.model))


def test_the_student_has_the_parameters_that_are_given_for_it(digits: Digits) -> None:
    few: dict[str, Any] = {"max_steps": 1, "student": FEW_STEPS["distil"]}

    unlearned = run(digits.problem(parameters=few))

    assert unlearned.summary["student"]["steps_taken"] == 8
    told = unlearned.parameters["student"]
    assert told == asdict(DistilConfig(**FEW_STEPS["distil"]))


def test_all_that_a_guide_contradicts_is_turned_however_often_it_contradicts_the_unseen() -> None:
    """Neighbours would explain one of four by chance."""
    parent = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    guide = torch.tensor([[0.2, 0.8], [0.9, 0.1], [0.1, 0.9], [0.7, 0.3]])

    found = guided_targets(parent, guide, parent, guide, parent)

    assert found.turned.tolist() == [True, False, False, False]
    assert found.natural == 0.25
    assert found.contradicted == 1
    assert torch.equal(found.said[:1], guide[:1])
    # The others keep their decisions.
    assert found.said.argmax(1).tolist() == [1, 0, 1, 0]


def test_knobs_are_those_of_redirection(digits: Digits) -> None:
    assert GuidedConfig().max_steps == 300
    with pytest.raises(ParameterError, match="Guided redirection has no parameter 'steps'"):
        get_method("guided").check({"steps": 3})
    with pytest.raises(ParameterError, match="Distillation has no parameter 'steps'"):
        get_method("guided").check({"student": {"steps": 3}})
    with pytest.raises(ParameterError, match='"student" must be dict, not int'):
        get_method("guided").check({"student": 3})
    with pytest.raises(ValueError, match="a forgotten sample"):
        run(digits.problem(forgotten=samples(digits.holdout[:0]), guide=guide(digits.parent)))
