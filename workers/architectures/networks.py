"""A network of `transformers` behind the interface that unlearning knows."""

import inspect
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from workers.architectures.base import ArchitectureError
from workers.architectures.pooling import frame_mask, pool_positions, pool_tokens
from workers.architectures.sentences import Sentences
from workers.unlearning.inputs import Inputs

IMAGE, TEXT, SOUND = "pixel_values", "input_ids", "input_values"
MASK, TYPES = "attention_mask", "token_type_ids"


class Network(nn.Module):
    """The inner network is `network`, so its tensors keep their names behind that prefix.

    What answers differently in training stays as it is in evaluation: dropout, dropped layers and
    masked spectrograms. Answers of a parent without them are what is learnt, and the same problem
    gives the same bytes. Only norms with running statistics are trained as such.
    """

    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__()
        self.network = network
        self._takes = set(inspect.signature(network.forward).parameters)

    def train(self, mode: bool = True) -> Self:
        super().train(False)
        for module in self.modules():
            if getattr(module, "running_mean", None) is not None:
                module.training = mode
        self.training = mode
        return self

    def ask(self, inputs: Inputs) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
        """What the inner network answers, and the inputs by name.

        Raises:
            ArchitectureError: the inputs are of another kind than the network takes.
        """
        named = {self.network.main_input_name: inputs} if isinstance(inputs, Tensor) else inputs
        # These are zeros, and a network without token types has no use for them.
        left_out = {TYPES} - self._takes
        named = {name: tensor for name, tensor in named.items() if name not in left_out}
        unknown = sorted(set(named) - self._takes)
        if unknown:
            raise ArchitectureError(
                f"{type(self.network).__name__} takes {self.network.main_input_name}; the inputs "
                f"of the dataset give {', '.join(unknown)}."
            )
        answer = self.network(**named, return_dict=True)
        return answer, named


class Classifier(Network):
    """Answers with what `decide` makes of the logits (b, l) that its own head gives.

    That is these themselves, unless a sample has several labels.
    """

    # What enters it is what the representation is looked for behind.
    decided_by = "decide"

    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__(network)
        self.decide: nn.Module = nn.Identity()

    def forward(self, inputs: Inputs) -> Tensor:
        answer, _ = self.ask(inputs)
        logits = answer["logits"]
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            raise ArchitectureError(
                f"{type(self.network).__name__} answers with logits of shape "
                f"{list(getattr(logits, 'shape', []))}, and not with one decision a sample."
            )
        decided: Tensor = self.decide(logits)
        return decided


class Encoder(Network):
    """Answers with what `head` makes of the representation; at first, that itself (b, d).

    The output of `embedding` is the representation. `behind` has the modules that follow pooling,
    and `skipped` the number of tokens of a prompt that pooling leaves out.
    """

    representation = "embedding"

    def __init__(self, network: PreTrainedModel, sentences: Sentences, skipped: int = 0) -> None:
        super().__init__(network)
        self.behind = sentences.behind()
        self.embedding = nn.Identity()
        self.head: nn.Module = nn.Identity()
        self._modes, self._skipped = sentences.modes, skipped

    def forward(self, inputs: Inputs) -> Tensor:
        answer, named = self.ask(inputs)
        logits: Tensor = self.head(self.embedding(self._represent(answer, named)))
        return logits

    def _represent(self, answer: Mapping[str, Any], named: dict[str, Tensor]) -> Tensor:
        towers = [name for name in answer if name.endswith("_embeds")]
        if len(self.behind) and (towers or self.network.main_input_name != TEXT):
            raise ArchitectureError(
                f"modules.json has modules behind the pooling of {type(self.network).__name__}: "
                "that is done for networks of text only."
            )
        if towers:
            units = [functional.normalize(answer[name], dim=-1) for name in sorted(towers)]
            return torch.cat(units, dim=1)
        states = answer.get("last_hidden_state")
        if not isinstance(states, Tensor):
            raise ArchitectureError(
                f"{type(self.network).__name__} answers with {', '.join(answer)}: there is no "
                "representation among them."
            )
        if self.network.main_input_name == TEXT:
            everywhere = torch.ones(states.shape[:2], dtype=torch.int64, device=states.device)
            mask = named.get(MASK, everywhere)
            by_mode = [pool_tokens(states, mask, mode, self._skipped) for mode in self._modes]
            vectors: Tensor = self.behind(torch.cat(by_mode, dim=1))
            return vectors
        if self.network.main_input_name == SOUND and hasattr(self.network.config, "conv_stride"):
            sound = named[SOUND]
            mask = named.get(MASK, torch.ones_like(sound, dtype=torch.int64))
            frames = frame_mask(mask, states.shape[1], self.network.config)
            return pool_tokens(states, frames, "mean")
        pooled = answer.get("pooler_output")
        if pooled is not None:
            return torch.flatten(pooled, start_dim=1)
        if MASK not in named:
            return pool_positions(states)
        if named[MASK].shape != states.shape[:2]:
            raise ArchitectureError(
                f"{type(self.network).__name__} makes {states.shape[1]} states of "
                f"{named[MASK].shape[1]} positions: which of them are padding cannot be told."
            )
        return pool_tokens(states, named[MASK], "mean")
