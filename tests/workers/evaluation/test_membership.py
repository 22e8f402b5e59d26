import pytest
import torch

from workers.evaluation import membership


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
    assert membership.tpr_at_fpr(members, others) == 0.5
    assert membership.tpr_at_fpr(members, others[:99]) is None


def test_the_interval_holds_the_truth_and_is_the_same_twice() -> None:
    generator = torch.Generator().manual_seed(0)
    members, others = torch.randn(200, generator=generator), torch.randn(300, generator=generator)
    first, second = (membership.attack(members, others, seed=5, resamples=200) for _ in range(2))
    assert first == second
    assert first.low < first.auc < first.high
    assert first.low < 0.5 < first.high
    # 1.96 standard errors to either side, were the AUC normal.
    wide = 2 * 1.96 * membership.standard_error(200, 300)
    assert first.high - first.low == pytest.approx(wide, rel=0.2)
