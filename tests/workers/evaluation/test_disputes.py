import pytest
import torch
from torch import Tensor
from torch.nn import functional

from workers.evaluation.disputes import Disputes, disputes, tolerated, too_few
from workers.statistics.hindsight import hindsight
from workers.statistics.neighbours import nearest, nearest_others

CLASSES, EACH = 3, 40


def clusters(seed: int) -> tuple[Tensor, Tensor]:
    """Points (n, 2) of three well separated classes, and their classes (n,)."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.tensor([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    return centres[labels] + torch.randn(len(labels), 2, generator=generator), labels


def answers(decisions: Tensor) -> Tensor:
    """Logits (n, k) of a network that is sure of what it decides."""
    return 4.0 * functional.one_hot(decisions, CLASSES).float()


def found(
    parent: dict[str, Tensor], candidate: dict[str, Tensor], name: str = "holdout"
) -> Disputes:
    """Disputes of two networks about a set, by what they decide of `remaining` and `holdout`."""
    references = clusters(0)[0]
    near = (
        nearest_others(torch.arange(len(references)), references, 10)
        if name == "remaining"
        else nearest(clusters(1)[0], references, 10)
    )
    said = {of: answers(parent[of]) for of in parent}
    known = hindsight(said["remaining"], said["holdout"], (len(references), len(references)))
    return disputes(said[name], answers(candidate[name]), said["remaining"], near, known, 0.0)


def truth() -> dict[str, Tensor]:
    return {"remaining": clusters(0)[1], "holdout": clusters(1)[1]}


def mistaken(rows: range, name: str = "holdout") -> dict[str, Tensor]:
    decided = truth()
    decided[name] = decided[name].clone()
    decided[name][list(rows)] = (decided[name][list(rows)] + 1) % CLASSES
    return decided


def test_a_candidate_that_mends_its_parents_mistakes_wins_its_disputes() -> None:
    of = found(parent=mistaken(range(12)), candidate=truth())

    assert (of.disputed, of.won, of.lost) == (12, 12, 0)
    assert of.net_loss == -0.1
    assert not of.are_lost
    assert not of.are_clearly_lost


def test_a_candidate_that_makes_mistakes_loses_them() -> None:
    of = found(parent=truth(), candidate=mistaken(range(12)))

    assert (of.disputed, of.won, of.lost) == (12, 0, 12)
    assert of.agreement == pytest.approx(0.9)
    assert of.are_lost
    assert of.are_clearly_lost


def test_remaining_samples_are_judged_by_the_others() -> None:
    # The parent knows five wrong answers by heart, and no sample is a judge of itself.
    of = found(mistaken(range(5), "remaining"), truth(), "remaining")

    assert (of.won, of.lost) == (5, 0)


def test_as_many_won_as_lost_show_nothing() -> None:
    parent, candidate = mistaken(range(6)), mistaken(range(6, 12))

    of = found(parent, candidate)

    assert (of.won, of.lost) == (6, 6)
    assert not of.are_lost


def test_neighbours_alone_say_how_far_one_may_differ() -> None:
    of = found(parent=mistaken(range(12)), candidate=truth())

    assert of.neighbours_agreement == pytest.approx(0.9)
    assert of.neighbours_low < 0.9


@pytest.mark.parametrize(
    ("won", "lost", "is_lost", "is_clearly_lost"),
    [
        (0, 0, False, False),
        (0, 4, False, False),
        (5, 14, True, False),
        (6, 23, True, True),
        (23, 6, False, False),
        # Half a point of ten thousand decisions is negligible, however sure it is.
        (100, 140, False, False),
    ],
)
def test_a_loss_must_be_shown_and_matter(
    won: int, lost: int, *, is_lost: bool, is_clearly_lost: bool
) -> None:
    samples = 600 if won + lost < 100 else 10_000
    of = Disputes(samples, won + lost, won, lost, 0.95, 0.94, tolerated(0.05, 0.01))

    assert of.are_lost is is_lost
    assert of.are_clearly_lost is is_clearly_lost


def test_fair_disputes_are_found_lost_as_seldom_as_is_said() -> None:
    generator = torch.Generator().manual_seed(0)
    won = torch.binomial(torch.full((2000,), 40.0), torch.tensor(0.5), generator=generator)
    alarms = [
        Disputes(1000, 40, int(wins), 40 - int(wins), 0.95, 0.94, tolerated(0.05, 0.0)).are_lost
        for wins in won
    ]

    assert sum(alarms) / len(alarms) < 0.05


def test_the_more_is_forgotten_the_more_may_be_lost() -> None:
    assert tolerated(0.1, 0.0) == 0.005
    assert tolerated(0.1, 0.2) == pytest.approx(0.005 + 0.1 * (0.8**-0.5 - 1))
    assert tolerated(0.1, 0.5) > tolerated(0.1, 0.2)


def test_few_disputes_are_not_lost_even_if_all_of_them_are() -> None:
    assert too_few(4, 600)
    assert not too_few(60, 600)
    assert too_few(0, 600)
