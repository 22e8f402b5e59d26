"""Weights are written, read back and asked: what is audited is what is published."""

from pathlib import Path

import torch
from torch import Tensor, nn

from workers.architectures import Blueprint
from workers.artifacts import WEIGHTS, ArtifactError
from workers.unlearning.base import Tap
from workers.unlearning.inputs import Inputs, to
from workers.unlearning.tap import Tapped
from workers.weight_files import kinds_of_weights, refuse_what_changed

# How many roundings of the weights' type an answer may differ by, relative to the largest answer.
ROUNDINGS = 16
LEAST = 1e-4


def write_and_read_back(
    blueprint: Blueprint, model: nn.Module, tap: Tap, parent: Path, target: Path, batch: Inputs
) -> nn.Module:
    """Write weights beside the configuration that `target` has -> the network that it holds now.

    Raises:
        ArtifactError: the network that is read back answers the batch in another way.
    """
    blueprint.write(model, parent, target)
    home = next(model.parameters(), torch.empty(0)).device
    again = blueprint.load(target).to(home)
    allowed = max(LEAST, ROUNDINGS * max(coarsest(target), blueprint.rounding))
    for ours, its in zip(answers(model, tap, batch), answers(again, tap, batch), strict=True):
        off = float((ours - its).abs().max() / ours.abs().max().clamp(min=1e-12))
        if not off <= allowed:
            raise ArtifactError(
                f"The network that {WEIGHTS} holds answers otherwise than the one that was "
                f"written, by {off:.2g} of the largest answer; {allowed:.2g} is allowed."
            )
    return again


def refuse_unless_rewritten(blueprint: Blueprint, source: Path, scratch: Path) -> None:
    """Writing an unchanged network must give the tensors that it was read from.

    Raises:
        ArtifactError: it does not, so no version of this model could be published.
    """
    blueprint.write(blueprint.as_stored(source), source, scratch)
    refuse_what_changed(source, scratch)


def answers(model: nn.Module, tap: Tap, batch: Inputs) -> tuple[Tensor, Tensor]:
    """Representation (b, d) and logits (b, k) in evaluation mode."""
    home = next(model.parameters(), torch.empty(0)).device
    with torch.no_grad(), Tapped(model.eval(), tap) as tapped:
        representation, logits = tapped(to(batch, home))
    return representation, logits


def coarsest(directory: Path) -> float:
    """The largest relative rounding among the types of the weights."""
    kinds = kinds_of_weights(directory)
    return max((torch.finfo(kind).eps for kind in kinds if kind.is_floating_point), default=0.0)
