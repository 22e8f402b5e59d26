"""The tokens of rows of text, each as a sample."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from workers.unlearning.base import Samples
from workers.unlearning.inputs import DECIDED, Inputs

IDS, MASK = "input_ids", "attention_mask"
AT_ONCE = 1024


class TokenSamples:
    """Tokens of rows (n,) that a tokenizer has made, in their order, without special ones.

    A row without any other token is there by its first one. Rows are read once for it.
    """

    def __init__(self, rows: Samples, special: frozenset[int]) -> None:
        self._rows = rows
        parts = list(_tokens(rows, special))
        self._row, self._number, self._id = (
            torch.cat([part[column] for part in parts]).int() if parts else torch.empty(0)
            for column in range(3)
        )

    def __len__(self) -> int:
        return len(self._row)

    def batch(self, positions: Tensor) -> Inputs:
        """Tokens at `positions` (b,): the tensors of their rows, and their numbers there (b,)."""
        wanted, inverse = self._row[positions].long().unique(return_inverse=True)
        rows = self._rows.batch(wanted)
        assert isinstance(rows, dict)  # noqa: S101 (a tokenizer gives several tensors)
        named = {name: tensor[inverse] for name, tensor in rows.items()}
        return named | {DECIDED: self._number[positions].long()}

    def frequencies(self) -> Tensor:
        """How often each token ID is there (v,)."""
        return torch.bincount(self._id)

    def one_of_each(self, frequencies: Tensor, seed: int) -> Samples:
        """One token of each row, drawn with a chance that falls with how frequent it is.

        What a network knows of a row by heart is in its rare tokens, such as names; that a token
        is rare does not depend on what was trained on.
        """
        known = torch.zeros(max(len(frequencies), int(self._id.max()) + 1))
        known[: len(frequencies)] = frequencies
        # The smallest of exponential variables is one of them with a chance that is its rate's.
        drawn = torch.empty(len(self)).exponential_(generator=torch.Generator().manual_seed(seed))
        keys = drawn * (1 + known[self._id.long()])
        order = keys.argsort(stable=True)
        order = order[self._row[order].argsort(stable=True)]
        rows = self._row[order]
        first = torch.ones(len(rows), dtype=torch.bool)
        first[1:] = rows[1:] != rows[:-1]
        return Chosen(self, order[first])


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Of the tokens that stand for nothing in a text; one for an unknown word does."""
    names = ("bos", "cls", "eos", "mask", "pad", "sep")
    found = {getattr(tokenizer, f"{name}_token_id") for name in names}
    return frozenset(found - {None, tokenizer.unk_token_id})


class Chosen:
    """Some of the samples of a set, at `places` (m,) there."""

    def __init__(self, samples: Samples, places: Tensor) -> None:
        self._samples = samples
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def batch(self, positions: Tensor) -> Inputs:
        return self._samples.batch(self._places[positions])


def _tokens(rows: Samples, special: frozenset[int]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Row, number among the tokens that are no padding, and ID of each token, (t,) each."""
    without = torch.tensor(sorted(special), dtype=torch.int64)
    for part in torch.arange(len(rows)).split(AT_ONCE):
        batch = rows.batch(part)
        assert isinstance(batch, dict)  # noqa: S101 (a tokenizer gives several tensors)
        ids, mask = batch[IDS], batch[MASK].bool()
        numbers = batch[MASK].cumsum(dim=1) - 1
        real = mask & ~torch.isin(ids, without)
        empty = ~real.any(dim=1)
        real[empty] = mask[empty] & (numbers[empty] == 0)
        row, place = real.nonzero(as_tuple=True)
        yield part[row], numbers[row, place], ids[row, place]
