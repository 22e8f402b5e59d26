"""Real data: scikit-learn's digits, and a network that has learnt 40 wrong labels by heart."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from tests import numerics
from workers.evaluation.audit import audit_of
from workers.evaluation.judge import judged
from workers.evaluation.report import AuditReport
from workers.unlearning.base import Problem, Samples
from workers.unlearning.compute import Compute
from workers.unlearning.tap import find_tap
from workers.zoo import digits_cnn

# Parameters of each method, for tests of what does not depend on how well it forgets.
FEW_STEPS: dict[str, dict[str, Any]] = {
    "distil": {"passes": 0.1, "max_passes": 0.1, "min_steps": 8, "batch": 50},
    "redirect": {
        "max_steps": 4,
        "check_every": 4,
        "max_rewinds": 0,
        "references": 300,
        "learning_rate": 3e-4,
        "averaging": 0.0,
    },
    "laf": {
        "min_steps": 4,
        "max_steps": 4,
        "check_every": 4,
        "density_steps": 5,
        "embedded_samples": 300,
        "check_samples": 100,
    },
}


# Of distillation: enough for a student that has learnt what its parent says.
LEARNT: dict[str, Any] = {"min_steps": 400}


@dataclass(frozen=True)
class Tensors:
    """Samples that lie in memory."""

    inputs: Tensor

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, positions: Tensor) -> Tensor:
        return self.inputs[positions]


@dataclass
class Watched:
    """Samples that count how often they are read."""

    inputs: Tensor
    read: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, positions: Tensor) -> Tensor:
        self.read.append(len(positions))
        return self.inputs[positions]


@dataclass(frozen=True)
class Digits:
    """Images; the true labels are for the tests' own eyes. The first 40 have been mislabelled."""

    parent: nn.Module
    forgotten: Tensor
    remaining: Tensor
    holdout: Tensor
    given: Tensor
    true: Tensor

    def problem(self, **changes: object) -> Problem:
        """The unlearning problem, with what a test wants otherwise."""
        values: dict[str, object] = {
            "model": self.parent,
            "fresh": digits_cnn,
            "tap": find_tap(self.parent, self.remaining[:2]),
            "remaining": Tensors(self.remaining),
            "forgotten": Tensors(self.forgotten),
            "holdout": Tensors(self.holdout),
            "device": torch.device("cpu"),
            "seed": 7,
            "min_agreement": 0.97,
            "target_level": "utility",
            "compute": Compute(precision=numerics.PRECISION),
        }
        return judged(Problem(**(values | changes)))  # type: ignore[arg-type]

    def measure(self, candidate: nn.Module, **changes: object) -> AuditReport:
        """The audit of a candidate against the parent, as a job runs it."""
        return audited(self.problem(**changes), candidate)


def audited(problem: Problem, candidate: nn.Module, **options: Any) -> AuditReport:
    """The audit of a candidate against the problem's parent, as a job runs it."""
    return audit_of(problem, candidate, **({"seed": 1} | options))


def samples(inputs: Tensor) -> Samples:
    return Tensors(inputs)


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def nearly_same(first: dict[str, Tensor], second: dict[str, Tensor], atol: float) -> bool:
    """Whether all but one in a hundred weights are as near as that.

    Where a gradient is next to nothing, rounding decides its sign, and a step of Adam has its size.
    """
    near = [(first[name] - second[name]).abs().flatten() <= atol for name in first]
    return bool(torch.cat(near).double().mean() >= 0.99)


def memorised(seed: int = 0, epochs: int = 80, weights: Path | None = None) -> Digits:
    """Train the network, the same each time on a processor; which 40 depends on the seed.

    It is read from `weights` if it is there, or else written to it.
    """
    data = load_digits()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data.images), generator=generator)
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)[order] / 16.0
    labels = torch.tensor(data.target)[order]
    train, given = images[:1000], labels[:1000].clone()
    given[:40] = (given[:40] + torch.randint(1, 10, (40,), generator=generator)) % 10
    if weights is not None and weights.exists():
        with torch.random.fork_rng():
            model: nn.Module = digits_cnn()
        model.load_state_dict(load_file(weights))
    else:
        model = trained(train, given, epochs, generator)
        if weights is not None:
            save_file(model.state_dict(), weights)
    return Digits(model, train[:40], train[40:], images[1000:], given[:40], labels[:40])


def trained(
    images: Tensor, labels: Tensor, epochs: int, generator: torch.Generator, decay: float = 0.0
) -> nn.Module:
    """The digits network, from the same fresh weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = digits_cnn()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=decay)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(len(images), generator=generator), 64):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images[rows]), labels[rows])
            torch.autograd.backward(loss)
            optimizer.step()
    model.zero_grad()
    return model
