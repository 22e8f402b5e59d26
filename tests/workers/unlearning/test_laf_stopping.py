import torch
from torch import Tensor

from workers.statistics.floors import Floors
from workers.unlearning.embedding import Embedded
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.laf.search import step_budget
from workers.unlearning.laf.stopping import Judge

SURE = torch.tensor([4.0, 0.0])


def embedded(logits: Tensor) -> Embedded:
    return Embedded(torch.arange(len(logits)), logits, logits)


def judge(holdout: Tensor | None, guard: Tensor) -> Judge:
    return Judge(
        LafConfig(),
        Floors(0.9, forgotten=10, remaining=90, reserve=LafConfig().agreement_reserve),
        guard=embedded(guard),
        holdout=None if holdout is None else embedded(holdout),
    )


def test_equal_sets_are_at_parity() -> None:
    same = SURE.expand(20, 2)
    look = judge(same, same).look(50, same, same, same)
    assert look.parity
    assert look.useful
    assert look.gap == 0.0


def test_forgotten_samples_that_are_less_sure_are_over_forgotten() -> None:
    same, unsure = SURE.expand(20, 2), torch.zeros(20, 2)
    look = judge(same, same).look(50, same, unsure, same)
    assert look.shortfall > 0.4
    assert not look.parity
    assert look.rank < judge(same, same).look(50, same, same, same).rank


def test_utility_comes_before_parity() -> None:
    """The floor is 0.9 + 0.25 * 0.1 = 0.925: 18 of 20 is too few. Held-out: 0.925 - 10 / 100."""
    same = SURE.expand(20, 2)
    turned = same.clone()
    turned[:2] = turned[:2].flip(1)
    broken = judge(same, same).look(50, turned, same, same)
    assert not broken.useful
    assert judge(same, same).look(50, same, same, turned).useful
    assert broken.rank < judge(same, same).look(50, same, torch.zeros(20, 2), same).rank


def test_without_a_holdout_later_is_better() -> None:
    same = SURE.expand(20, 2)
    alone = judge(None, same)
    early, late = (alone.look(step, same, same, None) for step in (50, 100))
    assert early.rank < late.rank
    assert late.gap is None


def test_the_budget_is_clamped() -> None:
    config = LafConfig(min_steps=100, max_steps=200, epochs=10, forget_batch=64)
    assert [step_budget(config, n) for n in (1, 640, 700, 100_000)] == [100, 100, 110, 200]
