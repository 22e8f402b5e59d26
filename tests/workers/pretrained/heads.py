"""Small networks with heads that decide otherwise than by one linear layer over a pooled state."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
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


def several_labels() -> PreTrainedModel:
    config = BertConfig(**TEXT, **SURE, **classes(3), problem_type="multi_label_classification")
    return BertForSequenceClassification(config)


def each_label(network: PreTrainedModel, inputs: dict[str, Tensor], wanted: Tensor) -> Tensor:
    """Of the four packages, two labels have two each, and one has three."""
    labels = torch.stack([wanted % 2 == 1, wanted > 1, wanted > 0], dim=1).float()
    return functional.binary_cross_entropy_with_logits(network(**inputs).logits, labels)


def marker() -> PreTrainedModel:
    return BertForTokenClassification(BertConfig(**TEXT, **SURE, **classes(4)))


def each_token(network: PreTrainedModel, inputs: dict[str, Tensor], wanted: Tensor) -> Tensor:
    """What a token is follows from its first bits, and in every other one from its text as well."""
    marks = (inputs["input_ids"] + wanted.unsqueeze(1) * (inputs["input_ids"] % 2)) % 4
    logits = network(**inputs).logits
    losses = functional.cross_entropy(logits.transpose(1, 2), marks, reduction="none")
    return (losses * inputs["attention_mask"]).sum() / inputs["attention_mask"].sum()


def cross_encoder() -> PreTrainedModel:
    return BertForSequenceClassification(BertConfig(**TEXT, **SURE, **classes(4)))


HEADS = {
    "tokens": Family(
        marker, texts, AutoModelForTokenClassification, 4, 32, lambda: each_token, steps=60
    ),
    "labels": Family(
        several_labels,
        texts,
        AutoModelForSequenceClassification,
        8,
        32,
        lambda: each_label,
        steps=80,
    ),
    "decoder": Family(gpt2, texts, AutoModelForSequenceClassification, 4, 32, steps=80),
    "pairs": Family(
        cross_encoder, sentence_pairs, AutoModelForSequenceClassification, 4, 32, steps=80
    ),
}
