"""What forgotten samples should be answered with: numbers derived by hand."""

import math

import pytest
import torch
from torch import Tensor

from workers.statistics.neighbours import nearest, neighbour_outputs, standardised
from workers.unlearning.redirect.distance import apart, clearly
from workers.unlearning.redirect.targets import (
    Targets,
    alike,
    contradiction,
    dealt,
    log_odds,
    ranked,
    targets,
    with_confidence,
)

SURE_0, SURE_1 = [0.9, 0.1], [0.1, 0.9]


def test_neighbours_outputs_are_averaged() -> None:
    """Of references at 0, 1 and 5 the two nearest to 0.4 are the first two; to 9 the last two."""
    references = torch.tensor([[0.0], [1.0], [5.0]])
    outputs = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    found = neighbour_outputs(torch.tensor([[0.4], [9.0]]), references, outputs, 2)
    assert found.tolist() == [[0.75, 0.25], [0.25, 0.75]]
    everyone = neighbour_outputs(torch.tensor([[0.4]]), references, outputs, 99)
    assert everyone.tolist() == [[0.5, 0.5]]
    assert nearest(torch.tensor([[0.4], [9.0]]), references, 2).tolist() == [[0, 1], [2, 1]]


def test_a_confidence_is_reached_by_temperature() -> None:
    """(4/5, 1/5) has odds of 4; a confidence of 2/3 has odds of 2, the root of 4: T = 2."""
    outputs = torch.tensor([[0.8, 0.2], [0.8, 0.2]])
    found = with_confidence(outputs, torch.tensor([2 / 3, 16 / 17]))
    assert found.tolist() == [
        pytest.approx([2 / 3, 1 / 3], abs=1e-5),
        pytest.approx([16 / 17, 1 / 17], abs=1e-5),
    ]


def test_a_confidence_that_no_temperature_reaches_is_reached_all_the_same() -> None:
    """(1/2, 1/2) stays so at any temperature: 4/5 of it go to the first one, for 9/10 in all."""
    found = with_confidence(torch.tensor([[0.5, 0.5]]), torch.tensor([0.9]))
    assert found.tolist() == [pytest.approx([0.9, 0.1], abs=1e-6)]
    # Rounding decides which comes first, and nothing else.
    near = torch.tensor([[0.3001, 0.3, 0.2, 0.1999], [0.3, 0.3001, 0.2, 0.1999]])
    found = with_confidence(near, torch.tensor([0.99, 0.99]))
    assert found.argmax(dim=1).tolist() == [0, 1]
    assert found.max(dim=1).values.tolist() == pytest.approx([0.99, 0.99], abs=1e-6)
    assert found.sum(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_neighbours_that_all_but_agree_with_the_parent_do_not_become_its_answer() -> None:
    """The parent says 0; neighbours say 1 by less than float32 can tell, and that is the target."""
    said = torch.tensor([[0.5, 0.5 + 1e-12]], dtype=torch.float64)
    sure = torch.tensor([SURE_0, SURE_1], dtype=torch.float64)
    wanted = targets(torch.tensor([SURE_0], dtype=torch.float64), said, sure, sure, sure)

    assert wanted.turned.tolist() == [True]
    aim = wanted.aim(torch.tensor([SURE_0, SURE_1]).log())
    assert aim.outputs.tolist() == [pytest.approx([0.1, 0.9])]
    assert aim.odds.tolist() == [pytest.approx(math.log(9))]


def test_a_sample_is_turned_by_the_margin_or_by_half_of_what_it_is_to_be() -> None:
    """Leads of 0.8 and 0.1 are wanted: 0.3 is enough for the first, and 0.05 for the second."""
    wanted = torch.tensor([[0.9, 0.1], [0.55, 0.45]])

    def share(first: float, second: float) -> float:
        outputs = torch.tensor([[0.5 + x / 2, 0.5 - x / 2] for x in (first, second)])
        return clearly(wanted, outputs.log(), margin=0.3)

    assert share(0.31, 0.06) == 1.0
    assert share(0.29, 0.06) == 0.5
    assert share(0.31, 0.04) == 0.5
    assert share(-0.8, -0.1) == 0.0
    assert clearly(wanted[:0], wanted[:0], margin=0.3) == 1.0


def test_log_odds_hold_what_a_softmax_does_not() -> None:
    """ln(p / (1 - p)): ln 4 of (4/5, 1/5), and 40 less ln 2 where float32 knows 1 and nothing."""
    logits = torch.tensor([[math.log(4.0), 0.0, -99.0], [40.0, 0.0, 0.0]])
    assert log_odds(logits, torch.tensor([0, 0])).tolist() == [
        pytest.approx(math.log(4)),
        pytest.approx(40 - math.log(2)),
    ]
    assert log_odds(logits, torch.tensor([1, 1]))[0].item() == pytest.approx(-math.log(4))


def test_a_rank_is_one_among_samples_with_the_same_decision() -> None:
    seen = torch.arange(20.0, dtype=torch.float64)
    decided = torch.tensor([0, 1] * 10)
    odds = torch.tensor([8.0, 8.5, 10.0], dtype=torch.float64)
    # Class 0 has 0, 2, ... 18, of which 4 are below 8 and one is 8: the middle rank is 4.5 / 10.
    # Class 1 has 1, 3, ... 19, of which 4 are below 8.5.
    found = ranked(odds, torch.tensor([0, 1, 2]), seen, decided)
    # No sample is decided as class 2: of all, 10 are below 10 and one is 10.
    assert found.tolist() == pytest.approx([4.5 / 10, 4 / 10, 10.5 / 20])


def test_where_a_network_is_certain_of_all_they_are_as_sure_as_unseen_ones_usually_are() -> None:
    """All have one value and so one rank, the middle one: never that of the least sure."""
    same = torch.zeros(12, dtype=torch.int64)
    places = ranked(torch.full((3,), 9.0), same[:3], torch.full((12,), 9.0), same)
    assert places.tolist() == [0.5] * 3


def test_a_quantile_is_looked_up_among_unseen_samples_with_the_same_decision() -> None:
    unseen = torch.cat([torch.linspace(0, 1, 11), torch.linspace(5, 6, 11), torch.tensor([9.0])])
    theirs = torch.tensor([0] * 11 + [1] * 11 + [2])
    found = alike(torch.tensor([0.25, 0.25, 1.0]), torch.tensor([0, 1, 2]), unseen, theirs)
    # One sample of class 2 says next to nothing: all are asked.
    assert found.tolist() == pytest.approx([0.25, 5.25, 9.0])


def test_quantiles_are_dealt_out_by_rank_within_a_decision() -> None:
    """Ranks among all: 1/8, 3/8, 5/8, 7/8. Three of class 0 get (0 + 1/8) / 3 and so on."""
    found = dealt(torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 0, 1, 0]))
    assert found.tolist() == pytest.approx([1 / 24, (1 + 3 / 8) / 3, 5 / 8, (2 + 7 / 8) / 3])


def test_single_samples_of_many_decisions_are_spread_as_unseen_ones_are() -> None:
    found = dealt(torch.linspace(0.1, 0.9, 10), torch.arange(10))
    assert found.tolist() == pytest.approx([(place + 0.5) / 10 for place in range(10)])


def test_a_sample_that_keeps_its_decision_is_never_made_surer() -> None:
    sure, unsure = torch.tensor([[9.0, 0.0]] * 20), torch.tensor([[1.0, 0.0]] * 20)
    outputs = {name: one.double().softmax(dim=1) for name, one in {"9": sure, "1": unsure}.items()}

    surer = targets(outputs["1"], outputs["1"], outputs["9"], outputs["9"], outputs["1"])
    lower = targets(outputs["9"], outputs["9"], outputs["1"], outputs["1"], outputs["9"])

    assert surer.aim(sure).odds.tolist() == pytest.approx([1.0] * 20)
    assert lower.aim(unsure).odds.tolist() == pytest.approx([1.0] * 20)


def learnt(wrong: int, unsure: int, others: int) -> Targets:
    """Targets of a request: samples of class 0 that a parent answers, by kind.

    `wrong` are known as class 1 by heart, `unsure` and `others` are decided rightly, with log-odds
    of 1 and 9. Neighbours say class 0 of all. 100 held-out samples have log-odds of 3 to 7.
    """
    known = torch.tensor([[0.0, 9.0]] * wrong + [[1.0, 0.0]] * unsure + [[9.0, 0.0]] * others)
    unseen = torch.stack([torch.linspace(3, 7, 100), torch.zeros(100)], dim=1)
    seen = torch.tensor([[9.0, 0.0]] * 50)
    forgotten, held_out, remaining = (one.double().softmax(dim=1) for one in (known, unseen, seen))
    neighbours = torch.tensor([SURE_0] * len(known), dtype=torch.float64)
    return targets(forgotten, neighbours, held_out, held_out, remaining)


UNSEEN = torch.stack([torch.linspace(3, 7, 100), torch.zeros(100)], dim=1)


def test_samples_that_wrong_labels_made_unsure_are_to_be_as_sure_as_unseen_ones() -> None:
    aim = learnt(wrong=20, unsure=10, others=0).aim(UNSEEN)

    kept = aim.odds[20:].sort().values
    # The i-th of ten has the quantile (i + g) / 10, where g is its rank among all of them.
    assert kept.tolist() == pytest.approx([3 + 4 * (i + (i + 0.5) / 10) / 10 for i in range(10)])


@pytest.mark.parametrize(
    ("wrong", "unsure", "others"),
    [
        # No label was wrong: these are hard samples, and were to any network.
        (0, 10, 20),
        # One sample of thirty is less sure than held-out ones: chance explains it.
        (20, 1, 29),
    ],
)
def test_samples_that_are_unsure_for_another_reason_are_made_no_surer(
    wrong: int, unsure: int, others: int
) -> None:
    aim = learnt(wrong, unsure, others).aim(UNSEEN)

    assert aim.odds[wrong : wrong + unsure].tolist() == pytest.approx([1.0] * unsure)


def test_log_odds_are_compared_among_samples_with_the_same_decision() -> None:
    """In sum they are spread as their targets are, and of each decision they are apart."""
    odds = torch.tensor([1.0, 2.0, 3.0, 4.0])
    decided = torch.tensor([0, 0, 1, 1])

    assert apart(odds, torch.tensor([3.0, 4.0, 1.0, 2.0]), torch.zeros(4)) == pytest.approx(0.0)
    assert apart(odds, torch.tensor([3.0, 4.0, 5.0, 6.0]), decided) == pytest.approx(0.5)


def test_contradiction_is_a_divergence() -> None:
    """Neighbours (3/4, 1/4), parent (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2)."""
    wanted = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    found = contradiction(torch.tensor([[0.75, 0.25]]), torch.tensor([[0.5, 0.5]]))
    assert found.item() == pytest.approx(wanted)


def test_only_the_excess_of_contradicted_samples_is_turned() -> None:
    """Of 5 unseen samples 1 is contradicted: natural is 1/5. Of 10 forgotten ones 6 are.

    m = (6 - 10/5) / (1 - 1/5) = 5: the five that are contradicted most.
    """
    unseen = torch.tensor([SURE_0] * 5)
    unseen_neighbours = torch.tensor([SURE_0] * 4 + [SURE_1])
    forgotten = torch.tensor([SURE_0] * 10)
    strengths = torch.linspace(0.6, 0.95, 6)
    against = torch.stack([1 - strengths, strengths], dim=1)
    neighbours = torch.cat([torch.tensor([SURE_0] * 4), against])

    found = targets(forgotten, neighbours, unseen, unseen_neighbours, forgotten)

    assert found.natural == pytest.approx(0.2)
    assert found.contradicted == 6
    # Six or more of ten, with a chance of 1/5 each: the tail of the binomial distribution.
    assert found.by_chance == pytest.approx(0.00637, abs=1e-5)
    assert found.turned.tolist() == [False] * 5 + [True] * 5
    unseen = torch.tensor([[x, 1 - x] for x in (0.6, 0.7, 0.8)])
    outputs = found.aim(torch.cat([unseen, unseen.flip(1)]).log()).outputs
    assert outputs.argmax(1).tolist() == [0] * 5 + [1] * 5
    # Kept ones have the middle quantile. Turned ones are dealt out (i + (i + 1/2) / 5) / 5, by the
    # rank of what the neighbours say; of six held-out ones these are log-odds at the places 0.1,
    # 1.3, 2.5, 3.7 and 4.9 of the row 0.6, 0.6, 0.7, 0.7, 0.8, 0.8.
    assert outputs.max(1).values.tolist() == pytest.approx(
        [0.7] * 5 + [0.6, 0.6313, 0.7, 0.7728, 0.8], abs=1e-4
    )


@pytest.mark.parametrize(("neighbours", "turned"), [(SURE_0, False), (SURE_1, True)])
def test_one_sample_is_turned_if_its_neighbours_contradict_it(
    neighbours: list[float], turned: bool
) -> None:
    unseen = torch.tensor([SURE_0] * 10)
    unseen_neighbours = torch.tensor([SURE_0] * 9 + [SURE_1])
    one: Tensor = torch.tensor([SURE_0])

    found = targets(one, torch.tensor([neighbours]), unseen, unseen_neighbours, one)

    assert found.turned.tolist() == [turned]


def test_standardising_leaves_constant_dimensions_out() -> None:
    first, second = standardised(
        [torch.tensor([[0.0, 3.0], [2.0, 3.0]]), torch.tensor([[3.0, 9.0]])]
    )
    assert first.tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert second.tolist() == [[2.0, 0.0]]
