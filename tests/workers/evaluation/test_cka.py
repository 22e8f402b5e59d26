import math

import pytest
import torch
from sklearn.datasets import load_digits

from workers.evaluation.cka import linear_cka


def test_cka_ignores_rotation_scale_and_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 6, generator=generator)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=generator)).Q
    # It is 1 in any sample of them, so there is nothing to be unsure of.
    assert linear_cka(x, 3.0 * x @ rotation + 7.0) == pytest.approx((1.0, 1.0, 1.0), abs=1e-5)
    other = linear_cka(x, torch.randn(50, 6, generator=generator))
    assert other is not None
    assert other[0] < 0.4


def test_cka_by_hand() -> None:
    """Centred columns (1, -1, 0, 0) and (1, 0, -1, 0): (x'y)^2 = 1, x'x = y'y = 2; 1/4."""
    x = torch.tensor([[1.0], [-1.0], [0.0], [0.0]])
    y = torch.tensor([[1.0], [0.0], [-1.0], [0.0]])
    found = linear_cka(x, y)
    assert found is not None
    assert found[0] == pytest.approx(0.25)


def test_the_interval_of_cka_is_that_of_a_bootstrap() -> None:
    """Handwritten digits and noise upon them: closed form against a thousand resamples."""
    first = torch.tensor(load_digits().data[:400])
    second = first + 6 * torch.randn(400, 64, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(1000):
        rows = torch.randint(400, (400,), generator=generator)
        again = linear_cka(first[rows], second[rows])
        assert again is not None
        drawn.append(again[0])
    spread = torch.tensor(drawn).log().std().item()
    found = linear_cka(first, second)
    assert found is not None
    middle, low, high = found
    assert 0.2 < middle < 0.9
    for width in (math.log(high / middle), math.log(middle / low)):
        assert width / 1.96 == pytest.approx(spread, rel=0.2)


def test_cka_of_one_sample_cannot_be_measured() -> None:
    assert linear_cka(torch.ones(1, 3), torch.ones(1, 3)) is None
