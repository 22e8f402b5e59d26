import math

import pytest
import torch

from workers.unlearning.laf import losses
from workers.unlearning.laf.density import Neighbour, fit_vae, latent_width

ONE = torch.tensor(1.0)


def test_pull() -> None:
    """Errors 0, 1 and 3 at scale 1: s = 0, 1/2 and 3/4; their mean is 5/12."""
    assert losses.extractor_pull(torch.tensor([0.0, 1.0, 3.0]), ONE).item() == pytest.approx(5 / 12)


def test_push_stops_at_its_cap() -> None:
    """Scale 1, cap 1: errors 1/3 and 9 give s = 1/4 and, capped, 1/2; minus their mean is -3/8.

    The slope of -s/2 at 1/3 is -1/2 * 1 / (4/3)^2 = -9/32; beyond the cap it is 0.
    """
    errors = torch.tensor([1 / 3, 9.0], requires_grad=True)
    loss = losses.extractor_push(errors, ONE, ONE)
    (slope,) = torch.autograd.grad(loss, errors)
    assert loss.item() == pytest.approx(-3 / 8)
    assert slope.tolist() == pytest.approx([-9 / 32, 0.0])


def test_displacement_sees_angle_and_norm() -> None:
    """From (3, 4), weight 2: to (-4, 3), 1 - 0 + 2 * (49 + 1) / 2; to (6, 8), 0 + 2 * 25 / 2."""
    x0 = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
    x = torch.tensor([[-4.0, 3.0], [6.0, 8.0]])
    assert losses.displacement(x, x0, 2.0).tolist() == pytest.approx([51.0, 25.0])


def test_output_drift() -> None:
    """Parent (3/4, 1/4), model (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2)."""
    parent, model = torch.tensor([[math.log(3.0), 0.0]]), torch.zeros(1, 2)
    wanted = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert losses.output_drift(model, parent).item() == pytest.approx(wanted, abs=1e-6)


def test_squared_error_is_per_dimension() -> None:
    """(1, 2, 3, 4) from 0: (1 + 4 + 9 + 16) / 4 = 7.5."""
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert losses.squared_error(x, torch.zeros(1, 4)).tolist() == [7.5]


def test_the_neighbour_density_has_a_slope_at_its_own_sample() -> None:
    own = torch.ones(1, 8, requires_grad=True)
    blurred = Neighbour(torch.tensor(0.1), torch.Generator().manual_seed(0))
    (slope,) = torch.autograd.grad(blurred.error(own, blurred.centres(own.detach())).sum(), own)
    sharp = Neighbour(torch.tensor(0.0), torch.Generator().manual_seed(0))
    assert slope.abs().sum() > 0
    assert sharp.error(torch.full((1, 8), 3.0), sharp.centres(torch.ones(1, 8))).tolist() == [4.0]


def test_a_vae_knows_its_own_data_from_noise_and_is_the_same_twice() -> None:
    """Data on a line in 16 dimensions, scaled to deviation 1: noise is far off that line."""
    generator = torch.Generator().manual_seed(0)
    line = torch.randn(400, 1, generator=generator) * torch.ones(1, 16)
    noise = torch.randn(400, 16, generator=generator)
    vaes = [
        fit_vae(
            line,
            latent=latent_width(16, 0),
            kl_weight=0.1,
            steps=300,
            generator=torch.Generator().manual_seed(1),
            device=torch.device("cpu"),
            done=lambda _fraction: None,
        )
        for _ in range(2)
    ]
    known, unknown = vaes[0].error(line, line), vaes[0].error(noise, noise)
    assert known.median() < 0.1 * unknown.median()
    assert torch.equal(vaes[1].error(noise, noise), unknown)
