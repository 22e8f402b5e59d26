"""What transformers and safetensors save."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import torch
import transformers
from safetensors.torch import load_file, save_model
from sentencepiece import SentencePieceTrainer
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from transformers import (
    AutoTokenizer,
    MixtralConfig,
    MixtralForSequenceClassification,
    PreTrainedModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5EncoderModel,
)

from tests.workers.data.media import save_tokenizer, texts
from tests.workers.pretrained.data import PIXELS
from tests.workers.pretrained.families import SMALL, TEXT, bert, bert_encoder, seeded, vit
from tests.workers.pretrained.heads import gpt2, marker, several_labels
from tests.workers.pretrained.tools.case import Case
from workers.plan import Architecture

TRANSFORMERS = ("transformers", transformers.__version__)
SAFETENSORS = ("safetensors", safetensors.__version__)
INDEX = "model.safetensors.index.json"


def classifier_of_texts(directory: Path, **how: Any) -> None:
    save_tokenizer(directory, model_max_length=24)
    seeded(bert).save_pretrained(directory, **how)


def saved(make: Callable[[], PreTrainedModel]) -> Callable[[Path], object]:
    """A network of texts beside its tokenizer."""

    def save(directory: Path) -> None:
        save_tokenizer(directory, model_max_length=24)
        seeded(make).save_pretrained(directory)

    return save


def tokenizer_as_words(directory: Path) -> None:
    """A vocabulary alone, as older tokenizers of BERT were saved."""
    classifier_of_texts(directory)
    said = json.loads((directory / "tokenizer.json").read_text("utf-8"))
    words = sorted(said["model"]["vocab"], key=said["model"]["vocab"].__getitem__)
    (directory / "vocab.txt").write_text("\n".join([*words, "[MASK]"]) + "\n", "utf-8")
    (directory / "tokenizer.json").unlink()
    described = {"tokenizer_class": "BertTokenizer", "model_max_length": 24}
    (directory / "tokenizer_config.json").write_text(json.dumps(described))


def tokenizer_as_merges(directory: Path) -> None:
    """Byte pairs: `vocab.json` and `merges.txt`."""
    made = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    made.train_from_iterator(texts()[:40], vocab_size=400, special_tokens=special)
    directory.mkdir()
    made.save_model(str(directory))
    size: dict[str, Any] = {**TEXT, "max_position_embeddings": 34, "num_labels": 4}
    network = seeded(lambda: RobertaForSequenceClassification(RobertaConfig(**size)))
    network.save_pretrained(directory)


def tokenizer_as_sentencepiece(directory: Path) -> None:
    sharing_encoder(directory)
    for path in directory.glob("tokenizer*"):
        path.unlink()
    with (directory / "spiece.model").open("wb") as file:
        SentencePieceTrainer.train(
            sentence_iterator=iter(" ".join(text.split())[:500] for text in texts()[:40]),
            model_writer=file,
            vocab_size=200,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            normalization_rule_name="identity",
            minloglevel=2,
        )


def mixture_of_experts(directory: Path) -> None:
    save_tokenizer(directory, model_max_length=24)
    size: dict[str, Any] = {**SMALL, "num_key_value_heads": 2, "num_local_experts": 4}
    size |= {"vocab_size": 500, "num_labels": 4, "pad_token_id": 0}
    network = seeded(lambda: MixtralForSequenceClassification(MixtralConfig(**size)))
    network.save_pretrained(directory)


def check_that_the_tokenizer_is_there(directory: Path, first: Path) -> None:
    """It makes of a text what it made before."""
    ours, theirs = (AutoTokenizer.from_pretrained(place) for place in (first, directory))
    assert not (first / "tokenizer.json").exists()
    assert ours("Return the sum").input_ids == theirs("Return the sum").input_ids
    assert len(set(ours("Return the sum").input_ids)) > 2


def classifier_in_shards(directory: Path) -> None:
    classifier_of_texts(directory, max_shard_size="40KB")
    assert len(list(directory.glob("model-*-of-*.safetensors"))) > 2


def check_shards(directory: Path, first: Path) -> None:
    """The same files with the same tensors, and the same index."""
    assert (first / INDEX).read_bytes() == (directory / INDEX).read_bytes()
    names = {path.name for path in directory.glob("*.safetensors")}
    assert {path.name for path in first.glob("*.safetensors")} == names
    for name in names:
        assert load_file(first / name).keys() == load_file(directory / name).keys()


def sharing_encoder(directory: Path) -> None:
    save_tokenizer(directory, model_max_length=24)
    size: dict[str, Any] = {"d_model": 32, "d_kv": 8, "d_ff": 32, "num_heads": 2, "num_layers": 1}
    seeded(lambda: T5EncoderModel(T5Config(**size, vocab_size=500))).save_pretrained(directory)
    assert "encoder.embed_tokens.weight" not in load_file(directory / "model.safetensors")


def classifier_of_images(directory: Path) -> None:
    seeded(vit).save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(json.dumps(PIXELS))


class Sharing(nn.Module):
    """Pixels (b, 1, 8, 8) -> logits (b, 64), by a matrix that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 64)
        self.last = nn.Linear(64, 64)
        self.last.weight = self.first.weight

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.last(self.first(pixels.flatten(1)).relu())
        return logits


def sharing() -> nn.Module:
    return Sharing()


def shared_weights(directory: Path) -> None:
    directory.mkdir()
    save_model(sharing(), str(directory / "model.safetensors"))
    assert "last.weight" not in load_file(directory / "model.safetensors")


def check_sharing(directory: Path, first: Path) -> None:
    name = "model.safetensors"
    assert (first / name).read_bytes() == (directory / name).read_bytes()


def in_a_pickle(directory: Path) -> None:
    save_tokenizer(directory)
    network = seeded(bert_encoder)
    network.config.save_pretrained(directory)
    torch.save(network.state_dict(), directory / "pytorch_model.bin")


CASES = [
    Case(*TRANSFORMERS, "one `model.safetensors`", "read", classifier_of_texts),
    Case(
        *TRANSFORMERS,
        "weights in shards with an index",
        "read, and written in the same shards",
        classifier_in_shards,
        check=check_shards,
    ),
    Case(*TRANSFORMERS, "weights that two names share (T5)", "read", sharing_encoder),
    Case(
        *TRANSFORMERS,
        "a tokenizer as `vocab.txt`",
        "read",
        tokenizer_as_words,
        check=check_that_the_tokenizer_is_there,
    ),
    Case(
        *TRANSFORMERS,
        "a tokenizer as `vocab.json` and `merges.txt`",
        "read",
        tokenizer_as_merges,
        check=check_that_the_tokenizer_is_there,
    ),
    Case(
        *TRANSFORMERS,
        "a tokenizer as `spiece.model`",
        "read",
        tokenizer_as_sentencepiece,
        check=check_that_the_tokenizer_is_there,
    ),
    Case(*TRANSFORMERS, "a mixture of experts (Mixtral)", "read", mixture_of_experts),
    Case(*TRANSFORMERS, "a classifier over a decoder (GPT-2)", "read", saved(gpt2)),
    Case(
        *TRANSFORMERS,
        "a classifier of several labels (`multi_label_classification`)",
        "read",
        saved(several_labels),
    ),
    Case(*TRANSFORMERS, "a marker of tokens (`BertForTokenClassification`)", "read", saved(marker)),
    Case(*TRANSFORMERS, "a classifier of images", "read", classifier_of_images, given="images"),
    Case(
        *TRANSFORMERS,
        "`pytorch_model.bin`, as version 4 saved it",
        "refused: a pickle is never opened; save it again, as `model.safetensors`",
        in_a_pickle,
        refusal="This is a network in a pickle: pytorch_model.bin. A pickle is never opened",
    ),
    Case(
        *SAFETENSORS,
        "`save_model` of a network that shares weights",
        "read with a factory that shares them, and written under the one name",
        shared_weights,
        given="digits",
        architecture=Architecture(kind="module", factory=f"{__name__}:sharing", kwargs={}),
        check=check_sharing,
    ),
]
