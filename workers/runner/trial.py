"""At registration, a network does what a job will do with it: copies, steps, writing, reading."""

from pathlib import Path

import torch
from torch import Tensor, nn

from workers.architectures import ArchitectureError, Blueprint
from workers.artifacts import ArtifactError, take_over
from workers.quoting import of_rows
from workers.runner.readback import write_and_read_back
from workers.unlearning.base import Tap
from workers.unlearning.copying import duplicate, home_of, learnable, settle_copies, trainable
from workers.unlearning.errors import UnlearningError
from workers.unlearning.inputs import Inputs, count, first_of, to
from workers.unlearning.isolation import isolated
from workers.unlearning.layout import copied, lay_out
from workers.unlearning.precision import in_training
from workers.unlearning.tap import TapError, Tapped

# Steps are as small as those of a careful edit: a large one could make numbers infinite.
RATE = 1e-5


def try_steps(
    blueprint: Blueprint, model: nn.Module, tap: Tap, inputs: Inputs, parent: Path, scratch: Path
) -> None:
    """Try on inputs (b, ...) what every job does. `model` stays as it is.

    `parent` holds the model's files; an empty folder `scratch` is written to.

    Raises:
        ArchitectureError: it fails at a step, or answers one sample alone in another form.
        ArtifactError: what is written after a step is not what is read back.
    """
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    device = home_of(model)
    with isolated(device, seed=0):
        try:
            settle_copies(model, inputs)
        except (UnlearningError, RuntimeError, TypeError, ValueError) as error:
            raise ArchitectureError(
                f"No copy of the network can be trained: {of_rows(error)}"
            ) from error
        _refuse_another_form_alone(model, tap, inputs)
        student = trainable(copied(model, device))
        _step(student, tap, inputs, "evaluation")
        fresh = blueprint.fresh().to(device)
        _refuse_what_is_shared(fresh, model)
        lay_out(fresh, torch.channels_last)
        _step(fresh.train(), tap, inputs, "training")
    for name, weight in model.named_parameters():
        if not torch.equal(weight, before[name]):
            raise ArchitectureError(
                f"A step of a copy changed {name} of the network itself: what a network computes "
                "with must be its own."
            )
    _write(blueprint, student.to(device), tap, parent, scratch, inputs)


def _step(model: nn.Module, tap: Tap, inputs: Inputs, mode: str) -> None:
    """Forward, backward, and one step of the optimiser, on all samples and on one."""
    weights = learnable(model)
    optimizer = torch.optim.AdamW(weights, lr=RATE, fused=True)
    device = home_of(model)
    for batch in (inputs, first_of(inputs, 1)):
        optimizer.zero_grad()
        try:
            answers = _logits(model, tap, to(batch, device))
            losses = answers.float().log_softmax(dim=1).square().mean()
            torch.autograd.backward(losses)
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
        except (TapError, ArchitectureError):
            raise
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            raise ArchitectureError(
                f"The network takes no step of {_some(batch)} in {mode} mode: {of_rows(error)}"
            ) from error
        if all(weight.grad is None for weight in weights):
            raise ArchitectureError(
                f"No weight has a gradient in {mode} mode: nothing could be unlearned."
            )


def _logits(model: nn.Module, tap: Tap, batch: Inputs) -> Tensor:
    if model.training:
        found: object = in_training(model, batch)
        size = count(batch)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != size:
            raise ArchitectureError(
                f"In training mode, the network answers {size} samples with something else than "
                f"logits of shape ({size}, classes)."
            )
        return found
    with Tapped(model, tap) as tapped:
        return tapped(batch)[1]


def _refuse_another_form_alone(model: nn.Module, tap: Tap, inputs: Inputs) -> None:
    """The last batch of a set may be smaller than the others, and hold one sample."""
    batch = to(first_of(inputs, 1), home_of(model))
    try:
        with torch.no_grad(), Tapped(model.eval(), tap) as tapped:
            tapped(batch)
    except Exception as error:
        raise ArchitectureError(
            f"The model answers {count(inputs)} samples, and fails on one alone: {of_rows(error)}"
        ) from error


def _refuse_what_is_shared(fresh: nn.Module, model: nn.Module) -> None:
    mine = {parameter.data_ptr() for parameter in model.parameters() if parameter.numel()}
    if any(parameter.data_ptr() in mine for parameter in fresh.parameters()):
        raise ArchitectureError(
            "The factory gives two networks the same weights: it must make a new one each time."
        )


def _write(
    blueprint: Blueprint, model: nn.Module, tap: Tap, parent: Path, scratch: Path, inputs: Inputs
) -> None:
    take_over(parent, scratch)
    try:
        write_and_read_back(blueprint, duplicate(model), tap, parent, scratch, inputs)
    except ArtifactError as error:
        raise ArtifactError(f"After a step of training: {error}") from error


def _some(batch: Inputs) -> str:
    return "one sample" if count(batch) == 1 else f"{count(batch)} samples"
