"""Datasets on the wire."""

from collections import Counter
from math import prod
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from service.api.schemas import URI, Body, Name, Resource, ShortText, by_kind
from service.core.formats import DatasetFormat
from service.core.reasons import JobReason
from service.core.tables import DatasetState


def as_digits(given: object) -> object:
    """A snapshot's number as text: in JSON an ID of Iceberg has more digits than many readers keep.

    An integer is taken as well.
    """
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


def is_snapshot(given: str) -> str:
    if int(given) >= 2**63:
        raise ValueError("it has more than 63 bits")
    return str(int(given))


SnapshotName = Annotated[
    str,
    Field(pattern="^[0-9]{1,19}$"),
    BeforeValidator(as_digits, json_schema_input_type=str | int),
    AfterValidator(is_snapshot),
]


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
    """A training set: Parquet files or a table, with stable sample IDs and input columns."""

    name: Name
    uri: URI = Field(
        description="An fsspec URL; may hold a glob. Files are read in order of name. Of a table, "
        "its folder; of an Iceberg table, one of its `metadata.json` files as well.",
        examples=["file:///data/fashion/train/*.parquet"],
    )
    format: DatasetFormat = Field(
        default=DatasetFormat.PARQUET,
        description="What lies at `uri`: plain Parquet files, or a table whose log says which rows "
        "are left.",
    )
    snapshot: SnapshotName | None = Field(
        default=None,
        description="Of a Delta table the version, of an Iceberg table the snapshot's ID. Left "
        "out: the current one when the dataset is indexed. The answer has the one that was read.",
        examples=["17"],
    )
    holdout_uri: URI | None = Field(
        default=None,
        description="Files of samples that were never trained on, with the same columns. "
        "No label is read. Without them membership cannot be audited.",
    )
    holdout_format: DatasetFormat = Field(
        default=DatasetFormat.PARQUET, description="As `format`, of `holdout_uri`."
    )
    holdout_snapshot: SnapshotName | None = Field(
        default=None, description="As `snapshot`, of `holdout_uri`."
    )
    id_column: ShortText
    label_column: ShortText | None = Field(
        default=None, description="Named so that reports may read it. Unlearning never does."
    )
    inputs: Annotated[list[Input], Field(min_length=1, max_length=4)] = Field(
        description="What the model is given of a sample: one array, or at most one column each of "
        "image, text and audio, or two of text, which the tokenizer reads as a pair in this order."
    )

    @field_validator("inputs")
    @classmethod
    def go_together(cls, inputs: list[Input]) -> list[Input]:
        kinds = Counter(given.kind for given in inputs)
        if len(inputs) > 1 and kinds["array"]:
            raise ValueError("an array is the only input of a sample")
        pair = kinds == {"text": 2}
        if max(kinds.values()) > 1 and not pair:
            raise ValueError(
                "there is at most one column of each kind, or two of text that are read as a pair"
            )
        return inputs

    @model_validator(mode="after")
    def tables_are_named_by_their_folders(self) -> Self:
        refuse_misnamed_table("", self.uri, self.format, self.snapshot)
        refuse_misnamed_table(
            "holdout_", self.holdout_uri, self.holdout_format, self.holdout_snapshot
        )
        return self

    @model_validator(mode="after")
    def columns_differ(self) -> Self:
        columns = [self.id_column, *(given.column for given in self.inputs)]
        if self.label_column is not None:
            columns.append(self.label_column)
        if len(set(columns)) != len(columns):
            raise ValueError("ID, label and input columns must be different columns")
        return self


def refuse_misnamed_table(
    prefix: str, uri: str | None, format_: DatasetFormat, snapshot: str | None
) -> None:
    """Raise ValueError for a table that is named like files, or files like a table."""
    if format_ == DatasetFormat.PARQUET:
        if snapshot is not None:
            raise ValueError(f"{prefix}snapshot is of a table: say its {prefix}format")
    elif uri is None:
        raise ValueError(f"{prefix}format says what lies at {prefix}uri: name that as well")
    elif any(character in uri for character in "*?["):
        raise ValueError(f"{prefix}uri names a table by its folder, without a glob")


class DatasetRead(Resource):
    name: str
    state: DatasetState
    reason: str | None = Field(description="Why the dataset is invalid.")
    reason_code: JobReason | None = Field(description="The same for programs.")
    uri: str
    format: DatasetFormat
    snapshot: str | None = Field(
        description="Of a table: the snapshot that was read, or is asked for until then."
    )
    holdout_uri: str | None
    holdout_format: DatasetFormat
    holdout_snapshot: str | None
    id_column: str
    label_column: str | None
    inputs: list[Input]
    rows: int | None
    holdout_rows: int | None
    tv: int = Field(description="The tombstone clock: grows with every deletion request.")
    created_at: AwareDatetime
    indexed_at: AwareDatetime | None
