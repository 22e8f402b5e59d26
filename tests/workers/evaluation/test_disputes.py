import pytest
import torch
from torch import Tensor
from torch.nn import functional

from workers.evaluation.disputes import (
    Count,
    Disputes,
    disputes,
    judges_of,
    tolerated,
    too_few,
)
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
    parent: dict[str, Tensor],
    candidate: dict[str, Tensor],
    name: str = "holdout",
    forgotten: Tensor | None = None,
) -> Disputes:
    """Disputes of two networks about a set, by what they decide of `remaining` and `holdout`.

    `forgotten` (n,) is what the parent decides about so many forgotten samples: two of each class.
    """
    references = clusters(0)[0]
    near = (
        nearest_others(torch.arange(len(references)), references, 10)
        if name == "remaining"
        else nearest(clusters(1)[0], references, 10)
    )
    said = {of: answers(parent[of]) for of in parent}
    gone = answers(torch.arange(CLASSES).repeat(2) if forgotten is None else forgotten)
    sizes = (len(references), len(gone))
    known = hindsight(said["remaining"], gone, sizes)
    judges = judges_of(said["remaining"], gone, sizes, known)
    decided = answers(candidate[name])
    return disputes(said[name], decided, near, judges, seen=name == "remaining")


def whole(of: Disputes) -> Count:
    """Nothing is thinned: all that there is."""
    assert list(of.counts) == ["whole"]
    return of.counts["whole"]


def truth() -> dict[str, Tensor]:
    return {"remaining": clusters(0)[1], "holdout": clusters(1)[1]}


def mistaken(rows: range, name: str = "holdout") -> dict[str, Tensor]:
    decided = truth()
    decided[name] = decided[name].clone()
    decided[name][list(rows)] = (decided[name][list(rows)] + 1) % CLASSES
    return decided


def test_a_candidate_that_mends_its_parents_mistakes_wins_its_disputes() -> None:
    of = whole(found(parent=mistaken(range(12)), candidate=truth()))

    assert (of.disputed, of.won, of.lost) == (12, 12, 0)
    assert of.net_loss == -0.1
    assert not of.are_lost
    assert not of.are_clearly_lost


def test_a_candidate_that_makes_mistakes_loses_them() -> None:
    of = whole(found(parent=truth(), candidate=mistaken(range(12))))

    assert (of.disputed, of.won, of.lost) == (12, 0, 12)
    assert of.disputed / of.samples == pytest.approx(0.1)
    assert of.are_lost
    assert of.are_clearly_lost


def test_remaining_samples_are_judged_by_the_others() -> None:
    # The parent knows five wrong answers by heart, and no sample is a judge of itself.
    of = whole(found(mistaken(range(5), "remaining"), truth(), "remaining"))

    assert (of.won, of.lost) == (5, 0)


def test_as_many_won_as_lost_show_nothing() -> None:
    parent, candidate = mistaken(range(6)), mistaken(range(6, 12))

    of = whole(found(parent, candidate))

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
    of = Count(samples, won + lost, won, lost, tolerated(0.05, 0.01, 0.0))

    assert of.are_lost is is_lost
    assert of.are_clearly_lost is is_clearly_lost


def test_fair_disputes_are_found_lost_as_seldom_as_is_said() -> None:
    generator = torch.Generator().manual_seed(0)
    won = torch.binomial(torch.full((2000,), 40.0), torch.tensor(0.5), generator=generator)
    alarms = [
        Count(1000, 40, int(wins), 40 - int(wins), tolerated(0.05, 0.0, 0.0)).are_lost
        for wins in won
    ]

    assert sum(alarms) / len(alarms) < 0.05


def test_the_more_is_forgotten_the_more_may_be_lost() -> None:
    assert tolerated(0.1, 0.0, 0.0) == 0.005
    assert tolerated(0.1, 0.2, 0.0) == pytest.approx(0.005 + 0.1 * (0.8**-0.5 - 1))
    assert tolerated(0.1, 0.5, 0.0) > tolerated(0.1, 0.2, 0.0)
    assert tolerated(0.1, 0.4, 0.0, power=2.0) == pytest.approx(0.005 + 0.1 * (0.6**-2 - 1))


def test_a_parent_that_is_unsure_of_its_training_data_may_be_contradicted_more_often() -> None:
    assert tolerated(0.1, 0.0, 0.2) == pytest.approx(0.015)


# What the parent decides about as many forgotten samples of the last class as remain of it.
HALF_OF_THE_LAST = torch.full((EACH,), CLASSES - 1)


def test_what_gets_worse_where_much_is_forgotten_is_judged_apart() -> None:
    of_the_last = range((CLASSES - 1) * EACH, (CLASSES - 1) * EACH + 6)
    of = found(truth(), mistaken(of_the_last), forgotten=HALF_OF_THE_LAST)

    assert (of.counts["thinned"].samples, of.counts["whole"].samples) == (EACH, 2 * EACH)
    assert (of.counts["thinned"].lost, of.counts["whole"].lost) == (6, 0)


def test_what_is_won_where_much_is_forgotten_makes_up_for_no_loss_elsewhere() -> None:
    """Damage is everywhere; in sum, as many disputes are won here as are lost."""
    of_the_last = range((CLASSES - 1) * EACH, (CLASSES - 1) * EACH + 8)
    parent, candidate = mistaken(of_the_last), mistaken(range(8))
    of = found(parent, candidate, forgotten=HALF_OF_THE_LAST)

    assert (of.counts["thinned"].won, of.counts["thinned"].lost) == (8, 0)
    assert of.counts["whole"].are_lost
    # Nothing is thinned: a draw.
    assert not whole(found(parent, candidate)).are_lost


def test_errors_where_much_is_forgotten_are_tolerated_as_far_as_neighbours_make_them() -> None:
    of_the_last = range((CLASSES - 1) * EACH, (CLASSES - 1) * EACH + 4)
    parent = mistaken(of_the_last)
    thinned = found(parent, parent, forgotten=HALF_OF_THE_LAST).counts["thinned"]
    plenty = found(parent, parent).counts["whole"]

    # A tenth of them is contradicted, and half is forgotten: four times as many errors.
    assert thinned.tolerated == pytest.approx(0.005 + 0.1 * 3, abs=0.01)
    assert plenty.tolerated < 0.02


def test_few_disputes_are_not_lost_even_if_all_of_them_are() -> None:
    assert too_few(4, 600)
    assert not too_few(60, 600)
    assert too_few(0, 600)
