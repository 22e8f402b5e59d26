"""Several processes that do one job: who does which part, and putting the parts together.

All processes run the same code on the same problem, and take the same decisions, because whatever
a decision rests on has been put together before. A process alone is a case like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Ranks:
    """This process is number `rank` of `size`, in torch's default process group.

    With more than one process the group must have been initialised before, with a backend for the
    device of the gradients, and one for the CPU.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether it is for this process to speak and to write."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's contiguous part of `count` places; the parts are as even as can be."""
        return self.part(count, self.rank)

    def part(self, count: int, rank: int) -> slice:
        """The part of process `rank`."""
        return slice(count * rank // self.size, count * (rank + 1) // self.size)

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def gather(self, table: Tensor, ends: Sequence[int]) -> None:
        """Give all processes all rows of `table` (n, ...), of which each holds its own part.

        In place. The part of process r ends before row `ends[r]`, and begins where the one before
        it ends.
        """
        if self.size == 1:
            return
        for rank, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            if end > start:
                dist.broadcast(table[start:end], src=rank)

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all processes, the same in all of them."""
        if self.size > 1:
            dist.all_reduce(tensor)

    def smallest(self, tensor: Tensor) -> None:
        """Replace a tensor by its smallest values over all processes."""
        if self.size > 1:
            dist.all_reduce(tensor, op=dist.ReduceOp.MIN)

    def add_up_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum gradients over all processes, in one message.

        A parameter that had no part in the loss anywhere keeps no gradient: an optimiser would
        else decay it.
        """
        if self.size == 1 or not parameters:
            return
        held = [float(parameter.grad is not None) for parameter in parameters]
        flags = torch.tensor(held, device=parameters[0].device)
        message = torch.cat([flags, *(_flat_gradient(parameter) for parameter in parameters)])
        dist.all_reduce(message)
        flags, *sums = message.split([len(parameters), *(p.numel() for p in parameters)])
        for parameter, used, total in zip(parameters, flags.tolist(), sums, strict=True):
            if used:
                gradient = total.view(parameter.shape).to(parameter.dtype)
                if parameter.grad is None:
                    parameter.grad = torch.empty_like(parameter)
                parameter.grad.copy_(gradient)

    def agree_on(self, model: nn.Module) -> None:
        """Give all processes the same weights and buffers, in place.

        Weights are those of the first process, and have been alike already. Buffers, such as a
        batch norm's running statistics, are of what each process has seen: numbers are averaged,
        and counters are the first process's.
        """
        if self.size == 1:
            return
        with torch.no_grad():
            for parameter in model.parameters():
                self._from_first(parameter)
            for buffer in model.buffers():
                if buffer.is_floating_point():
                    mean = buffer.contiguous() / self.size
                    dist.all_reduce(mean)
                    buffer.copy_(mean)
                else:
                    self._from_first(buffer)

    def _from_first(self, tensor: Tensor) -> None:
        # A tensor that is laid out by channel cannot be sent as it is.
        message = tensor.detach().contiguous()
        dist.broadcast(message, src=0)
        tensor.copy_(message)


def _flat_gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        return torch.zeros(parameter.numel(), device=parameter.device)
    return parameter.grad.flatten().float()
