"""Which of the samples are asked."""

import torch
from torch import nn

from tests.workers.memorised import Tensors
from workers.evaluation.reading import ON_THE_WAY, Reader
from workers.unlearning.tap import find_tap


def test_on_the_way_all_of_a_dataset_is_asked_and_not_its_beginning() -> None:
    numbers = torch.arange(4000.0).unsqueeze(1)
    same = nn.Linear(1, 1, bias=False)
    nn.init.ones_(same.weight)
    network = nn.Sequential(nn.Identity(), same)
    reader = Reader(
        {"remaining": Tensors(numbers)},
        {"remaining": torch.arange(4000)},
        find_tap(network, numbers[:2]),
        torch.device("cpu"),
        512,
        lambda _fraction: None,
        1,
    )

    asked = reader.some_logits(network, seed=3).flatten()

    assert len(asked.unique()) == ON_THE_WAY
    assert all(70 < int(quarter) < 180 for quarter in torch.histc(asked, 4, 0, 4000))
    assert torch.equal(asked, reader.some_logits(network, seed=3).flatten())
