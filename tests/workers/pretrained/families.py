"""One small network of each family that can be registered."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoModel,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    CLIPConfig,
    CLIPModel,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2ForSequenceClassification,
)

from tests.workers.pretrained.data import Data, images, pairs, texts, tones
from tests.workers.pretrained.training import Loss, cross_entropy

VOCABULARY = 500
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
TEXT: dict[str, Any] = {**SMALL, "vocab_size": VOCABULARY, "max_position_embeddings": 32}
# Without dropout it knows its few texts by heart, and decides on them surely.
SURE: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
IMAGE: dict[str, Any] = {**SMALL, "image_size": 8, "patch_size": 2}
SOUND: dict[str, Any] = {
    **SMALL,
    "conv_dim": (16, 32),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 16,
    "mask_time_prob": 0.0,
}


def resnet() -> PreTrainedModel:
    shape: dict[str, Any] = {"embedding_size": 16, "hidden_sizes": [32, 64], "depths": [1, 1]}
    return ResNetForImageClassification(ResNetConfig(**shape, layer_type="basic", **classes(10)))


def vit() -> PreTrainedModel:
    return ViTForImageClassification(ViTConfig(**IMAGE, **classes(10)))


def vit_encoder() -> PreTrainedModel:
    return ViTModel(ViTConfig(**IMAGE))


def bert() -> PreTrainedModel:
    return BertForSequenceClassification(BertConfig(**TEXT, **SURE, **classes(4)))


def bert_encoder() -> PreTrainedModel:
    return BertModel(BertConfig(**TEXT), add_pooling_layer=False)


def wav2vec2() -> PreTrainedModel:
    return Wav2Vec2ForSequenceClassification(Wav2Vec2Config(**SOUND, **classes(4)))


def clip() -> PreTrainedModel:
    text = {**TEXT, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=IMAGE, projection_dim=16))


def classes(count: int) -> dict[str, Any]:
    return {"num_labels": count}


def contrast(network: PreTrainedModel, inputs: dict[str, Tensor], wanted: Tensor) -> Tensor:
    """Images and captions of one digit belong together; `wanted` (b,) is the digit."""
    scores = network(**inputs).logits_per_image
    alike = (wanted.unsqueeze(0) == wanted.unsqueeze(1)).float()
    goal = alike / alike.sum(dim=1, keepdim=True)
    return functional.cross_entropy(scores, goal) + functional.cross_entropy(scores.T, goal)


def probe() -> Loss:
    """What makes an encoder's mean state tell the classes apart, by a head that is thrown away."""
    head = nn.Linear(SMALL["hidden_size"], 10)

    def loss(network: PreTrainedModel, inputs: dict[str, Tensor], wanted: Tensor) -> Tensor:
        states = network(**inputs)
        pooled = states.pooler_output
        pooled = states.last_hidden_state.mean(dim=1) if pooled is None else pooled
        return functional.cross_entropy(head(pooled) * 5, wanted)

    return loss


@dataclass(frozen=True)
class Family:
    """`logits` is how many numbers a sample is answered with, or None without a head.

    One that is `misled` learns wrong labels of the samples that are forgotten later, by heart.
    `parameters` are of redirection.
    """

    make: Callable[[], PreTrainedModel]
    data: Callable[[], Data]
    auto: Any
    logits: int | None
    width: int
    loss: Callable[[], Loss] = lambda: cross_entropy
    steps: int = 150
    misled: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)


# Twenty steps of the usual size move these representations by a tenth, and in bfloat16 by more.
CAREFUL = {"learning_rate": 3e-4}

FAMILIES = {
    "resnet": Family(resnet, images, AutoModelForImageClassification, 10, 64, misled=True),
    "vit": Family(vit, images, AutoModelForImageClassification, 10, 32, steps=500, misled=True),
    "bert": Family(bert, texts, AutoModelForSequenceClassification, 4, 32, steps=250, misled=True),
    "wav2vec2": Family(wav2vec2, tones, AutoModelForAudioClassification, 4, 16),
    "clip": Family(clip, pairs, AutoModel, None, 32, lambda: contrast),
    "text encoder": Family(bert_encoder, texts, AutoModel, None, 32, probe, parameters=CAREFUL),
    "image encoder": Family(vit_encoder, images, AutoModel, None, 32, probe),
}


def seeded(make: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()
