"""What the benchmark of precision counts is what changes."""

import torch
from torch import Tensor, nn

from bench.precision.measure import changed, reading, steps


class Apart(nn.Module):
    """Two answers, so far apart: that of class 0 is 1."""

    def __init__(self, distance: float) -> None:
        super().__init__()
        self.scale = nn.Linear(1, 2, bias=False)
        self.scale.weight = nn.Parameter(torch.tensor([[1.0], [1.0 + distance]]))

    def forward(self, inputs: Tensor) -> Tensor:
        answers: Tensor = self.scale(inputs)
        return answers


def test_decisions_change_where_answers_are_closer_than_bfloat16_can_tell() -> None:
    ones = torch.ones(10, 1)

    # Eight bits tell 1 from 1.0078, and nothing between them.
    assert changed(Apart(0.001), ones) == 1.0
    assert changed(Apart(0.1), ones) == 0.0


def test_both_precisions_are_timed() -> None:
    images, labels = torch.rand(64, 1, 28, 28), torch.arange(64) % 10

    for row in (steps("fashion_cnn", images, labels, 8, 1), reading("fashion_cnn", images, 8, 1)):
        assert row.batch == 8
        assert min(row.float32, row.bfloat16) > 0
        assert row.ratio == row.float32 / row.bfloat16
