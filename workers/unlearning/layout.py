"""How the weights of convolutions lie in memory."""

import torch
from torch import nn

from workers.unlearning.copying import duplicate, in_evaluation


def lay_out(model: nn.Module, memory_format: torch.memory_format) -> None:
    """Give every four-dimensional weight this format; its values stay what they are.

    Channels-last convolutions are faster on GPUs, and on CPUs too. The format of an answer follows
    the strides of the weight, so they are set even where both formats are the same bytes, as with
    one input channel: `contiguous` would leave those alone, and all layers after them slow.
    """
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.to(memory_format=memory_format)


def copied(model: nn.Module, device: torch.device) -> nn.Module:
    """A copy on the device, in evaluation mode and in the format in which it is fastest."""
    mine = in_evaluation(duplicate(model).to(device))
    lay_out(mine, torch.channels_last)
    return mine
