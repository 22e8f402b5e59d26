"""Classifiers over decoders: the state of a text's last token is what is scored."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from workers.architectures.base import ArchitectureError
from workers.architectures.networks import TEXT, Classifier
from workers.data.errors import DatasetError
from workers.data.processing import Processing
from workers.unlearning.inputs import Inputs

# What transformers calls the layer, in networks of these types and in all others.
SCORES = {"ctrl": "classifier", "modernbert-decoder": "classifier"}
SCORE = "score"


def score_of(network: PreTrainedModel) -> nn.Linear | None:
    """What scores every token of a text, the last one of which decides; None if nothing does."""
    layer = getattr(network, SCORES.get(network.config.model_type, SCORE), None)
    return layer if network.main_input_name == TEXT and isinstance(layer, nn.Linear) else None


class DecoderClassifier(Classifier):
    """A `Classifier` that shows what enters its score layer at the last token that is no padding.

    That is the rightmost one whose ID is not the padding's, as `transformers` finds it.
    """

    representation = "embedding"

    def __init__(self, network: PreTrainedModel, score: nn.Linear) -> None:
        """Raises `ArchitectureError` if nothing says what padding is."""
        super().__init__(network)
        self._padding = padding_of(network)
        self.embedding = nn.Identity()
        self._states: Tensor | None = None
        # A bound method, which a copy of this network has for itself.
        score.register_forward_pre_hook(self._keep)
        # Nothing goes on from what was read before.
        network.config.use_cache = False

    def forward(self, inputs: Inputs) -> Tensor:
        logits = super().forward(inputs)
        states, self._states = self._states, None
        if states is None:
            raise ArchitectureError("The score layer took no part in what the network answered.")
        ids = inputs if isinstance(inputs, Tensor) else inputs[TEXT]
        there = (ids != self._padding).int()
        last = (there * torch.arange(ids.shape[1], device=ids.device)).argmax(dim=1)
        self.embedding(states[torch.arange(len(states), device=states.device), last])
        return logits

    def _keep(self, _score: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._states = inputs[0]


def padding_of(network: PreTrainedModel) -> int:
    """The ID of the token that is padding.

    Raises:
        ArchitectureError: the configuration does not say.
    """
    config: PreTrainedConfig = network.config.get_text_config()
    padding = config.pad_token_id
    if not isinstance(padding, int):
        raise ArchitectureError(
            f'config.json names no "pad_token_id", by which {type(network).__name__} finds the '
            "last token of a text: write the number of the tokenizer's padding token there."
        )
    return padding


def refuse_other_padding(processing: Processing, config: PreTrainedConfig) -> None:
    """The network would take other padding than its own for the end of a text.

    Raises:
        DatasetError: the tokenizer pads with another token than the network knows.
    """
    tokenizer = getattr(processing.texts, "tokenizer", None)
    known = config.get_text_config().pad_token_id
    if tokenizer is not None and tokenizer.pad_token_id != known:
        raise DatasetError(
            f"The tokenizer pads with token {tokenizer.pad_token_id}, and config.json says that "
            f"padding is {known}: the network would score padding. Make them agree."
        )
