"""Datasets on the wire."""

from collections import Counter
from math import prod
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    Field,
    field_validator,
    model_validator,
)

from service.api.schemas import URI, Body, Name, Resource, ShortText, by_kind
from service.core.reasons import JobReason
from service.core.tables import DatasetState


class ArrayInput(Body):
    """Numbers in a list or fixed-size list column, in C order."""

    column: ShortText
    kind: Literal["array"]
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=8)]
    scale: float | None = Field(
        default=None, description="Every number is multiplied by this before the model sees it."
    )

    @field_validator("shape")
    @classmethod
    def fits_in_memory(cls, shape: list[int]) -> list[int]:
        if prod(shape) > 2**28:
            raise ValueError("one sample may hold 2^28 numbers at the most")
        return shape


class ImageInput(Body):
    """Encoded images, such as PNG or JPEG: binary, or the struct of `bytes` and `path`.

    The struct is that of Hugging Face datasets; only its `bytes` are read.
    """

    column: ShortText
    kind: Literal["image"]


class TextInput(Body):
    """Strings. The model's own tokenizer reads them."""

    column: ShortText
    kind: Literal["text"]


class AudioInput(Body):
    """Encoded sounds, such as WAV or FLAC, as with images; or waveforms as lists of numbers."""

    column: ShortText
    kind: Literal["audio"]
    sampling_rate: int = Field(
        ge=1000,
        le=768_000,
        description="Of the waveforms, in Hz. An encoded sound tells its own, and is resampled.",
        examples=[16000],
    )


Input = Annotated[
    ArrayInput | ImageInput | TextInput | AudioInput,
    Field(discriminator="kind"),
    by_kind(array=ArrayInput, image=ImageInput, text=TextInput, audio=AudioInput),
]


class DatasetCreate(Body):
    """A training set: Parquet files, a column of stable sample IDs, and input columns."""

    name: Name
    uri: URI = Field(
        description="An fsspec URL; may hold a glob. Files are read in order of name.",
        examples=["file:///data/fashion/train/*.parquet"],
    )
    holdout_uri: URI | None = Field(
        default=None,
        description="Files of samples that were never trained on, with the same columns. "
        "No label is read. Without them membership cannot be audited.",
    )
    id_column: ShortText
    label_column: ShortText | None = Field(
        default=None, description="Named so that reports may read it. Unlearning never does."
    )
    inputs: Annotated[list[Input], Field(min_length=1, max_length=4)] = Field(
        description="What the model is given of a sample: one array, or at most one column each of "
        "image, text and audio."
    )

    @field_validator("inputs")
    @classmethod
    def go_together(cls, inputs: list[Input]) -> list[Input]:
        kinds = Counter(given.kind for given in inputs)
        if len(inputs) > 1 and kinds["array"]:
            raise ValueError("an array is the only input of a sample")
        if max(kinds.values()) > 1:
            raise ValueError("there is at most one column of each kind")
        return inputs

    @model_validator(mode="after")
    def columns_differ(self) -> Self:
        columns = [self.id_column, *(given.column for given in self.inputs)]
        if self.label_column is not None:
            columns.append(self.label_column)
        if len(set(columns)) != len(columns):
            raise ValueError("ID, label and input columns must be different columns")
        return self


class DatasetRead(Resource):
    name: str
    state: DatasetState
    reason: str | None = Field(description="Why the dataset is invalid.")
    reason_code: JobReason | None = Field(description="The same for programs.")
    uri: str
    holdout_uri: str | None
    id_column: str
    label_column: str | None
    inputs: list[Input]
    rows: int | None
    holdout_rows: int | None
    tv: int = Field(description="The tombstone clock: grows with every deletion request.")
    created_at: AwareDatetime
    indexed_at: AwareDatetime | None
