"""What an operator decides about a model, and what the workers obey."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class TargetLevel(StrEnum):
    """The levels of an audit that a policy may ask for, from the lowest to the highest."""

    UTILITY = "utility"
    MEMBERSHIP = "membership"
    ROBUST = "robust"


class Policy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    batch_window_seconds: float = Field(
        default=0,
        ge=0,
        le=366 * 86_400,
        description="How long the first request waits for others to join its job.",
    )
    max_fraction: float = Field(
        default=0.3, gt=0, le=1, description="The share of the dataset that one request may delete."
    )
    min_agreement: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="A fixed floor: the share of remaining samples on which a new version must "
        "predict what its parent predicts; below it the version waits for review. On held-out "
        "samples the floor is lower by the share of the data that was forgotten. Null: the gate "
        "decides by its own rule.",
    )
    target_level: TargetLevel = Field(
        default=TargetLevel.MEMBERSHIP,
        description="The level of the audit that unlearning aims at. The method `auto` goes on "
        "until its own measurement says that the level is reached, or its budget is spent. A "
        "version that ends below its target is not held back: the job and the audit say both.",
    )
    auto_promote: bool = Field(
        default=True, description="Publish a version that passes its audit without asking."
    )
    retention_days: float = Field(
        default=30,
        ge=0,
        le=36_600,
        description="How long a superseded version, which still holds the data, is kept.",
    )
    keep_card: bool = Field(
        default=False,
        description="Serve the `README.md` that the model is registered with as the card of "
        "version 1. Set it only if it quotes no sample of the dataset: training tools write some "
        "into their cards. Otherwise its front matter is kept, without what may quote samples.",
    )

    def stored(self) -> dict[str, Any]:
        """As the database keeps it: without what the release before this one refuses to read.

        That release runs beside this one while it is replaced. A model that asks for nothing new
        has neither of the two keys, and reads the same in both.
        """
        new = {"min_agreement", "target_level"}
        kept = self.model_dump(exclude=new)
        return kept | self.model_dump(include=new, exclude_defaults=True)
