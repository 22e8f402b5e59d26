"""The losses of LAF on representations that are already standardised.

Notation: x is a representation of the model that is being changed, x0 the parent's of the same
sample, m(x) the squared error of x under a density model, c a scale in the same unit. Formulae and
how they differ from the published ones: `docs/methods/laf.md`.
"""

import torch
from torch import Tensor
from torch.nn import functional


def saturate(errors: Tensor, scale: Tensor) -> Tensor:
    """s(m) = m / (m + c), (b,) -> (b,) in [0, 1), with slope 1/c at 0 and 1/(4c) at m = c."""
    return errors / (errors + scale)


def extractor_pull(errors: Tensor, scale: Tensor) -> Tensor:
    """Mean of s(m) under the density of remaining data: (b,) -> ().

    It keeps remaining samples where remaining data lie, and draws forgotten ones there: what that
    density cannot explain of a forgotten sample is what only that sample has taught.
    """
    return saturate(errors, scale).mean()


def extractor_push(errors: Tensor, scale: Tensor, cap: Tensor) -> Tensor:
    """Mean of -s(min(m, cap)) of forgotten samples under the density of forgotten data.

    It pushes a forgotten sample off what the forgotten data look like, until it lies as far off as
    a held-out one, whose error is `cap` (). (b,) -> ().
    """
    return -saturate(errors.clamp(max=cap), scale).mean()


def displacement(x: Tensor, x0: Tensor, distance_weight: float) -> Tensor:
    """1 - cos(x, x0) + w ||x - x0||^2 / d, (b, d) twice -> (b,). The second part holds the norm."""
    turned = 1.0 - functional.cosine_similarity(x, x0, dim=1)
    return turned + distance_weight * (x - x0).square().mean(dim=1)


def output_drift(logits: Tensor, parent_logits: Tensor) -> Tensor:
    """Mean KL(parent || model) of the softmax outputs: (b, k) twice -> ()."""
    return functional.kl_div(
        functional.log_softmax(logits, dim=1),
        functional.log_softmax(parent_logits, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """The squared error ||x - reconstruction||^2 / d, (b, d) twice -> (b,)."""
    return torch.square(x - reconstruction).mean(dim=1)
