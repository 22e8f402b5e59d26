"""Density models of representations: how unlike a set of samples is another one?

All of them work on standardised representations (b, d) and answer with a squared error per
dimension, (b,): near 0 for what the set is made of, around 1 for what is like nothing in it.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn

from workers.unlearning.base import UnlearningError
from workers.unlearning.laf.losses import squared_error

# With fewer than this many samples per latent dimension a VAE learns them by heart.
SAMPLES_PER_LATENT = 20


class Density(Protocol):
    def centres(self, own: Tensor) -> Tensor:
        """What `error` needs of `own` (b, d) -> (b, d), with whatever is random about it.

        `own` holds, for each x, the sample of the set that it belongs to: a forgotten sample's
        representation under the parent, and for other samples the nearest of those.
        """
        ...

    def error(self, x: Tensor, centres: Tensor) -> Tensor:
        """The error of x (b, d) by its `centres` (b, d) -> (b,)."""
        ...


class Vae(nn.Module):
    """A variational autoencoder d -> d/2 -> d/8 -> z and back, with a Gaussian output.

    The last layer is linear because standardised representations are unbounded. The error is that
    of the posterior mean, so it has no noise in it.
    """

    def __init__(self, width: int, latent: int, generator: torch.Generator) -> None:
        super().__init__()
        self.latent = latent
        wide, narrow = max(width // 2, latent), max(width // 8, latent)
        self.encoder = _mlp([width, wide, narrow, 2 * latent], generator)
        self.decoder = _mlp([latent, narrow, wide, width], generator)

    def centres(self, own: Tensor) -> Tensor:
        return own

    def error(self, x: Tensor, centres: Tensor) -> Tensor:  # noqa: ARG002
        """Squared error of the reconstruction; `centres` play no part."""
        mean, _ = self.encoder(x).chunk(2, dim=1)
        rebuilt: Tensor = self.decoder(mean)
        return squared_error(x, rebuilt)

    def loss(self, x: Tensor, noise: Tensor, kl_weight: float) -> Tensor:
        """Negative evidence bound of x (b, d) with noise (b, z) from N(0, 1) -> ()."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        rebuilt = self.decoder(mean + noise * (0.5 * log_variance).exp())
        kl = -0.5 * (1.0 + log_variance - mean.square() - log_variance.exp()).sum(dim=1)
        bound: Tensor = (x - rebuilt).square().sum(dim=1) + kl_weight * kl
        return bound.mean()


class Neighbour:
    """The density of a set of any size, one sample too: each sample, blurred, is its own model.

    The error of x is its squared distance from the sample of the set that it belongs to. The blur
    (noise of variance `blur` per dimension, drawn anew each time) gives the error a slope at
    distance 0, where a forgotten sample starts and where it would have none.
    """

    def __init__(self, blur: Tensor, generator: torch.Generator) -> None:
        self._blur = blur
        self._generator = generator

    def centres(self, own: Tensor) -> Tensor:
        """`own`, blurred."""
        noise = torch.randn(own.shape, generator=self._generator).to(own.device)
        return own + self._blur.sqrt() * noise

    def error(self, x: Tensor, centres: Tensor) -> Tensor:
        """Squared distance per dimension from `centres`."""
        return squared_error(x, centres)


def fit_vae(
    x: Tensor,
    *,
    latent: int,
    kl_weight: float,
    steps: int,
    generator: torch.Generator,
    device: torch.device,
    done: Callable[[float], None],
) -> Vae:
    """Fit a VAE to x (n, d) with Adam at 1e-3 and batches of 128; `done` hears the fraction.

    Raises:
        UnlearningError: the loss is no longer a finite number.
    """
    vae = Vae(x.shape[1], latent, generator).to(device)
    optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
    for step in range(steps):
        rows = torch.randint(len(x), (min(128, len(x)),), generator=generator)
        noise = torch.randn((len(rows), latent), generator=generator)
        loss = vae.loss(x[rows].to(device), noise.to(device), kl_weight)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            if not bool(loss.isfinite()):
                raise UnlearningError("The density model's loss is not a finite number.")
            done((step + 1) / steps)
    return vae.requires_grad_(requires_grad=False).eval()


def latent_width(width: int, asked: int) -> int:
    """The latent width of a VAE of representations of `width`: a sixteenth of it, 2 to 64."""
    return asked or min(max(width // 16, 2), 64)


def _mlp(widths: list[int], generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        # Not initialised here: that would draw from the global random state.
        linear = nn.Linear(fan_in, fan_out, device="meta").to_empty(device="cpu")
        bound = fan_in**-0.5
        nn.init.uniform_(linear.weight, -bound, bound, generator=generator)
        nn.init.uniform_(linear.bias, -bound, bound, generator=generator)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
