"""Forgotten samples with wrong labels, and what they have taught the parent about others."""

from dataclasses import dataclass

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from tests.workers.memorised import Tensors, audited, trained
from workers.evaluation.gate import decide
from workers.statistics.hindsight import hindsight
from workers.statistics.label_noise import label_noise
from workers.unlearning.base import Problem
from workers.unlearning.registry import get_method
from workers.unlearning.tap import find_tap
from workers.zoo import digits_cnn

TRAINED_ON, LOW = 1500, 5


def answers(sureness: float, count: int, rest: tuple[float, float]) -> Tensor:
    """So many outputs for class 0, with the rest divided among the classes 1 and 2."""
    left = 1 - sureness
    return torch.tensor([[sureness, left * rest[0], left * rest[1]]]).repeat(count, 1)


def spread(outputs: Tensor) -> Tensor:
    """Outputs that differ a little, so that they have a variance."""
    shifts = torch.linspace(-0.01, 0.01, len(outputs))
    moved = outputs.clone()
    moved[:, 0] += shifts
    moved[:, 1] -= shifts
    return moved


def test_the_share_of_wrong_labels_is_what_the_surest_lack_to_certainty() -> None:
    """Class 0: 40 remaining samples with 0.6 to 0.61 and 60 forgotten ones with 0.5 at the most.

    Of each hundred that look like it 60 are forgotten, so 0.4 wrong ones can be among them: two
    thirds of what is forgotten. Class 1 is answered as surely as the forgotten samples of it.
    """
    remaining = torch.cat(
        [
            spread(answers(0.6, 40, (0.75, 0.25))),
            spread(answers(0.9, 40, (0.5, 0.5)))[:, [1, 0, 2]],
        ]
    )
    forgotten = torch.cat(
        [
            spread(answers(0.5, 60, (0.75, 0.25))),
            spread(answers(0.9, 60, (0.5, 0.5)))[:, [1, 0, 2]],
        ]
    )

    found = label_noise(remaining, forgotten, (80, 120))

    assert found.shares.tolist() == pytest.approx([0.4, 0.0, 0.0], abs=0.02)
    assert found.wrong.tolist() == pytest.approx([2 / 3, 0.0, 0.0], abs=0.03)
    assert found.others[0].tolist() == pytest.approx([0.0, 0.75, 0.25], abs=0.02)
    # A sample that looks half like 0 and half like 2 has p = (0.3, 0.15, 0.55) by that noise: it
    # was answered with 2, and is as much a 0.
    cleared = found.cleared(torch.tensor([[0.3, 0.15, 0.55], [0.05, 0.9, 0.05]]))
    assert cleared[0, 1] == pytest.approx(0.0, abs=0.02)
    assert cleared[0].sum() == pytest.approx(1.0)
    assert cleared[1].argmax() == 1


def test_draws_count_for_the_sets_that_they_are_from() -> None:
    """As many in either draw, but one in a thousand is forgotten: that explains next to nothing."""
    remaining, forgotten = (spread(answers(s, 50, (0.5, 0.5))) for s in (0.6, 0.5))

    assert label_noise(remaining, forgotten, (50, 50)).shares[0] == pytest.approx(0.4, abs=0.02)
    assert not label_noise(remaining, forgotten, (50_000, 50))


@pytest.mark.parametrize("sureness", [0.6, 0.99])
def test_who_is_as_sure_of_the_forgotten_was_not_taught_wrong_by_them(sureness: float) -> None:
    outputs = spread(answers(sureness, 100, (0.5, 0.5)))

    assert not label_noise(outputs, outputs, (100, 100))


@dataclass(frozen=True)
class Taught:
    """A network, and the digits that it was trained on; the labels are for the tests' own eyes."""

    parent: nn.Module
    images: Tensor
    true: Tensor
    gone: Tensor

    def logits(self, chosen: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = self.parent.eval()(self.images[:TRAINED_ON][chosen])
        return found

    def problem(self) -> Problem:
        known = self.images[:TRAINED_ON]
        return Problem(
            model=self.parent,
            fresh=digits_cnn,
            tap=find_tap(self.parent, self.images[:2]),
            remaining=Tensors(known[~self.gone]),
            forgotten=Tensors(known[self.gone]),
            holdout=Tensors(self.images[TRAINED_ON:]),
            device=torch.device("cpu"),
            seed=7,
            min_agreement=0.95,
            parameters={"min_steps": 500},
        )


def taught(*, wrongly: bool) -> Taught:
    """Of the digits 0 to 4, 60 % are to be forgotten, and may have been given another label."""
    data = load_digits()
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(data.images), generator=generator)
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)[order] / 16.0
    true = torch.tensor(data.target)[order]
    given = true[:TRAINED_ON].clone()
    gone = (given < LOW) & (torch.rand(TRAINED_ON, generator=generator) < 0.6)
    if wrongly:
        shift = torch.randint(1, 10, (int(gone.sum()),), generator=generator)
        given[gone] = (given[gone] + shift) % 10
    return Taught(trained(images[:TRAINED_ON], given, 20, generator), images, true, gone)


@pytest.fixture(scope="module")
def misled() -> Taught:
    return taught(wrongly=True)


def test_what_the_wrong_labels_taught_is_found_in_the_answers(misled: Taught) -> None:
    remaining, forgotten = misled.logits(~misled.gone), misled.logits(misled.gone)
    true = misled.true[:TRAINED_ON][~misled.gone]

    known = hindsight(remaining, forgotten, (len(remaining), len(forgotten)))

    assert bool((known.noise.shares[:LOW] > 0.1).sum() >= 3)
    assert not known.noise.shares[LOW:].any()
    assert not known.emptied.any()
    before, after = (float((d == true).double().mean()) for d in known.decisions(remaining))
    assert after > before + 0.005


def test_right_labels_are_not_taken_for_wrong_ones() -> None:
    led = taught(wrongly=False)
    remaining, forgotten = led.logits(~led.gone), led.logits(led.gone)

    known = hindsight(remaining, forgotten, (len(remaining), len(forgotten)))

    assert not known.noise
    assert [d.tolist() for d in known.decisions(remaining)] == [remaining.argmax(dim=1).tolist()]


def test_a_student_knows_better_than_its_parent_and_passes_the_gate(misled: Taught) -> None:
    problem = misled.problem()
    student = get_method("distil").unlearn(problem, lambda _progress: None)

    def right(model: nn.Module) -> float:
        with torch.no_grad():
            decided = model.eval()(misled.images[TRAINED_ON:]).argmax(dim=1)
        return float((decided == misled.true[TRAINED_ON:]).double().mean())

    # It gains a third of this from a student whose teacher was not cleared.
    assert right(student.model) > right(misled.parent) + 0.06
    options = {"min_agreement": problem.min_agreement, "resamples": 20}
    report = audited(problem, student.model, **options)
    assert set(report.label_noise) <= {str(label) for label in range(LOW)}
    assert len(report.label_noise) >= 3
    assert decide(report.utility).passed
