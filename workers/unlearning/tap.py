"""Finding and reading the representation of a network, without changing the network."""

from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from workers.unlearning.base import Tap
from workers.unlearning.inputs import Inputs, count, to


class TapError(ValueError):
    """The representation, or the output of the model, is not what unlearning can work on."""


def find_tap(model: nn.Module, example_batch: Inputs, name: str = "auto") -> Tap:
    """Where the representation of `model` is, found by one dry run in evaluation mode.

    A `name` other than "auto" is a submodule whose output is the representation. "auto" takes the
    submodule that `model.representation` names, if the model has that attribute, and else the
    input of the last `nn.Linear` whose output is the model's output, or what enters the submodule
    that `model.decided_by` names.

    Args:
        model: takes `example_batch` and returns logits (b, k).
        example_batch: a few inputs, on any device.
        name: "auto" or a dotted name as in `model.named_modules()`.

    Raises:
        TapError: no such module, no representation was found, or a shape is not (b, d) or (b, k).
    """
    declared = getattr(model, "representation", None)
    if name != "auto":
        tap = Tap(name, "output")
    elif isinstance(declared, str):
        tap = Tap(declared, "output")
    else:
        tap = _last_linear(model, example_batch)
    with Tapped(model, tap) as tapped:
        _dry_run(tapped, model, example_batch)
    return tap


class Tapped:
    """A model that answers with its representation as well, from one forward pass.

    A context manager: its hook is on the model only between enter and exit. It adds no module, so
    the keys of the state dict stay what they are.
    """

    def __init__(self, model: nn.Module, tap: Tap) -> None:
        """Raises `TapError` if the model has no module of the tap's name."""
        self.model = model
        self.tap = tap
        self._module = _submodule(model, tap.module)
        self._seen: Tensor | None = None
        self._handle: torch.utils.hooks.RemovableHandle | None = None

    def __enter__(self) -> Self:
        hook = self._keep_input if self.tap.side == "input" else self._keep_output
        self._handle = self._module.register_forward_hook(hook)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.remove()
        self._handle = self._seen = None

    def __call__(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Inputs of b samples -> representation (b, d) and logits (b, k).

        Raises:
            TapError: one of the two is missing or has another shape.
        """
        self._seen = None
        logits, size = self.model(inputs), count(inputs)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != size:
            raise TapError(
                f"The model must answer a batch of {size} inputs with logits of shape "
                f"({size}, classes); it answered {_shape(logits)}."
            )
        return self._take(), logits

    def _take(self) -> Tensor:
        seen, self._seen = self._seen, None
        if seen is None:
            raise TapError(
                f'The module "{self.tap.module}" took no part in the forward pass. '
                "Name another one as the representation."
            )
        return seen

    def _keep_input(self, _module: nn.Module, inputs: tuple[Any, ...], _output: object) -> None:
        self._seen = self._flat(inputs[0] if inputs else None)

    def _keep_output(self, _module: nn.Module, _inputs: tuple[Any, ...], output: object) -> None:
        self._seen = self._flat(output)

    def _flat(self, seen: object) -> Tensor:
        # A global pool of a convolutional network leaves (b, d, 1, 1): that is (b, d) too.
        if isinstance(seen, Tensor) and seen.ndim >= 2 and all(n == 1 for n in seen.shape[2:]):
            return seen.flatten(start_dim=1)
        raise TapError(
            f'The {self.tap.side} of "{self.tap.module}" is {_shape(seen)}, '
            "and a representation is of shape (batch, width). Name a module behind the pooling."
        )


def _dry_run(call: nn.Module | Tapped, model: nn.Module, example_batch: Inputs) -> Any:
    """One forward pass in evaluation mode on the model's device, with nothing left changed."""
    home = next(model.parameters(), torch.empty(0)).device
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            return call(to(example_batch, home))
    finally:
        for module, training in modes:
            module.training = training


def _last_linear(model: nn.Module, example_batch: Inputs) -> Tap:
    calls: list[tuple[str, Tensor]] = []
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):

            def keep(_module: nn.Module, _inputs: Any, output: Tensor, name: str = name) -> None:
                # A copy, because an in-place activation behind it may change it.
                calls.append((name, output.clone()))

            handles.append(module.register_forward_hook(keep))
    entered: list[Any] = []
    decides = getattr(model, "decided_by", None)
    if isinstance(decides, str):

        def note(_last: nn.Module, given: tuple[Any, ...]) -> None:
            entered.append(given[0])

        handles.append(_submodule(model, decides).register_forward_pre_hook(note))
    try:
        answer = _dry_run(model, model, example_batch)
        answer = entered[-1] if entered else answer
    finally:
        for handle in handles:
            handle.remove()
    for name, output in reversed(calls):
        if (
            isinstance(answer, Tensor)
            and output.shape == answer.shape
            and torch.equal(output, answer)
        ):
            return Tap(name, "input")
    raise TapError(
        "The representation could not be found: no linear layer's output is the model's output. "
        f"Name the module whose output is the representation. {_candidates(model)}"
    )


def _submodule(model: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if name not in modules:
        raise TapError(f'The model has no module "{name}". {_candidates(model)}')
    return modules[name]


def _candidates(model: nn.Module) -> str:
    names = [
        name
        for name, module in model.named_modules()
        if name and any(True for _ in module.parameters())
    ]
    shown = ", ".join(names[-20:])
    return f"Modules with weights{' (the last 20)' if len(names) > 20 else ''}: {shown or 'none'}."


def _shape(value: object) -> str:
    return (
        f"of shape {tuple(value.shape)}"
        if isinstance(value, Tensor)
        else f"a {type(value).__name__}"
    )
