import pytest
import torch

from workers.statistics import membership


def test_auc_counts_pairs_and_halves_ties() -> None:
    """Members 1, 2, 2 against 0, 2: pairs won 1 + 1 + 1 (over 0), tied 2 (2 = 2), lost 1 (1 < 2).

    (3 + 2 / 2) / 6 = 2/3.
    """
    members, others = torch.tensor([1.0, 2.0, 2.0]), torch.tensor([0.0, 2.0])
    assert membership.auc(members, others) == pytest.approx(2 / 3)


def test_auc_is_that_of_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    members = torch.randint(0, 9, (57,), generator=generator).double()
    others = torch.randint(2, 12, (41,), generator=generator).double()
    pairs = members[:, None] - others[None]
    wanted = ((pairs > 0).double() + 0.5 * (pairs == 0).double()).mean().item()
    assert membership.auc(members, others) == pytest.approx(wanted, abs=1e-12)
    assert membership.auc(others, members) == pytest.approx(1 - wanted, abs=1e-12)


@pytest.mark.parametrize("scores", [torch.tensor([]), torch.tensor([float("nan")])])
def test_auc_refuses_what_cannot_be_ranked(scores: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="AUC"):
        membership.auc(scores, torch.ones(2))


def test_scores_by_hand() -> None:
    """Softmax of (ln 3, 0) is (3/4, 1/4): confidence 0.75, margin ln 3 = 1.0986.

    Negative entropy: 3/4 ln(3/4) + 1/4 ln(1/4) = -0.2158 - 0.3466 = -0.5623.
    """
    found = membership.scores(torch.tensor([[3.0, 1.0]]).log())
    assert found["confidence"].item() == pytest.approx(0.75, abs=1e-6)
    assert found["margin"].item() == pytest.approx(1.0986, abs=1e-4)
    assert found["entropy"].item() == pytest.approx(-0.5623, abs=1e-4)
    with pytest.raises(ValueError, match="two classes"):
        membership.scores(torch.ones(3, 1))


def test_true_positives_at_one_percent() -> None:
    """Of 100 others, 0 to 99, one may lie above the threshold, 98: members 99 and 100 do."""
    others = torch.arange(100.0)
    members = torch.tensor([98.0, 99.0, 100.0, 3.0])
    assert membership.tpr_at_1_percent_fpr(members, others) == 0.5
    assert membership.tpr_at_1_percent_fpr(members, others[:99]) is None


def test_draws_are_ranked_like_sets_of_their_own() -> None:
    """Each row of row numbers, repetitions included, gives what its scores alone would give."""
    generator = torch.Generator().manual_seed(1)
    members = torch.randint(0, 6, (30,), generator=generator).double()
    others = torch.randint(0, 5, (220,), generator=generator).double()
    these = torch.randint(30, (4, 30), generator=generator)
    those = torch.randint(220, (4, 210), generator=generator)
    ranked = membership.Ranked(members, others)
    for row in range(4):
        mine, their = members[these[row]], others[those[row]]
        assert ranked.auc(these, those)[row].item() == pytest.approx(membership.auc(mine, their))
        wanted = membership.tpr_at_1_percent_fpr(mine, their)
        assert ranked.tpr(these, those)[row].item() == pytest.approx(wanted)
