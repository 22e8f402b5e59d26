"""Networks that fail where their factory says, and quote the numbers that they were given."""

from typing import Any

import torch
from torch import Tensor, nn

from tests.workers.runner.odd_networks import Plain


def quoting(when: str) -> nn.Module:
    """`when` is "always", "alone" (one sample), "gradients" (where they are kept) or "training"."""
    return Quoting(when)


class Quoting(Plain):
    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def forward(self, images: Tensor) -> Any:
        wrong = {
            "always": True,
            "alone": len(images) == 1,
            "gradients": torch.is_grad_enabled() and self.head.weight.requires_grad,
            "training": self.training,
        }[self.when]
        if wrong:
            raise ValueError(f"It cannot read {images[0].flatten().tolist()}.")
        return super().forward(images)
