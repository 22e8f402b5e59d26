"""Processor seconds of training steps and of reading, in float32 and in bfloat16, in turns."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ViTConfig, ViTForImageClassification

from workers.unlearning.layout import lay_out
from workers.unlearning.precision import autocast
from workers.zoo import fashion_cnn

CPU = torch.device("cpu")
LONG, SHORT = torch.float32, torch.bfloat16
# So many steps are timed at once, in one precision and then in the other.
AT_ONCE = 3


class Vit(nn.Module):
    """A vision transformer for images (b, 1, 28, 28) of ten classes: 2.7 million weights."""

    def __init__(self) -> None:
        super().__init__()
        # The type stubs know the shape's arguments and not the number of classes.
        shape: dict[str, Any] = {
            "image_size": 28,
            "patch_size": 4,
            "num_channels": 1,
            "hidden_size": 192,
            "num_hidden_layers": 6,
            "num_attention_heads": 3,
            "intermediate_size": 768,
            "num_labels": 10,
        }
        self.network = ViTForImageClassification(ViTConfig(**shape))

    def forward(self, images: Tensor) -> Tensor:
        """Images (b, 1, 28, 28) -> logits (b, 10)."""
        logits: Tensor = self.network(images).logits
        return logits


NETWORKS: dict[str, Callable[[], nn.Module]] = {"fashion_cnn": fashion_cnn, "ViT": Vit}


@dataclass(frozen=True)
class Row:
    """Medians over rounds, in processor milliseconds, of one batch of `batch` samples."""

    network: str
    work: str
    batch: int
    float32: float
    bfloat16: float

    @property
    def ratio(self) -> float:
        return self.float32 / self.bfloat16


class Training:
    """A network and its optimiser, which takes steps on images (n, c, h, w), labels (n,)."""

    def __init__(self, network: nn.Module, images: Tensor, labels: Tensor, batch: int) -> None:
        self.network = network.train()
        lay_out(network, torch.channels_last)
        self._images = images.contiguous(memory_format=torch.channels_last)
        self._labels = labels
        self._batch = batch
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
        self._generator = torch.Generator().manual_seed(0)

    def step(self, precision: torch.dtype) -> None:
        rows = torch.randint(len(self._images), (self._batch,), generator=self._generator)
        self._optimizer.zero_grad(set_to_none=True)
        with autocast(CPU, precision):
            logits = self.network(self._images[rows])
        loss = functional.cross_entropy(logits.float(), self._labels[rows])
        torch.autograd.backward(loss)
        self._optimizer.step()


def steps(name: str, images: Tensor, labels: Tensor, batch: int, rounds: int) -> Row:
    """Of a training step."""
    torch.manual_seed(0)
    training = Training(NETWORKS[name](), images, labels, batch)
    return Row(name, "training step", batch, *_in_turns(training.step, rounds))


def reading(name: str, images: Tensor, batch: int, rounds: int) -> Row:
    """Of answering a batch, without gradients."""
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    lay_out(network, torch.channels_last)

    @torch.no_grad()
    def read(precision: torch.dtype) -> None:
        with autocast(CPU, precision):
            network(images[:batch])

    return Row(name, "reading", batch, *_in_turns(read, rounds))


@torch.no_grad()
def changed(network: nn.Module, images: Tensor, batch: int = 64) -> float:
    """The share of decisions about images (n, c, h, w) that reading in bfloat16 changes."""

    def decide(precision: torch.dtype) -> Tensor:
        with autocast(CPU, precision):
            return torch.cat([network(part).float().argmax(dim=1) for part in images.split(batch)])

    network.eval()
    return float((decide(LONG) != decide(SHORT)).double().mean())


def _in_turns(work: Callable[[torch.dtype], None], rounds: int) -> tuple[float, float]:
    found: dict[torch.dtype, list[float]] = {LONG: [], SHORT: []}
    # What is first done only once, as making kernels, is not counted.
    for number in range(rounds + 1):
        for precision in (LONG, SHORT):
            started = time.process_time()
            for _ in range(AT_ONCE):
                work(precision)
            if number:
                found[precision].append((time.process_time() - started) / AT_ONCE * 1000)
    return float(np.median(found[LONG])), float(np.median(found[SHORT]))
