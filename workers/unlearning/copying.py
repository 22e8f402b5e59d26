"""Copies of networks: a deep copy where that is a network of its own, else one that is built anew.

A deep copy fails where a network holds tensors that came out of a computation, such as the weight
that `torch.nn.utils.weight_norm` makes before each pass. It is no network of its own where a
function in it, such as a hook, refers to the original.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import nn

from workers.quoting import of_rows
from workers.unlearning.errors import UnlearningError
from workers.unlearning.inputs import Inputs, to

Build = Callable[[], nn.Module]


@dataclass
class _Way:
    """How another network of the same form is built, and whether deep copies are ruled out."""

    build: Build
    anew: bool = False


_WAYS: WeakKeyDictionary[nn.Module, _Way] = WeakKeyDictionary()


def built_by(model: nn.Module, build: Build) -> None:
    """Say what makes another network of the form of `model`, whatever weights that has."""
    _WAYS[model] = _Way(build)


def duplicate(model: nn.Module) -> nn.Module:
    """A network with the same weights, buffers, modes and device, that shares nothing with it.

    Raises:
        UnlearningError: it cannot be copied, and nothing says how to build it anew.
    """
    way = _WAYS.get(model)
    if way is not None and way.anew:
        return _rebuilt(model, way)
    try:
        made = copy.deepcopy(model)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if way is None:
            raise UnlearningError(f"The network cannot be copied: {of_rows(error)}") from error
        return _rebuilt(model, way)
    if way is not None:
        _WAYS[made] = way
    return made


def settle_copies(model: nn.Module, inputs: Inputs) -> None:
    """Find out by one pass over inputs (b, ...) how `model` and its copies are to be copied.

    Raises:
        UnlearningError: neither a deep copy nor a new network is a network of its own with the
            same answers.
    """
    if _is_a_copy(duplicate(model), model, inputs):
        return
    way = _WAYS.get(model)
    if way is not None and not way.anew:
        way.anew = True
        if _is_a_copy(duplicate(model), model, inputs):
            return
    raise UnlearningError(
        "A copy of the network uses weights of the original, or answers otherwise than it: keep "
        "everything that the network computes with in its parameters and buffers."
    )


def _is_a_copy(made: nn.Module, model: nn.Module, inputs: Inputs) -> bool:
    """Whether `made` answers as `model` does, by weights of its own."""
    flags = [parameter.requires_grad for parameter in model.parameters()]
    modes = [module.training for module in model.modules()]
    placed = to(inputs, home_of(model))
    trainable(model.eval())
    with torch.enable_grad():
        answers = trainable(made.eval())(placed)
        if answers.requires_grad:
            torch.autograd.backward(answers.float().sum())
    leaked = any(parameter.grad is not None for parameter in model.parameters())
    with torch.no_grad():
        alike = torch.allclose(model(placed), answers.detach(), rtol=1e-3, atol=1e-5)
    for parameter, flag in zip(model.parameters(), flags, strict=True):
        parameter.grad = None
        parameter.requires_grad_(flag)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    return alike and not leaked


def _rebuilt(model: nn.Module, way: _Way) -> nn.Module:
    # What is drawn for weights that are replaced at once must not move the caller's random state.
    with torch.random.fork_rng(devices=[]):
        made = way.build()
    try:
        made.load_state_dict(model.state_dict())
    except RuntimeError as error:
        raise UnlearningError(
            f"The network cannot be built again as it is: {of_rows(error)}"
        ) from error
    made = made.to(home_of(model))
    buffers = dict(made.named_buffers())
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name in buffers and buffers[name].shape == buffer.shape:
                buffers[name].copy_(buffer)
    modes = {name: module.training for name, module in model.named_modules()}
    for name, module in made.named_modules():
        module.training = modes.get(name, model.training)
    flags = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    for name, parameter in made.named_parameters():
        parameter.requires_grad_(flags[name])
    _WAYS[made] = way
    return made


def home_of(model: nn.Module) -> torch.device:
    """The device of the weights."""
    return next(model.parameters(), torch.empty(0)).device


def trainable(model: nn.Module) -> nn.Module:
    """Ask for gradients of all weights that can have one: not of tables of whole numbers."""
    for parameter in learnable(model):
        parameter.requires_grad_()
    return model


def learnable(model: nn.Module) -> list[nn.Parameter]:
    """The floating-point weights."""
    return [parameter for parameter in model.parameters() if parameter.is_floating_point()]


def in_evaluation(model: nn.Module) -> nn.Module:
    """Evaluation mode in which gradients can be taken on any device.

    cuDNN takes none of recurrent layers in evaluation mode; without dropout both modes are alike.
    """
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.dropout = 0.0
            module.train()
    return model
