"""Which samples are compared with which."""

import pytest
import torch
from torch import Tensor

from workers.evaluation.answers import Seen
from workers.evaluation.kinds import FEW, below, kinds, strata
from workers.statistics import membership


def of(**counts: int) -> Tensor:
    """So many samples of each kind: `of(_0=3, _2=1)`."""
    return torch.cat([torch.full((n,), int(kind[1:])) for kind, n in counts.items()])


def test_a_kind_with_some_held_out_samples_is_a_stratum() -> None:
    found = strata({"forgotten": of(_1=2, _4=3), "holdout": of(_1=FEW, _4=FEW + 1)})
    assert found.of["forgotten"].tolist() == [0, 0, 1, 1, 1]
    assert found.sizes["holdout"].tolist() == [FEW, FEW + 1]
    assert found.merged == 0


def test_kinds_with_few_held_out_samples_are_taken_together() -> None:
    found = strata({"forgotten": of(_0=2, _1=3, _2=4), "holdout": of(_0=FEW, _1=FEW - 1, _2=1)})
    assert found.of["forgotten"].tolist() == [0] * 2 + [1] * 7
    assert found.sizes["holdout"].tolist() == [FEW, FEW]
    assert found.merged == 2


def test_where_they_are_few_together_the_next_rarest_joins_them() -> None:
    found = strata({"forgotten": of(_0=2, _1=3, _2=4), "holdout": of(_0=9, _1=1, _2=8)})
    assert found.of["forgotten"].tolist() == [0] * 2 + [1] * 7
    assert found.sizes["holdout"].tolist() == [9, 9]
    assert found.merged == 2


def test_where_nothing_of_their_kind_is_held_out_forgotten_samples_are_held_against_all() -> None:
    found = strata({"forgotten": of(_0=2, _1=3), "holdout": of(_0=2, _5=30)})
    assert found.of["forgotten"].tolist() == [0] * 5
    assert found.sizes["holdout"].tolist() == [32]
    assert found.merged == 2


def test_held_out_samples_of_a_kind_that_was_not_forgotten_take_no_part() -> None:
    found = strata({"forgotten": of(_0=2), "holdout": of(_0=9, _1=9), "remaining": of(_1=3, _0=1)})
    assert found.rows["holdout"].tolist() == list(range(9))
    assert found.sizes["remaining"].tolist() == [1]


def test_the_kind_is_what_a_sample_is_decided_as_unless_its_neighbours_say_what_was_forgotten() -> (
    None
):
    """Of the class 1 much was forgotten: of two guesses it is the better one, for held-out too."""
    found = kinds(
        {
            "forgotten": seen(decided=[1, 1, 1, 0, 1], around=[1, 1, 1, 1, 0]),
            "holdout": seen(decided=[0, 0, 0, 1, 0, 1], around=[0, 0, 0, 1, 1, 0]),
            "remaining": seen(decided=[2, 0], around=[0, 2]),
        }
    )
    assert {name: one.tolist() for name, one in found.items()} == {
        "forgotten": [1, 1, 1, 1, 1],
        "holdout": [0, 0, 0, 1, 1, 1],
        "remaining": [0, 0],
    }


def test_without_a_clear_difference_the_kind_is_what_a_sample_is_decided_as() -> None:
    both = seen(decided=[0, 1, 1, 0], around=[0, 1, 0, 1])
    found = kinds({"forgotten": both, "holdout": both})
    assert found["forgotten"].tolist() == [0, 1, 1, 0]


def seen(decided: list[int], around: list[int]) -> Seen:
    first, second = torch.tensor(decided), torch.tensor(around)
    return Seen({}, first != second, first, second)


def test_how_many_of_its_own_stratum_are_below() -> None:
    """5 is above 3 and ties with 5; the one in the other stratum is above 1 alone."""
    found = below(
        torch.tensor([5.0, 5.0]),
        torch.tensor([0, 1]),
        torch.tensor([3.0, 5.0, 9.0, 1.0, 7.0]),
        torch.tensor([0, 0, 0, 1, 1]),
    )
    assert found.tolist() == [1.5, 1.0]
    with pytest.raises(ValueError, match="AUC"):
        below(torch.tensor([torch.nan]), of(_0=1), torch.ones(1), of(_0=1))


def test_in_one_stratum_it_gives_the_auc() -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (torch.randint(0, 9, (n,), generator=generator).double() for n in (57, 41))
    one = torch.zeros(57, dtype=torch.int64), torch.zeros(41, dtype=torch.int64)
    found = float(below(ours, one[0], theirs, one[1]).mean()) / 41
    assert found == pytest.approx(membership.auc(ours, theirs), abs=1e-12)
