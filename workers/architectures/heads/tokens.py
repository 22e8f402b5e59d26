"""Classifiers of tokens, such as names in a text: every token of a row is a decision."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from workers.architectures.base import ArchitectureError
from workers.architectures.networks import MASK, TEXT, Classifier
from workers.unlearning.inputs import DECIDED, Inputs

# What transformers calls the layer that scores each token.
LAYERS = ("classifier", "score")


class TokenClassifier(Classifier):
    """Answers a batch of tokens, each given by its row and its number there.

    `DECIDED` (b,) counts the tokens of a row that the attention mask leaves. Without it a row is
    answered for its second token, or for the only one.
    """

    representation = "embedding"

    def __init__(self, network: PreTrainedModel) -> None:
        """Raises `ArchitectureError` if no linear layer is known to score the tokens."""
        super().__init__(network)
        layers = (getattr(network, name, None) for name in LAYERS)
        layer = next((one for one in layers if isinstance(one, nn.Linear)), None)
        if layer is None or network.main_input_name != TEXT:
            raise ArchitectureError(
                f"{type(network).__name__} has no linear layer of the name "
                f"{' or '.join(LAYERS)} that marks the tokens of a text."
            )
        self.embedding = nn.Identity()
        self._states: Tensor | None = None
        # A bound method, which a copy of this network has for itself.
        layer.register_forward_pre_hook(self._keep)

    def forward(self, inputs: Inputs) -> Tensor:
        named = {TEXT: inputs} if isinstance(inputs, Tensor) else dict(inputs)
        ids = named[TEXT]
        mask = named.get(MASK, torch.ones_like(ids))
        lengths = mask.sum(dim=1)
        number = named.pop(DECIDED, (lengths - 1).clamp(max=1))
        # One pass serves all tokens of a row that come one after the other.
        new = torch.ones(len(ids), dtype=torch.bool, device=ids.device)
        new[1:] = (ids[1:] != ids[:-1]).any(dim=1) | (mask[1:] != mask[:-1]).any(dim=1)
        row = new.cumsum(dim=0) - 1
        answer, _ = self.ask({name: tensor[new] for name, tensor in named.items()})
        states, self._states = self._states, None
        logits = answer["logits"]
        if states is None or logits.ndim != 3 or logits.shape[:2] != (int(new.sum()), ids.shape[1]):
            raise ArchitectureError(
                f"{type(self.network).__name__} answers with logits of shape "
                f"{list(logits.shape)}, and not with one decision a token."
            )
        at = (mask.cumsum(dim=1) == (number + 1).unsqueeze(1)).int().argmax(dim=1)
        self.embedding(states[row, at])
        decided: Tensor = self.decide(logits[row, at])
        return decided

    def _keep(self, _layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._states = inputs[0]
