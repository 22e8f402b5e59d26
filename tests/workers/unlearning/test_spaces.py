"""In which space are samples alike? By hand, and on the families' real inputs."""

import math

import pytest
import torch
from torch import nn

from tests.workers.memorised import Digits, Tensors
from workers.statistics.neighbours import nearest_others, other_outputs
from workers.unlearning.base import Tap
from workers.unlearning.embedding import embed
from workers.unlearning.features import Block, features
from workers.unlearning.spaces import BOTH, INPUTS, NETWORK, WithFeatures, choose, locate
from workers.unlearning.tap import Tapped

PIXELS = (Block("pixels", 2),)


def test_nobody_is_a_neighbour_of_oneself() -> None:
    references = torch.tensor([[0.0], [1.0], [5.0], [0.0]])
    assert nearest_others(torch.tensor([0, 2]), references, 2).tolist() == [[3, 1], [1, 0]]
    assert nearest_others(torch.tensor([0]), references[:1], 2).tolist() == [[0]]
    outputs = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.0, 1.0]])
    assert other_outputs(torch.tensor([0]), references, outputs, 2).tolist() == [[0.25, 0.75]]


def classes_in_a_row(noise: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """400 points (n, 2) of classes that are 1 apart, under noise, and outputs (n, 10)."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(400) % 10
    points = classes[:, None] + noise * torch.randn(400, 2, generator=generator)
    return points, torch.eye(10)[classes]


@pytest.mark.parametrize(
    ("network", "inputs", "chosen"), [(0.1, 99.0, NETWORK), (99.0, 0.1, INPUTS), (0.5, 0.5, BOTH)]
)
def test_the_space_whose_neighbours_say_most_is_taken_and_both_unless_one_is_clearly_better(
    network: float, inputs: float, chosen: str
) -> None:
    (ours, outputs), (theirs, _) = classes_in_a_row(network, 0), classes_in_a_row(inputs, 1)
    found = choose([torch.cat([ours, theirs], 1)], 2, PIXELS, outputs, 10)
    assert found.name == chosen
    assert set(found.contradicted) == {NETWORK, INPUTS, BOTH}
    assert found.sets[0].shape == (400, 4 if chosen == BOTH else 2)


def test_without_features_there_is_the_network_alone() -> None:
    points, outputs = classes_in_a_row(0.1, 0)
    found = choose([points], 2, (), outputs, 10)
    assert (found.name, set(found.contradicted)) == (NETWORK, {NETWORK})


def test_a_dataset_that_lies_class_after_class_is_looked_at_evenly() -> None:
    """Of 12,000 rows, every second one is of another class, which only the inputs tell."""
    classes = torch.arange(12_000) % 2
    noise = torch.randn(12_000, 2, generator=torch.Generator().manual_seed(0))
    told = classes[:, None] + 0.01 * noise
    found = choose([torch.cat([noise, told], 1)], 2, PIXELS, torch.eye(2)[classes], 10)
    assert 0.4 < found.contradicted[NETWORK] < 0.6
    assert found.contradicted[INPUTS] == 0.0


def test_inputs_that_are_no_numbers_are_for_the_network_to_make_something_of() -> None:
    """A network may well know what to do about a value that is missing."""
    network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    inputs = torch.tensor([[0.5, math.nan, math.inf, 1.0]])
    with Tapped(network, Tap("1", "input")) as tapped:
        seen, _ = WithFeatures(tapped)(inputs)
    assert seen[0, 3:].tolist() == [0.5, 0.0, 0.0, 1.0]


def test_scales_are_those_of_remaining_samples_and_both_parts_weigh_alike() -> None:
    remaining = torch.tensor([[0.0, 0.0, 100.0, 0.0], [2.0, 0.0, 300.0, 0.0]])
    forgotten = torch.tensor([[4.0, 7.0, 200.0, 0.0]])
    first, second = locate([remaining, forgotten], 2, PIXELS, BOTH)
    # What does not differ among remaining samples says nothing.
    assert first.tolist() == [[-1.0, 0.0, -1.0, 0.0], [1.0, 0.0, 1.0, 0.0]]
    assert second.tolist() == [[3.0, 0.0, 0.0, 0.0]]


def test_rare_tokens_count_for_more_than_common_ones() -> None:
    """The first token is in all texts, which says nothing; texts are compared by the second."""
    counts = torch.tensor([[3.0, 1.0, 0.0], [1.0, 1.0, 0.0], [3.0, 0.0, 1.0]])
    (found,) = locate([counts], 0, (Block("tokens", 3),), INPUTS)
    apart = torch.cdist(found, found)
    assert apart[0, 1] < 1e-6
    assert apart[0, 2] > 1.0


def test_a_forgotten_sample_changes_nothing_of_where_the_others_lie() -> None:
    seen = torch.randn(300, 6, generator=torch.Generator().manual_seed(1))
    outputs = torch.eye(3)[torch.arange(200) % 3]
    blocks = (Block("tokens", 4),)
    seen[:, 2:] = seen[:, 2:].abs()
    one = choose([seen[:200].clone(), seen[200:].clone()], 2, blocks, outputs, 5)
    other = choose([seen[:200].clone(), 1000 * seen[200:250]], 2, blocks, outputs, 5)
    assert torch.equal(one.sets[0], other.sets[0])
    assert (one.name, one.contradicted) == (other.name, other.contradicted)


class Attention(nn.Module):
    """Patches of 2 x 2 pixels under untrained attention, which hardly tells images apart."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, 32, 2, 2)
        self.layers = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(32, 2, 64, batch_first=True), 2, enable_nested_tensor=False
        )
        self.head = nn.Linear(32, 10)
        self.representation = "layers.layers.1.norm2"

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        patches = self.cut(images).flatten(2).transpose(1, 2)
        logits: torch.Tensor = self.head(self.layers(patches).mean(dim=1))
        return logits


def test_pixels_tell_more_than_untrained_attention_does(digits: Digits) -> None:
    """Of a network's decisions on digits, whose pixels say more than nine in ten."""
    torch.manual_seed(0)
    fresh = Attention().eval()
    with torch.no_grad():
        outputs = digits.parent(digits.remaining).softmax(dim=1)
    with Tapped(fresh, Tap("head", "input")) as tapped:
        seen = embed(
            WithFeatures(tapped),
            Tensors(digits.remaining),
            torch.arange(len(digits.remaining)),
            torch.device("cpu"),
            512,
        )
    _, blocks = features(digits.remaining[:1])
    found = choose([seen.representations], 32, blocks, outputs, 10)
    assert found.name == INPUTS
    assert found.contradicted[INPUTS] < 0.1
    assert found.contradicted[NETWORK] > 0.3
