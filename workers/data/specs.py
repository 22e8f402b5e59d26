"""Input columns as they were registered: what is in them, and how it is to be read.

Kinds: `array` (lists of numbers), `image` and `audio` (encoded files; audio may be lists of numbers
as well), `text`.
"""

from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter


@dataclass(frozen=True)
class ArraySpec:
    """One input column: `shape` of a sample, and what its numbers are multiplied by."""

    column: str
    shape: tuple[int, ...]
    scale: float | None = None
    kind: Literal["array"] = "array"

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class ImageSpec:
    """Encoded images: binary, or the struct of `bytes` and `path` of Hugging Face datasets."""

    column: str
    kind: Literal["image"] = "image"


@dataclass(frozen=True)
class TextSpec:
    column: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class PairSpec(TextSpec):
    """Two columns of texts that are read as one, `column` before `second`."""

    second: str = ""

    @property
    def parts(self) -> tuple[TextSpec, TextSpec]:
        return TextSpec(self.column), TextSpec(self.second)


@dataclass(frozen=True)
class AudioSpec:
    """Encoded sounds as with images, or waveforms as lists of numbers.

    `sampling_rate` in Hz is that of the waveforms; an encoded sound tells its own.
    """

    column: str
    sampling_rate: int
    kind: Literal["audio"] = "audio"


InputSpec: TypeAlias = ArraySpec | ImageSpec | TextSpec | AudioSpec


def parts_of(spec: InputSpec) -> tuple[InputSpec, ...]:
    """The inputs of one column each."""
    return spec.parts if isinstance(spec, PairSpec) else (spec,)


# As a field of a plan: the kind tells which of them it is.
KindOfInput = Annotated[InputSpec, Field(discriminator="kind")]

_READER: TypeAdapter[InputSpec] = TypeAdapter(KindOfInput)


def spec_of(given: dict[str, Any]) -> InputSpec:
    """From an input as it is stored with its dataset."""
    return _READER.validate_python(given)
