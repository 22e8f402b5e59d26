"""What the student learns, and from which samples: numbers derived by hand."""

import math
from itertools import islice

import pytest
import torch

from workers.unlearning.distil.config import DistilConfig
from workers.unlearning.distil.student import Sampler, loss_of
from workers.unlearning.distil.teacher import soften, targets


def logits(*outputs: list[float]) -> torch.Tensor:
    return torch.tensor(outputs).log()


def test_where_shares_stay_as_they_are_so_do_the_answers() -> None:
    outputs = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    kept = targets(outputs.log(), outputs.log(), 1.0)
    assert torch.allclose(kept.soft, outputs, atol=1e-6)
    assert kept.decisions.tolist() == [0, 1]


@pytest.mark.parametrize("prior_shift", [0.0, 0.5, 1.0])
def test_a_class_of_which_nothing_remains_is_never_taught(prior_shift: float) -> None:
    """20 of class 0 are forgotten. Of the others, three are taken for it, one of them nearly."""
    remaining = logits(*[[0.6, 0.3, 0.1]] * 2, [0.45, 0.05, 0.5], *[[0.01, 0.49, 0.5]] * 57)
    forgotten = logits(*[[0.98, 0.01, 0.01]] * 20)

    found = targets(remaining, forgotten, prior_shift)

    assert found.soft[:, 0].tolist() == [0.0] * 60
    assert found.soft.sum(dim=1).tolist() == pytest.approx([1.0] * 60)
    assert found.decisions[:3].tolist() == [1, 1, 2]


@pytest.mark.parametrize("prior_shift", [0.0, 0.5])
def test_a_parent_that_is_certain_of_a_class_that_is_gone_teaches_its_next_answer(
    prior_shift: float,
) -> None:
    """In float32, softmax leaves nothing for the others; an empty target would be class 0."""
    certain = torch.tensor([[0.0, -120.0, -110.0]])
    others = logits(*[[0.6, 0.3, 0.1]] * 3, *[[0.01, 0.49, 0.5]] * 396)
    remaining = torch.cat([certain, others])
    found = targets(remaining, logits(*[[0.98, 0.01, 0.01]] * 200), prior_shift)

    assert found.soft[0].tolist() == pytest.approx([0.0, math.exp(-10), 1.0], abs=1e-4)
    assert found.decisions[0] == 2


@pytest.mark.parametrize(
    ("prior_shift", "wanted"), [(0.0, 0.6), (0.5, 0.4641), (1.0, 1 / 3)], ids=["no", "half", "full"]
)
def test_targets_follow_the_shift_as_far_as_is_asked(prior_shift: float, wanted: float) -> None:
    """Certain answers: 1000 of class 0 and 3000 of class 1 remain, 2000 of class 0 go.

    q = (1/2, 1/2), r = (1/4, 3/4), w = (1/2, 3/2). One more answer, (3/5, 2/5), hardly moves
    these, and becomes (3/10, 3/5) -> (1/3, 2/3) in full, and with the roots of w (0.4243, 0.4899)
    -> (0.4641, 0.5359).
    """
    zero, one = [1 - 1e-7, 1e-7], [1e-7, 1 - 1e-7]
    remaining = logits(*[zero] * 1000, *[one] * 3000, [0.6, 0.4])
    forgotten = logits(*[zero] * 2000)

    found = targets(remaining, forgotten, prior_shift)

    assert found.soft[-1].tolist() == pytest.approx([wanted, 1 - wanted], abs=1e-3)
    assert found.decisions[-1] == (0 if wanted > 0.5 else 1)


@pytest.mark.parametrize(("most", "wanted"), [(4, 1.0), (3, 0.5), (2, 0.25), (1, 0.125), (0, 0.0)])
def test_the_shift_is_halved_until_few_decisions_change(most: int, wanted: float) -> None:
    """Certain answers: 1000 of class 0 and 3000 of class 1 remain, 2000 of class 0 go.

    w = (1/2, 3/2). Beside them four answers that it changes below 3/4, its root below 0.634, its
    fourth root below 0.568, its eighth below 0.534, its sixteenth below 0.517.
    """
    zero, one = [1 - 1e-7, 1e-7], [1e-7, 1 - 1e-7]
    unsure = [[share, 1 - share] for share in (0.74, 0.62, 0.55, 0.51)]
    remaining = logits(*[zero] * 1000, *[one] * 3000, *unsure)
    soft = torch.empty_like(remaining)

    used = soften(remaining, logits(*[zero] * 2000), 1.0, (most + 0.5) / 4004, soft)

    assert used == wanted
    changed = soft.argmax(dim=1) != remaining.argmax(dim=1)
    assert changed.sum() == most
    assert not changed[:4000].any()


def test_the_loss_mixes_decision_and_output() -> None:
    """Student (1/2, 1/2), parent (3/4, 1/4), decision 0, h = 1/4.

    1/4 ln 2 + 3/4 (3/4 ln(3/2) + 1/4 ln(1/2)).
    """
    decision, soft = torch.tensor([0]), torch.tensor([[0.75, 0.25]])
    wanted = 0.25 * math.log(2) + 0.75 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert loss_of(torch.zeros(1, 2), decision, soft, 0.25).item() == pytest.approx(wanted)
    assert loss_of(torch.zeros(1, 2), decision, soft, 1.0).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("count", "passes", "batch", "steps"),
    [
        (8_000, 3.5, 47, 596),
        # 3.5 * (8000 / 48000)^0.3 = 2.04 passes: 98,142 samples in batches of 128, the largest.
        (48_000, 3.5 * 6**-0.3, 128, 767),
        # 3.5 * (8000 / 5000)^(2/3) = 4.79 passes: 23,940 samples in batches of 40.
        (5_000, 3.5 * 1.6 ** (2 / 3), 40, 599),
        # Never more than 7: 2,100 samples in batches of 32, the smallest, and not fewer steps.
        (300, 7.0, 32, 100),
        # Never less than 1.2, in as many steps as it takes.
        (1_000_000, 1.2, 128, 9375),
        (3, 7.0, 3, 100),
    ],
)
def test_few_samples_are_seen_more_often_and_in_small_batches(
    count: int, passes: float, batch: int, steps: int
) -> None:
    config = DistilConfig()
    assert config.passes_of(count) == pytest.approx(passes)
    assert config.batch_of(count) == batch
    assert config.steps_of(count) == steps
    assert config.most_of(count) == 5 * steps


def test_passes_and_batches_that_are_asked_for_are_taken() -> None:
    config = DistilConfig(passes=2.0, max_passes=3.0, batch=16, min_steps=10)
    assert config.batch_of(800) == 16
    assert config.steps_of(800) == 100
    assert config.most_of(800) == 150
    assert DistilConfig(passes=2.0, min_steps=500).steps_of(800) == 500


def test_what_is_known_well_is_drawn_less_often() -> None:
    config = DistilConfig(batch=10, easy_share=0.2, easy_loss=0.3)
    sampler = Sampler(100, config, torch.Generator().manual_seed(0))
    batches = iter(sampler.batch, None)

    first = torch.cat(list(islice(batches, 10)))
    assert sorted(first.tolist()) == list(range(100))
    sampler.learned(torch.arange(50), torch.zeros(50))
    sampler.learned(torch.arange(50, 100), torch.full((50,), 9.0))
    later = torch.cat(list(islice(batches, 300)))

    easy = (later < 50).double().mean().item()
    assert easy == pytest.approx(0.2 / 1.2, abs=0.02)
    assert len(later) == 3000


def test_no_batch_is_empty_where_a_pass_draws_fewer_rows_than_one_holds() -> None:
    sampler = Sampler(100, DistilConfig(min_batch=64), torch.Generator().manual_seed(0))
    batches = iter(sampler.batch, None)
    next(batches)
    sampler.learned(torch.arange(100), torch.zeros(100))

    assert {len(batch) for batch in islice(batches, 20)} == {64}
