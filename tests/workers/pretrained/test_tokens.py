"""The tokens of a row as what is decided about."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2ForTokenClassification, T5Config, T5ForTokenClassification

from tests.workers.data.media import save_tokenizer
from tests.workers.pretrained.families import VOCABULARY, classes, seeded
from tests.workers.pretrained.heads import marker
from workers.architectures import ArchitectureError
from workers.architectures.heads.tokens import TokenClassifier
from workers.architectures.pretrained import Pretrained
from workers.data.errors import DatasetError
from workers.data.specs import TextSpec
from workers.data.token_samples import TokenSamples
from workers.unlearning.features import around
from workers.unlearning.inputs import DECIDED, join

IDS = [[2, 7, 9, 8, 3], [2, 9, 3], [2, 3], [2, 11, 9, 3]]
SPECIAL = frozenset({0, 2, 3})


@dataclass(frozen=True)
class Rows:
    """Rows of token IDs, as a tokenizer pads them on one side or the other."""

    side: str = "right"

    def __len__(self) -> int:
        return len(IDS)

    def batch(self, positions: Tensor) -> dict[str, Tensor]:
        rows = [IDS[row] for row in positions.tolist()]
        ids = torch.zeros(len(rows), 6, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            place = slice(len(row)) if self.side == "right" else slice(6 - len(row), 6)
            ids[number, place], mask[number, place] = torch.tensor(row), 1
        return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("side", ["right", "left"])
def test_every_token_that_stands_for_something_is_a_sample(side: str) -> None:
    """And a row that has none is there by its first one."""
    tokens = TokenSamples(Rows(side), SPECIAL)

    batch = tokens.batch(torch.tensor([6, 0, 2, 4, 3, 1]))

    assert len(tokens) == 7
    assert isinstance(batch, dict)
    pair = batch["input_ids"], batch["attention_mask"]
    attended = [ids[mask == 1] for ids, mask in zip(*pair, strict=True)]
    chosen = [int(row[at]) for row, at in zip(attended, batch[DECIDED].tolist(), strict=True)]
    assert chosen == [9, 7, 8, 2, 9, 9]


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_token_is_answered_as_its_network_answers_it_in_any_order(
    side: str, tmp_path: Path
) -> None:
    network = seeded(marker)
    network.save_pretrained(tmp_path)
    model = Pretrained(tmp_path).load(tmp_path)
    assert isinstance(model, TokenClassifier)
    tokens = TokenSamples(Rows(side), SPECIAL)
    everyone = tokens.batch(torch.arange(len(tokens)))
    order = torch.tensor([5, 0, 3, 1, 6, 2, 4])

    with torch.no_grad():
        whole = network.eval()(**Rows(side).batch(torch.arange(4))).logits
        answers, mixed = model(everyone), model(tokens.batch(order))

    first = 0 if side == "right" else 1
    torch.testing.assert_close(answers[1], whole[0, first + 2])
    torch.testing.assert_close(mixed, answers[order])
    joined = join([tokens.batch(order[:2]), tokens.batch(order[2:])])
    with torch.no_grad():
        torch.testing.assert_close(model(joined), mixed)


def test_the_audit_asks_one_token_of_each_row_and_rare_ones_more_often() -> None:
    tokens = TokenSamples(Rows(), SPECIAL)
    frequencies = tokens.frequencies()
    assert frequencies.tolist() == [0, 0, 1, 0, 0, 0, 0, 1, 1, 3, 0, 1]

    often = 0
    for seed in range(200):
        chosen = tokens.one_of_each(frequencies, seed)
        assert len(chosen) == len(IDS)
        batch = chosen.batch(torch.arange(len(IDS)))
        assert isinstance(batch, dict)
        ids = batch["input_ids"].gather(1, batch[DECIDED].unsqueeze(1)).squeeze(1)
        assert ids[1:3].tolist() == [9, 2]
        often += int(ids[3] == 11)

    # By weights of 1/2 and 1/4, two times in three.
    assert 110 < often < 160
    assert len(tokens.one_of_each(torch.zeros(3), 0)) == len(IDS)


def test_what_is_like_a_token_is_told_by_it_and_its_neighbours() -> None:
    ids = torch.tensor([[2, 7, 9, 3], [0, 2, 7, 9]])
    mask = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]])

    seen = around(ids, mask, torch.tensor([1, 2]))

    assert seen.tolist() == [[24, 24, 10, 32], [30, 30, 25, 5]]


def test_a_marker_of_tokens_reads_no_pair(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    seeded(marker).save_pretrained(tmp_path)

    with pytest.raises(DatasetError, match="a pair of texts"):
        Pretrained(tmp_path).processing({"text"}).readers([TextSpec("one"), TextSpec("other")])


def test_a_decoder_marks_tokens_as_well(tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, **classes(3))
    seeded(lambda: GPT2ForTokenClassification(config)).save_pretrained(tmp_path)
    assert isinstance(Pretrained(tmp_path).load(tmp_path), TokenClassifier)


def test_a_head_that_is_not_known_to_mark_tokens_is_refused() -> None:
    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    network = seeded(lambda: T5ForTokenClassification(config))
    network.classifier = nn.Sequential(nn.Linear(16, 2))
    with pytest.raises(ArchitectureError, match="no linear layer of the name classifier or score"):
        TokenClassifier(network)
