"""Training a small network of `transformers`, a second or so on one core."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

Loss = Callable[[PreTrainedModel, dict[str, Tensor], Tensor], Tensor]


def part(inputs: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: tensor[rows] for name, tensor in inputs.items()}


def cross_entropy(network: PreTrainedModel, inputs: dict[str, Tensor], wanted: Tensor) -> Tensor:
    return functional.cross_entropy(network(**inputs).logits, wanted)


def train(
    network: PreTrainedModel,
    inputs: dict[str, Tensor],
    wanted: Tensor,
    steps: int,
    loss: Loss = cross_entropy,
    rate: float = 3e-3,
) -> PreTrainedModel:
    """Minimise a loss over batches of 64 rows, and put the network into evaluation mode."""
    threads = torch.get_num_threads()
    # Threads that wait for each other would burn the cores that other tests need.
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    network.train()
    for _ in range(steps):
        rows = torch.randint(len(wanted), (64,), generator=generator)
        optimizer.zero_grad()
        torch.autograd.backward(loss(network, part(inputs, rows), wanted[rows]))
        optimizer.step()
        schedule.step()
    torch.set_num_threads(threads)
    network.eval()
    return network


def accuracy(network: PreTrainedModel, inputs: dict[str, Tensor], wanted: Tensor) -> float:
    with torch.no_grad():
        return float((network(**inputs).logits.argmax(1) == wanted).double().mean())
