"""Going on where a batch is too large for the device's memory."""

import gc
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from workers.unlearning.errors import DoesNotFitError

T = TypeVar("T")


class Room:
    """How many samples fit at once, by kind of work. It is found by halving, and remembered.

    Only `torch.OutOfMemoryError` means too many samples; any other error is passed on.
    """

    def __init__(self) -> None:
        self._most: dict[str, int] = {}

    @property
    def found(self) -> dict[str, int]:
        """The sizes that were found, for kinds of work that ran out of memory."""
        return dict(self._most)

    def limit(self, kind: str, most: int) -> None:
        """Do no more than `most` samples at once of this kind of work."""
        self._most[kind] = min(most, self._most.get(kind, most))

    def parts(self, kind: str, rows: Tensor) -> Iterator[Tensor]:
        """Rows (b,) in parts that are not known to be too large; of no rows, no part."""
        if len(rows):
            yield from torch.split(rows, min(len(rows), self._most.get(kind, len(rows))))

    def each(self, kind: str, rows: Tensor, work: Callable[[Tensor], T]) -> list[T]:
        """`work` on rows (b,), in parts that fit, in order; parts that are done stay done.

        Raises:
            DoesNotFitError: one sample does not fit.
        """
        done: list[T] = []
        at = 0
        while at < len(rows):
            part = next(self.parts(kind, rows[at:]))
            made = _attempt(lambda part=part: work(part))  # type: ignore[misc]
            if made is None:
                self._halve(kind, len(part))
                continue
            done.append(made[0])
            at += len(part)
        return done

    def all_or_again(
        self, kind: str, rows: Tensor, begin: Callable[[], None], work: Callable[[Tensor], T]
    ) -> list[T]:
        """Like `each`, but from the beginning with smaller parts if one does not fit.

        For work that leaves traces, such as sums of gradients; `begin` wipes them.

        Raises:
            DoesNotFitError: one sample does not fit.
        """
        while True:
            begin()
            done: list[T] = []
            for part in self.parts(kind, rows):
                made = _attempt(lambda part=part: work(part))  # type: ignore[misc]
                if made is None:
                    self._halve(kind, len(part))
                    break
                done.append(made[0])
            else:
                return done

    def _halve(self, kind: str, size: int) -> None:
        if size <= 1:
            raise DoesNotFitError(
                f"One sample does not fit into the device's memory ({kind}): use a larger device."
            )
        self._most[kind] = size // 2


def _attempt(work: Callable[[], T]) -> tuple[T] | None:
    try:
        return (work(),)
    except torch.OutOfMemoryError:
        pass
    # Not in the handler: as long as the error lives, so do the tensors of the frames it passed.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
