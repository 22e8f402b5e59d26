"""Datasets on the wire."""

from math import prod
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from service.api.schemas import URI, Body, Name, Resource, ShortText
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
    inputs: Annotated[list[ArrayInput], Field(min_length=1, max_length=1)]

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
    uri: str
    holdout_uri: str | None
    id_column: str
    label_column: str | None
    inputs: list[ArrayInput]
    rows: int | None
    holdout_rows: int | None
    tv: int = Field(description="The tombstone clock: grows with every deletion request.")
    created_at: AwareDatetime
    indexed_at: AwareDatetime | None
