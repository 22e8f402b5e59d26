"""Networks that runs build in processes of their own."""

import torch
from torch import Tensor, nn

from workers.zoo import ConvNet, digits_cnn


def picture_net() -> nn.Module:
    """For pictures (b, 3, 8, 8)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 8), nn.ReLU(), nn.Linear(8, 10))


class Summing(ConvNet):
    """It adds its answers to a tensor of its own, which must be of their type."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        sums = torch.zeros(logits.shape, device=logits.device)
        return sums.index_add(0, torch.arange(len(logits), device=logits.device), logits)


def summing_cnn() -> nn.Module:
    """`digits_cnn` for float32 only; the weights have the same names."""
    plain = digits_cnn()
    return Summing(plain.features, plain.embed, plain.head)
