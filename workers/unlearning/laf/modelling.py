"""From cached parent representations to the two density models and the scales of the losses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workers.unlearning.base import UnlearningError
from workers.unlearning.embedding import draw
from workers.unlearning.laf.config import LafConfig
from workers.unlearning.laf.density import (
    SAMPLES_PER_LATENT,
    Density,
    Neighbour,
    Vae,
    fit_vae,
    latent_width,
)
from workers.unlearning.resuming import named, under
from workers.unlearning.savepoints import Saved

# Up to this many forgotten samples, the neighbour density forgets better than a VAE does, on the
# problems of this repository; above it, looking up neighbours begins to cost.
NEIGHBOURS = 4096

# A forgotten sample is pushed no farther off the forgotten data than nine in ten held-out ones lie.
FAR = 0.9


@dataclass(frozen=True)
class Standard:
    """Mean and deviation (d,) of each dimension of the remaining data's representations."""

    mean: Tensor
    deviation: Tensor

    def __call__(self, representations: Tensor) -> Tensor:
        """(b, d) -> (b, d), on the device of the representations."""
        home = representations.device
        return (representations - self.mean.to(home)) / self.deviation.to(home)


@dataclass(frozen=True)
class Models:
    """What the losses need to know. The scalars are tensors of shape ().

    `scale` is the usual error under `remaining` of a remaining sample that it was not fitted on;
    `far` is the error under `forgotten` that few held-out samples exceed.
    """

    remaining: Density
    forgotten: Density
    kind: str
    scale: Tensor
    far: Tensor


def pack(models: Models) -> Saved:
    """The densities as they can be kept. That of neighbours is its blur, which is the scale."""
    tensors = {"scale": models.scale, "far": models.far}
    facts: dict[str, Any] = {"kind": models.kind}
    for name, density in (("remaining", models.remaining), ("forgotten", models.forgotten)):
        if isinstance(density, Vae):
            tensors |= named(name, density.state_dict())
            facts[name] = density.latent
    return Saved(tensors, facts)


def unpack(saved: Saved, width: int, generator: torch.Generator, device: torch.device) -> Models:
    """The densities again, of representations of `width`."""
    scale, far = (saved.tensors[name].to(device) for name in ("scale", "far"))

    def vae(name: str) -> Vae:
        # Its initial weights are drawn from nobody's random numbers, and replaced.
        made = Vae(width, saved.facts[name], torch.Generator())
        made.load_state_dict(under(name, saved.tensors))
        return made.to(device).requires_grad_(requires_grad=False).eval()

    own = vae("forgotten") if saved.facts["kind"] == "vae" else Neighbour(scale, generator)
    return Models(vae("remaining"), own, saved.facts["kind"], scale, far)


def standard(remaining: Tensor) -> Standard:
    """Fit the standardisation to representations (n, d).

    A deviation is at least a tenth of the median one: a dimension that is all but constant on
    remaining data would otherwise outweigh all others.

    Raises:
        UnlearningError: all remaining samples have the same representation.
    """
    deviation = remaining.std(dim=0, correction=0)
    alive = deviation[deviation > 0]
    if not len(alive) and len(remaining) > 1:
        raise UnlearningError("All remaining samples have one and the same representation.")
    floor = 0.1 * alive.median() if len(alive) else torch.tensor(1.0)
    return Standard(remaining.mean(dim=0), deviation.clamp(min=float(floor)))


def fit(
    config: LafConfig,
    fitted: Tensor,
    guard: Tensor,
    reference: Tensor,
    forgotten: Tensor,
    generator: torch.Generator,
    device: torch.device,
    done: Callable[[float], None],
) -> Models:
    """Fit both densities. All tensors are standardised representations (n, d) on the CPU.

    Args:
        config: the knobs.
        fitted: remaining samples that the density of remaining data is fitted on.
        guard: remaining samples that it is not fitted on.
        reference: held-out samples, or the guard again where there are none.
        forgotten: all forgotten samples.
        generator: for initial weights, batches and noise.
        device: where to fit.
        done: hears the fraction that is finished.

    Raises:
        ValueError: a VAE was asked for, and there are too few forgotten samples to fit one.
    """
    latent = latent_width(forgotten.shape[1], config.latent)
    kind = _kind(config, len(forgotten), latent)
    share = 0.5 if kind == "vae" else 1.0

    def vae_of(x: Tensor, offset: float) -> Vae:
        return fit_vae(
            x[draw(len(x), config.density_samples, generator)],
            latent=latent,
            kl_weight=config.kl_weight,
            steps=config.density_steps,
            generator=generator,
            device=device,
            done=lambda fraction: done(offset + share * fraction),
        )

    ordinary = vae_of(fitted, 0.0)
    own = vae_of(forgotten, 0.5) if kind == "vae" else None
    with torch.no_grad():
        reference, guard = reference.to(device), guard.to(device)
        # A scale of zero would make s(m) a step function.
        scale = ordinary.error(guard, guard).median().clamp(min=1e-4)
        centres = forgotten[draw(len(forgotten), NEIGHBOURS, generator)].to(device)
        nearest = centres[torch.cdist(reference, centres).argmin(dim=1)]
        density: Density = own or Neighbour(scale, generator)
        far = density.error(reference, density.centres(nearest)).quantile(FAR)
    return Models(ordinary, density, kind, scale, far)


def _kind(config: LafConfig, forgotten: int, latent: int) -> str:
    enough = forgotten >= SAMPLES_PER_LATENT * latent
    if config.forgotten_density == "auto":
        return "vae" if forgotten > NEIGHBOURS and enough else "neighbour"
    if config.forgotten_density == "vae" and not enough:
        raise ValueError(
            f"A VAE with {latent} latent dimensions needs {SAMPLES_PER_LATENT * latent} forgotten "
            f"samples; there are {forgotten}. Use the neighbour density."
        )
    return config.forgotten_density
