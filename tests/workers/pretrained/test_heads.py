"""Heads of other kinds are registered, unlearned, audited, published, and load as before."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedModel

from tests.workers.data.media import save_tokenizer
from tests.workers.pretrained.data import sentence_pairs
from tests.workers.pretrained.families import VOCABULARY, bert_encoder, seeded
from tests.workers.pretrained.heads import HEADS, gpt2
from tests.workers.pretrained.parents import Parent, parent_of, runs_below
from tests.workers.pretrained.training import part
from workers.architectures import ArchitectureError
from workers.architectures.heads.labels import first_sets, usual_sets
from workers.architectures.pretrained import Pretrained
from workers.data.errors import DatasetError
from workers.data.pretrained import PretrainedTexts
from workers.data.specs import TextSpec
from workers.plan import Unlearned
from workers.runner.readback import answers
from workers.unlearning.tap import find_tap

PAIR = [TextSpec("question"), TextSpec("passage")]


@dataclass(frozen=True)
class Done:
    """A parent, and what a registration and a job have made of it."""

    parent: Parent
    folder: Path
    job: Unlearned

    def published(self) -> Any:
        """By the user's own two lines."""
        return self.parent.family.auto.from_pretrained(self.folder / "second")


@pytest.fixture(scope="module", params=HEADS)
def done(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("head")
    parent = parent_of(HEADS[request.param], folder)
    with runs_below(folder) as runs:
        first = runs.validated(parent.validation(folder / "first", min_agreement=0.5))
        second = runs.unlearned(parent, first, folder / "second", min_agreement=0.5)
        yield Done(parent, folder, second)


def test_a_head_of_another_kind_is_unlearned_audited_and_loads_as_its_parent_did(
    done: Done,
) -> None:
    told = json.loads((done.folder / "second" / "unlearning.json").read_text(encoding="utf-8"))
    assert told["representation"]["module"] is not None
    assert done.job.passed, done.job.reasons
    assert done.job.audit["remaining"]["agreement"] >= 0.5
    before, after = (
        load_file(at / "model.safetensors")
        for at in (done.parent.directory, done.folder / "second")
    )
    assert {name: tensor.dtype for name, tensor in before.items()} == {
        name: tensor.dtype for name, tensor in after.items()
    }
    assert any(not torch.equal(before[name], after[name]) for name in before)
    published = done.published()
    assert type(published) is type(done.parent.network)


def test_the_network_answers_what_its_own_class_answers(done: Done) -> None:
    parent = done.parent
    model = Pretrained(parent.directory).load(parent.directory)
    batch = part(parent.held_out, torch.arange(6))

    _, logits = answers(model, find_tap(model, batch), batch)

    with torch.no_grad():
        own = parent.network(**batch).logits
    if own.ndim == 3:
        # Of a row, the second token: the first one stands for nothing in the text.
        own = own[:, 1]
    if parent.network.config.problem_type is None:
        torch.testing.assert_close(logits, own)
        return
    # The likeliest set of labels holds those with a positive logit, as sure as all of them are.
    sets = first_sets(3).members
    assert torch.equal(sets[logits.argmax(dim=1)] > 0, own > 0)
    sure = own.sigmoid().where(own > 0, 1 - own.sigmoid()).prod(dim=1)
    torch.testing.assert_close(logits.softmax(dim=1).max(dim=1).values, sure)


def test_of_many_labels_the_sets_that_occur_are_told_apart() -> None:
    """And each label's own logit is what tells two of the sets apart, so that none is lost."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.full((40, 9), -1.0)
    logits[:30, :2] = logits[30:, 4:8] = 1.0
    logits += 0.1 * torch.randn(logits.shape, generator=generator)

    sets = usual_sets(logits)

    found = sets(logits)
    assert sets.members.shape == (1 + 9 + 2, 9)
    assert torch.equal(sets.members[found.argmax(dim=1)] > 0, logits > 0)
    torch.testing.assert_close(found[:, 1:10] - found[:, :1], logits)


def test_a_pair_is_read_as_its_tokenizer_reads_it(tmp_path: Path) -> None:
    described, place = sentence_pairs(), tmp_path / "pairs"
    described.save_processors(place)
    tokenizer = AutoTokenizer.from_pretrained(place)
    some = [described.columns[spec.column][:5] for spec in PAIR]
    made = tokenizer(*some, truncation=True, padding=True, max_length=24, return_tensors="pt")

    texts = PretrainedTexts(tokenizer, 24)
    rows = texts.encode_pairs(*some)
    halves = [[row[: len(row) // 2], row[len(row) // 2 :]] for row in rows]
    named = texts.batch([tokens for tokens, _ in halves], 24, [types for _, types in halves])

    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(named[name], made[name])
    assert named["token_type_ids"].any()


def test_an_encoder_reads_no_pair(tmp_path: Path) -> None:
    sentence_pairs().save_processors(tmp_path)
    seeded(bert_encoder).save_pretrained(tmp_path)

    with pytest.raises(DatasetError, match="a pair of texts, which a classifier reads as one"):
        Pretrained(tmp_path).processing({"text"}).readers(PAIR)


SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "num_labels": 3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GROUPED: dict[str, Any] = {**SMALL, "num_key_value_heads": 1, "head_dim": 8}
DECODERS: dict[str, dict[str, Any]] = {
    "Llama": GROUPED,
    "Mistral": GROUPED,
    "Qwen2": GROUPED,
    "Qwen3": GROUPED,
    "Gemma": GROUPED,
    "Gemma3Text": GROUPED,
    "Phi3": SMALL,
    "OPT": {**SMALL, "ffn_dim": 32, "word_embed_proj_dim": 16},
    "GPTNeoX": SMALL,
    "ModernBertDecoder": SMALL,
}


@pytest.mark.parametrize("family", DECODERS)
def test_a_decoder_is_represented_by_the_last_token_that_is_no_padding(
    family: str, tmp_path: Path
) -> None:
    """On whatever side the padding is: its own layer on top gives its own logits."""
    network = decoder(family)
    network.save_pretrained(tmp_path)
    model = Pretrained(tmp_path).load(tmp_path)
    ids = torch.randint(4, VOCABULARY, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    for row, padding in ((0, slice(4, 7)), (1, slice(0, 2))):
        ids[row, padding] = mask[row, padding] = 0
    batch = {"input_ids": ids, "attention_mask": mask}

    representation, logits = answers(model, find_tap(model, batch), batch)

    with torch.no_grad():
        torch.testing.assert_close(logits, network.eval()(**batch).logits)
        layer: Any = getattr(network, "score", None) or network.classifier
        torch.testing.assert_close(layer(representation), logits)


def decoder(family: str) -> PreTrainedModel:
    network = getattr(transformers, f"{family}ForSequenceClassification")

    def make() -> PreTrainedModel:
        made: PreTrainedModel = network(network.config_class(**DECODERS[family]))
        return made

    return seeded(make)


def test_a_decoder_that_knows_no_padding_or_another_one_is_refused(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, pad_token="[UNK]")
    network = seeded(gpt2)
    network.save_pretrained(tmp_path)
    blueprint = Pretrained(tmp_path)
    blueprint.load(tmp_path)
    with pytest.raises(DatasetError, match="pads with token 1, and"):
        blueprint.processing({"text"})

    network.config.pad_token_id = None
    network.save_pretrained(tmp_path)
    with pytest.raises(ArchitectureError, match='names no "pad_token_id"'):
        Pretrained(tmp_path).load(tmp_path)


def test_siglip_reads_texts_of_one_length_without_a_mask(tmp_path: Path) -> None:
    given = {"model_max_length": 9, "model_input_names": ["input_ids"]}
    save_tokenizer(tmp_path, **given)
    text = {**SMALL, "max_position_embeddings": 9, "projection_size": 16}
    image = {**SMALL, "image_size": 8, "patch_size": 4}
    config = transformers.SiglipConfig(text_config=text, vision_config=image)
    seeded(lambda: transformers.SiglipModel(config)).save_pretrained(tmp_path)
    blueprint = Pretrained(tmp_path)
    model = blueprint.load(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    said = ["a scan of a digit", "two"]
    pixels = torch.randn(2, 3, 8, 8)

    texts = blueprint.processing({"text"}).texts
    assert texts is not None
    rows = texts.encode(said)
    batch: dict[str, Tensor] = {"pixel_values": pixels, **texts.batch(rows, 5)}

    wanted = tokenizer(said, padding="max_length", truncation=True, return_tensors="pt")
    assert set(batch) == {"pixel_values", "input_ids"}
    assert torch.equal(batch["input_ids"], wanted["input_ids"])
    seen, _ = answers(model, find_tap(model, batch), batch)
    with torch.no_grad():
        answer = transformers.SiglipModel.from_pretrained(tmp_path)(**wanted, pixel_values=pixels)
    towers = torch.cat([answer.image_embeds, answer.text_embeds], dim=1)
    torch.testing.assert_close(seen, towers, rtol=1e-4, atol=1e-5)
