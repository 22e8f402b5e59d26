"""How often the audit is alarmed where nothing is to be found, and what it finds otherwise.

Scores are made so that each class has its own; forgotten and held-out samples of a class are alike.
"""

from collections import Counter
from math import sqrt

import pytest
import torch
from torch import Tensor

from workers.evaluation.answers import Seen
from workers.evaluation.examination import SINGLE, Within, detectable, told_by
from workers.evaluation.kinds import kinds, strata
from workers.evaluation.report import Interval
from workers.evaluation.shams import bands, draw_shams, figures
from workers.evaluation.worst import worst

pytestmark = pytest.mark.exact

SIZES = [(40, 300), (200, 300), (300, 300), (600, 300), (60, 60)]
RUNS = 200
# One in twenty of 200 is 10; more than 19 would be by chance once in three hundred times.
MOST = 19
PLAIN = Interval(0.5, 0.5, 0.5, None, None, None)


def answers(classes: Tensor, generator: torch.Generator, surer: float, more: float) -> Seen:
    """Of samples of these classes; `surer` in standard deviations, `more` of them contradicted."""
    count, by_class = len(classes), classes.double()

    def noise() -> Tensor:
        return torch.randn(count, generator=generator, dtype=torch.double)

    easy = noise()
    scores = {
        name: 0.4 * by_class + (1 + by_class / 10) * (easy + apart * noise() + surer)
        for name, apart in (("confidence", 0.2), ("entropy", 0.2), ("margin", 0.6))
    }
    chance = torch.rand(count, generator=generator, dtype=torch.double)
    contradicted = chance < 0.01 + 0.01 * by_class + more
    scores["memory"] = noise().abs() * (0.3 + 0.2 * by_class) + 3 * contradicted
    # Neighbours are of the next class in the same half.
    others = classes // 5 * 5 + (classes + 1) % 5
    return Seen(scores, contradicted, classes, torch.where(contradicted, others, classes))


def audited(
    sizes: tuple[int, int],
    *,
    half: bool,
    seed: int,
    surer: float = 0.0,
    more: float = 0.0,
    matched: bool = True,
) -> tuple[Within, tuple[str, ...], dict[str, float]]:
    """What tells forgotten samples, of the upper `half` of ten classes or of all, from others.

    And what would be noticed.
    """
    generator = torch.Generator().manual_seed(seed)
    forgotten = torch.randint(5 if half else 0, 10, (sizes[0],), generator=generator)
    holdout = torch.randint(0, 10, (sizes[1],), generator=generator)
    ours = answers(forgotten, generator, surer, more)
    theirs = answers(holdout, generator, 0.0, 0.0)
    of = kinds({"forgotten": ours, "holdout": theirs})
    groups = strata(of if matched else {name: torch.zeros_like(one) for name, one in of.items()})
    found = figures(ours, theirs, groups, draw_shams(groups, generator))
    within = Within(
        figures={name: float(values[0]) for name, values in found.items()},
        bands=bands(found),
        spread={name: float(values[1:].std()) for name, values in found.items()},
    )
    single = worst(ours.scores["memory"], theirs.scores["memory"], PLAIN, groups)
    share = float(ours.contradicted.double().mean()) - within.figures["contradiction"]
    return within, told_by(within, single), detectable(within, share, groups)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_there_are_no_more_false_alarms_than_said(sizes: tuple[int, int], *, half: bool) -> None:
    """Of bands one in twenty, of single samples besides, whichever classes were forgotten."""
    alarms = Counter[str]()
    for seed in range(RUNS):
        within, told, _ = audited(sizes, half=half, seed=seed)
        alarms["bands"] += any(within.stands_out(name) for name in within.bands)
        alarms["anything"] += bool(told)
        alarms[SINGLE] += SINGLE in told
    assert alarms["bands"] <= MOST
    assert alarms["anything"] <= MOST
    assert alarms[SINGLE] <= MOST


def test_a_comparison_of_all_with_all_is_alarmed_by_other_classes() -> None:
    told = [audited((200, 300), half=True, seed=seed, matched=False)[1] for seed in range(20)]
    assert sum("confidence" in one for one in told) >= 18
    assert sum(SINGLE in one for one in told) >= 10


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_what_is_detectable_is_mostly_told_and_what_lies_well_beyond_is_told(
    sizes: tuple[int, int], *, half: bool
) -> None:
    """Four in five times are said, and where few samples are contradicted it is half at least."""
    at_it, beyond = Counter[str](), Counter[str]()
    for seed in range(40):
        least = audited(sizes, half=half, seed=seed)[2]
        for factor, told in ((1, at_it), (2, beyond)):
            shift = surer_for(0.5 + factor * (least["auc"] - 0.5))
            told.update(audited(sizes, half=half, seed=1000 + seed, surer=shift)[1][:1])
            more = factor * least["contradiction"]
            told.update(
                {"contradiction"} & set(audited(sizes, half=half, seed=1000 + seed, more=more)[1])
            )
    assert at_it["confidence"] >= 18
    assert at_it["contradiction"] >= 18
    assert beyond["confidence"] >= 38
    assert beyond["contradiction"] >= 38


def surer_for(auc: float) -> float:
    """The shift in which two normal variables of variance 1.04 have this AUC."""
    return sqrt(2 * 1.04) * float(torch.special.ndtri(torch.tensor(min(auc, 0.995))))
