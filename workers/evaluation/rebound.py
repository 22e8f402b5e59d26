"""Does a memory come back when the model is trained on remaining samples for a while?

Methods that only hide what they should forget lose it again by training that has nothing to do with
it ("From Dormant to Deleted", arXiv 2505.22310): a model that never knew it has nothing to recall.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from workers.unlearning.adam import Adam
from workers.unlearning.base import Samples, UnlearningError
from workers.unlearning.batches import Cycle
from workers.unlearning.compute import Compute
from workers.unlearning.copying import learnable, trainable
from workers.unlearning.inputs import channels_last, to
from workers.unlearning.layout import copied

STEPS = 100
BATCH = 64
# A step of Adam moves a weight by this share of the root mean square of its tensor, at most.
SHARE = 0.005
SMALLEST = 1e-3
CLIP = 1.0
# Of the training in samples that are only read: a backward pass costs about two forward ones.
WORK = 3 * STEPS * BATCH


def trained_on(
    model: nn.Module,
    samples: Samples,
    positions: Tensor,
    wanted: Tensor,
    device: torch.device,
    generator: torch.Generator,
    count: Callable[[int], None],
) -> nn.Module:
    """A copy of `model`, trained for 100 steps towards softmax outputs `wanted` (r, k).

    `positions` (r,) are those of the samples. Statistics of batch normalisation stay as they are.
    Step sizes follow the size of the weights, for they should suit any network. `count` hears how
    much work is done, in samples that are read.

    Raises:
        UnlearningError: the loss or its gradient is not finite, or one sample does not fit into the
            device's memory.
    """
    student = trainable(copied(model, device))
    batches = Cycle(len(positions), BATCH, generator)
    compute, parameters = Compute(), learnable(student)
    rates = [SHARE * max(SMALLEST, _size(tensor)) for tensor in parameters]
    optimizer = Adam(parameters, rates)
    for step in range(STEPS):
        rows = next(batches)

        def part(places: Tensor, rows: Tensor = rows) -> Tensor:
            some = rows[places]
            inputs = channels_last(to(samples.batch(positions[some]), device))
            answers = functional.log_softmax(student(inputs).float(), dim=1)
            apart = functional.kl_div(answers, wanted[some].to(device), reduction="sum")
            return (apart / len(rows)).unsqueeze(0)

        loss = compute.backward(parameters, len(rows), part)
        norm = nn.utils.clip_grad_norm_(student.parameters(), CLIP)
        if not bool(loss.isfinite() & norm.isfinite()):
            raise UnlearningError("The loss or its gradient is not a finite number.")
        # They fall to nothing, for the end should be the training's and not its noise.
        optimizer.step(1 - step / STEPS)
        count(3 * BATCH)
    return student


def _size(tensor: Tensor) -> float:
    return float(tensor.detach().double().square().mean().sqrt())
