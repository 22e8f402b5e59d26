import pytest
import torch
from torch import Tensor

from workers.evaluation.answers import Seen
from workers.evaluation.kinds import Strata, strata
from workers.evaluation.report import Band
from workers.evaluation.shams import (
    DRAWS,
    bands,
    draw_shams,
    draw_unseen,
    figures,
    known_figures,
    outside,
)


def seen(scores: Tensor) -> Seen:
    decided = (scores > 0.8).long()
    return Seen({"margin": scores, "memory": scores}, scores > 0.8, decided, 0 * decided)


def two_kinds() -> Strata:
    """30 and 10 forgotten samples, 20 and 60 held-out ones, and two remaining ones of each."""
    counts = {"forgotten": (30, 10), "holdout": (20, 60), "remaining": (2, 2)}
    return strata({name: torch.tensor([0] * a + [1] * b) for name, (a, b) in counts.items()})


def test_a_sham_set_has_as_many_of_each_kind_as_were_forgotten() -> None:
    roles = draw_shams(two_kinds(), torch.Generator().manual_seed(0))
    assert roles.shape == (1 + DRAWS, 120)
    assert roles[0].nonzero().flatten().tolist() == list(range(40))
    # Forgotten samples of the first kind, of the second one, and held-out ones of both.
    first, second = (torch.cat([roles[1:, a], roles[1:, b]], dim=1) for a, b in PARTS)
    assert (first.sum(dim=1) == 30).all()
    assert (second.sum(dim=1) == 10).all()
    # Each of the 50 and of the 70 as often as others: 30 and 10 in so many draws.
    for part, share in ((first, 30 / 50), (second, 10 / 70)):
        spread = (share * (1 - share) / DRAWS) ** 0.5
        assert ((part.double().mean(dim=0) - share).abs() < 5 * spread).all()


PARTS = ((slice(0, 30), slice(40, 60)), (slice(30, 40), slice(60, 120)))


@pytest.mark.parametrize(
    ("forgotten", "holdout", "playing"),
    [(40, 300, 40), (149, 300, 149), (300, 300, 150), (9000, 301, 150), (90, 2, 1)],
)
def test_as_many_held_out_samples_play_as_were_forgotten_or_half_of_them(
    forgotten: int, holdout: int, playing: int
) -> None:
    counts = {"forgotten": forgotten, "holdout": holdout}
    one = strata({name: torch.zeros(n, dtype=torch.int64) for name, n in counts.items()})
    drawn = draw_unseen(one, 0)
    assert drawn.shape == (DRAWS, playing)
    assert all(len(set(rows)) == playing for rows in drawn[:5].tolist())


def test_held_out_samples_play_those_of_their_kind() -> None:
    """Half of the 20 of the first kind, and as many as the 10 forgotten of the second."""
    drawn = draw_unseen(two_kinds(), 0)
    assert ((drawn < 20).sum(dim=1) == 10).all()
    assert ((drawn >= 20).sum(dim=1) == 10).all()


def test_bands_hold_for_all_figures_at_once() -> None:
    """Of sham sets, at most one in twenty has any figure outside, and nearly as many do."""
    generator = torch.Generator().manual_seed(0)
    names = ("a", "b", "memory")
    found = {name: 0.5 + 0.1 * torch.randn(400, generator=generator) for name in names}
    usual = bands(found)
    share = float(outside(found, usual).double().mean())
    assert 0.02 <= share <= 0.05
    # One of them alone is outside more rarely.
    assert float(outside({"a": found["a"]}, usual).double().mean()) < 0.03


def test_only_much_contradiction_speaks_of_memory() -> None:
    usual = bands({"contradiction": torch.linspace(-0.2, 0.2, 400)})
    assert usual["contradiction"].low == -1.0
    little = {"contradiction": torch.tensor([-0.9, 0.5])}
    assert outside(little, usual).tolist() == [False, True]
    assert outside({"x": torch.tensor([0.1])}, {"x": Band(0.2, 0.3)}).tolist() == [True]


def test_figures_of_two_kinds_by_hand() -> None:
    """Each kind counts by its share of the forgotten: two in three, and one in three.

    Of the first kind, 0.9 and 0.1 against 0.5 (five times): AUC 1/2, and a half is above 0.8. Of
    the second, 0.3 against 0.85 (twice), 0.3 (twice) and 0.2: AUC (1 + 2 / 2) / 5, and of the
    held-out ones 2/5 are above 0.8.
    """
    ours = seen(torch.tensor([0.9, 0.1, 0.3]))
    theirs = seen(torch.tensor([0.5] * 5 + [0.85, 0.85, 0.3, 0.3, 0.2]))
    matched = strata(
        {"forgotten": torch.tensor([0, 0, 1]), "holdout": torch.tensor([0] * 5 + [1] * 5)}
    )
    roles = torch.zeros(2, 13, dtype=torch.bool)
    roles[0, :3] = True
    # The first forgotten sample changes roles with a held-out one of its kind.
    roles[1, [1, 2, 3]] = True
    found = figures(ours, theirs, matched, roles)
    auc = 2 / 3 * 1 / 2 + 1 / 3 * 2 / 5
    excess = 2 / 3 * 1 / 2 - 1 / 3 * 2 / 5
    # 0.1 and 0.5 against 0.9 and 0.5 (four times): of ten pairs, four are ties; 1/5 is above 0.8.
    swapped = 2 / 3 * 2 / 10 + 1 / 3 * 2 / 5
    assert found["margin"].tolist() == pytest.approx([auc, swapped])
    assert found["memory"].tolist() == pytest.approx([auc, swapped])
    beside = -2 / 3 * 1 / 5 - 1 / 3 * 2 / 5
    assert found["contradiction"].tolist() == pytest.approx([excess, beside])


def test_figures_of_remaining_samples_in_the_place_of_forgotten_ones() -> None:
    """All remaining ones of a kind are alike here, so that every set has the same figures.

    30 in 40 above half of the held-out ones of their kind, 10 in 40 above all of theirs.
    """
    theirs = seen(torch.tensor([0.1] * 10 + [0.9] * 10 + [0.3] * 60))
    known = seen(torch.tensor([0.5, 0.5, 0.85, 0.85]))
    generator = torch.Generator().manual_seed(0)
    found = known_figures(known, theirs, two_kinds(), generator)
    assert found is not None
    assert torch.allclose(found["margin"], torch.full((DRAWS,), 0.625, dtype=torch.double))
    # 3/4 of the excess -1/2, and 1/4 of the excess 1.
    wanted = torch.full((DRAWS,), -0.125, dtype=torch.double)
    assert torch.allclose(found["contradiction"], wanted)


def test_without_remaining_samples_of_a_kind_there_are_no_known_ones() -> None:
    kinds = {
        "forgotten": torch.tensor([0, 1]),
        "holdout": torch.tensor([0, 1] * 5),
        "remaining": torch.tensor([0, 0]),
    }
    scores = seen(torch.rand(10)), strata(kinds), torch.Generator()
    assert known_figures(seen(torch.rand(2)), *scores) is None
