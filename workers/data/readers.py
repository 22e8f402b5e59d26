"""From a column of each kind to what is kept on scratch space, and from there to tensors."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from workers.data import columns, decoding
from workers.data.decoding import Where
from workers.data.errors import DatasetError
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, InputSpec, PairSpec, TextSpec

Named = dict[str, Tensor]
Rows = list[npt.NDArray[Any]]


class Images(Protocol):
    def batch(self, images: Iterable[Image.Image], where: Where) -> Named:
        """Images in RGB -> tensors of b images by name. One image is in memory at a time."""
        ...


class Texts(Protocol):
    def encode(self, texts: list[str]) -> Rows:
        """Texts -> token IDs (length,) each, no more than the model takes."""
        ...

    def encode_pairs(self, first: list[str], second: list[str]) -> Rows:
        """Pairs of texts -> token IDs and as many token types behind them, (2 length,) each."""
        ...

    def batch(self, tokens: Rows, longest: int, types: Rows | None = None) -> Named:
        """Token IDs -> padded tensors (b, t) by name. No text of the data has over `longest`.

        `types` are those of the tokens; zeros if there are none.
        """
        ...


class Sounds(Protocol):
    @property
    def sampling_rate(self) -> int | None:
        """What waveforms are resampled to, in Hz; None: what the dataset says."""
        ...

    def batch(self, waveforms: Rows, longest: int) -> Named:
        """Waveforms (length,) float32 -> padded tensors by name. None has over `longest`."""
        ...


class Reader(Protocol):
    """Reads a column whose rows have different lengths.

    `encode` makes of a batch of it one array (length,) of the type `dtype` a row, once, while it is
    copied. `batch` makes of these the tensors of b samples by name, each time that they are read.

    Raises:
        DatasetError: a row holds no such input, or a broken one; the message names the row.
    """

    @property
    def spec(self) -> InputSpec: ...

    @property
    def dtype(self) -> npt.DTypeLike: ...

    def encode(self, column: Any, where: Where) -> Iterable[npt.NDArray[Any]]: ...

    def batch(self, values: Rows, longest: int, where: Where) -> Named: ...


@dataclass(frozen=True)
class ArrayReader:
    """Arrays lie on disk as they are: there is nothing to encode."""

    spec: ArraySpec
    name: str

    def batch(self, values: npt.NDArray[Any]) -> Named:
        """Numbers (b, *shape) of any type -> the same in float32, scaled, by name.

        Whatever float32 would turn into another number was refused when they were copied.
        """
        tensor = torch.from_numpy(values.astype(np.float32))
        return {self.name: tensor if self.spec.scale is None else tensor.mul_(self.spec.scale)}


@dataclass(frozen=True)
class ImageReader:
    """Images stay encoded on disk, and are decoded each time."""

    spec: ImageSpec
    images: Images
    dtype: ClassVar[npt.DTypeLike] = np.uint8

    def encode(self, column: Any, where: Where) -> Rows:
        encoded = contents(column, self.spec, where)
        return [np.frombuffer(one.as_buffer(), np.uint8) for one in encoded]

    def batch(self, values: Rows, longest: int, where: Where) -> Named:  # noqa: ARG002
        encoded = (value.tobytes() for value in values)
        what = f"image in {self.spec.column}"
        return self.images.batch(decoding.each(encoded, decoding.to_image, what, where), where)


@dataclass(frozen=True)
class TextReader:
    """Texts are token IDs on disk."""

    spec: TextSpec
    texts: Texts
    dtype: ClassVar[npt.DTypeLike] = np.int32

    def encode(self, column: Any, where: Where) -> Rows:
        held = contents(column, self.spec, where)
        what = f"text in {self.spec.column}"
        return self.texts.encode(list(decoding.each(held, lambda one: one.as_py(), what, where)))

    def batch(self, values: Rows, longest: int, where: Where) -> Named:  # noqa: ARG002
        return self.texts.batch(values, longest)


@dataclass(frozen=True)
class PairReader:
    """Pairs of texts are token IDs on disk, with as many token types behind them."""

    spec: PairSpec
    texts: Texts
    dtype: ClassVar[npt.DTypeLike] = np.int32

    def encode(self, column: Any, where: Where) -> Rows:
        """From a struct of `first` and `second`."""
        both = []
        for part, name in zip(self.spec.parts, ("first", "second"), strict=True):
            held, what = contents(column.field(name), part, where), f"text in {part.column}"
            both.append(list(decoding.each(held, lambda one: one.as_py(), what, where)))
        return self.texts.encode_pairs(*both)

    def batch(self, values: Rows, longest: int, where: Where) -> Named:  # noqa: ARG002
        tokens, types = zip(*(np.split(value, 2) for value in values), strict=True)
        return self.texts.batch(list(tokens), longest // 2, list(types))


@dataclass(frozen=True)
class SoundReader:
    """Sounds are waveforms on disk, at the sampling rate of the model."""

    spec: AudioSpec
    sounds: Sounds
    dtype: ClassVar[npt.DTypeLike] = np.float32

    def encode(self, column: Any, where: Where) -> Iterator[npt.NDArray[Any]]:
        """One after the other: decoded, a batch may be a hundred times as large."""
        held, spec = contents(column, self.spec, where), self.spec
        rate, what = self.sounds.sampling_rate or spec.sampling_rate, f"sound in {spec.column}"

        def from_numbers(numbers: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
            return decoding.from_numbers(numbers, spec.sampling_rate, rate)

        if columns.is_waveform(held):
            numbers = (one.values.to_numpy(zero_copy_only=False) for one in held)
            return decoding.each(numbers, from_numbers, what, where)
        encoded = (one.as_py() for one in held)
        return decoding.each(encoded, lambda one: decoding.to_waveform(one, rate), what, where)

    def batch(self, values: Rows, longest: int, where: Where) -> Named:  # noqa: ARG002
        return self.sounds.batch(values, longest)


def contents(column: Any, spec: InputSpec, where: Where) -> Any:
    """A batch of a column without structs and dictionaries.

    Raises:
        DatasetError: a row holds no such input.
    """
    wrong = columns.misfits(column, spec)
    if wrong.rows:
        raise DatasetError(f"{where(wrong.rows[0])} {wrong.complaint}.")
    return columns.contents(column, spec)
