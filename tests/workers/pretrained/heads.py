"""Small networks with heads that decide otherwise than by one linear layer over a pooled state."""

from typing import Any

from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedModel,
)

from tests.workers.pretrained.data import sentence_pairs, texts
from tests.workers.pretrained.families import SURE, TEXT, VOCABULARY, Family, classes

GPT: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 32}


def gpt2() -> PreTrainedModel:
    config = GPT2Config(vocab_size=VOCABULARY, pad_token_id=0, **GPT, **classes(4))
    return GPT2ForSequenceClassification(config)


def cross_encoder() -> PreTrainedModel:
    return BertForSequenceClassification(BertConfig(**TEXT, **SURE, **classes(4)))


HEADS = {
    "decoder": Family(gpt2, texts, AutoModelForSequenceClassification, 4, 32, steps=80),
    "pairs": Family(
        cross_encoder, sentence_pairs, AutoModelForSequenceClassification, 4, 32, steps=80
    ),
}
