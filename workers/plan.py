"""What a supervisor hands to a runner, and what the runner hands back: files in a directory.

A runner knows no database. It gets row positions, never sample IDs; only what indexes a dataset
reads its IDs, and hands them back in a file of their own.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.formats import DatasetFormat
from service.core.policy import TargetLevel
from service.core.reasons import JobReason
from workers.data.specs import KindOfInput
from workers.data.tables.view import View

PLAN = "plan.json"
OUTCOME = "outcome.json"
FORGOTTEN = "forgotten.npy"
# The IDs of a dataset in the order of its rows, for the worker that stores them.
IDS = "ids.arrow"
# What may outlive an attempt that was cut short, until the next one takes it over.
KEPT = "kept"


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataFile(Frozen):
    """See `workers.data.parquet.FileRef`."""

    uri: str
    rows: int
    digest: str
    types: dict[str, str] = Field(default_factory=dict)
    view: View | None = None


class DataPlan(Frozen):
    """Where the inputs lie. There is no label column in it, so none can be read."""

    files: list[DataFile]
    holdout_files: list[DataFile]
    id_column: str
    inputs: list[KindOfInput]


class Architecture(Frozen):
    """A network that a factory makes."""

    kind: Literal["module"]
    factory: str
    kwargs: dict[str, Any]


class PretrainedArchitecture(Frozen):
    """A network in the Hugging Face layout: `config.json` beside the weights says which."""

    kind: Literal["transformers"]


AnyArchitecture = Annotated[Architecture | PretrainedArchitecture, Field(discriminator="kind")]


class Lineage(Frozen):
    """What `unlearning.json` says about where a version comes from.

    `excluded_tv` is the clock at which the remaining samples were read.
    """

    model: str
    job_id: str
    parent_version: int
    parent_digest: str
    parent_tv: int
    tv: int
    excluded_tv: int
    forgotten: int
    commitment: str


class IndexPlan(Frozen):
    """Read a registered dataset: its IDs, and whether its inputs are what was registered.

    `memory_limit_mib` is what the process that reads may have allocated at one time.
    """

    kind: Literal["index"] = "index"
    uri: str
    format: DatasetFormat = DatasetFormat.PARQUET
    snapshot: str | None = None
    holdout_uri: str | None
    holdout_format: DatasetFormat = DatasetFormat.PARQUET
    holdout_snapshot: str | None = None
    id_column: str
    id_length: int
    inputs: list[KindOfInput]
    memory_limit_mib: int


class ValidatePlan(Frozen):
    """Check a registered model on one batch, and import it as version 1.

    `keep_card` is somebody's word that its README.md holds no rows of the dataset.
    """

    kind: Literal["validate"] = "validate"
    model: str
    source_uri: str
    base_uri: str | None = None
    architecture: AnyArchitecture
    module: str
    method: str
    parameters: dict[str, Any]
    min_agreement: float | None
    keep_card: bool = False
    tv: int
    data: DataPlan
    staging: Path


class Origin(Frozen):
    """A version that the parent is an edit of, and where its files lie."""

    version: int
    digest: str
    directory: Path


class UnlearnPlan(Frozen):
    """Unlearn what `FORGOTTEN` lists, from the version in `parent`.

    `origin` is there if the parent is an edit of a version that has not been destroyed.
    `FORGOTTEN` holds the row positions of the forget set. `excluded` names the file of all rows
    that no training may read: these and what earlier versions forgot. `min_agreement` is a floor
    that the operator has set; None: the gate decides by its own rule.
    """

    kind: Literal["unlearn"] = "unlearn"
    lineage: Lineage
    parent: Path
    origin: Origin | None = None
    architecture: AnyArchitecture
    module: str
    method: str
    parameters: dict[str, Any]
    min_agreement: float | None
    target_level: TargetLevel = TargetLevel.MEMBERSHIP
    seed: int
    device: Literal["auto", "cpu", "cuda"]
    data: DataPlan
    excluded: str = "excluded.npy"
    staging: Path


Plan = Annotated[IndexPlan | ValidatePlan | UnlearnPlan, Field(discriminator="kind")]


class WrittenFile(Frozen):
    path: str
    bytes: int
    sha256: str


class Written(Frozen):
    """A finished version in its staging directory."""

    digest: str
    files: list[WrittenFile]


class Indexed(Frozen):
    """A dataset whose IDs lie in `IDS`, `rows` of them. Without held-out files there is no list.

    `snapshot` and `holdout_snapshot` are what was read of tables.
    """

    kind: Literal["indexed"] = "indexed"
    rows: int
    files: list[DataFile]
    holdout_files: list[DataFile] | None
    snapshot: str | None = None
    holdout_snapshot: str | None = None


class Validated(Frozen):
    kind: Literal["validated"] = "validated"
    written: Written


class Unlearned(Frozen):
    """A version over the forget set that `commitment` is to."""

    kind: Literal["unlearned"] = "unlearned"
    written: Written
    commitment: str
    audit: dict[str, Any]
    passed: bool
    reasons: list[str]


class Refused(Frozen):
    """The run cannot succeed, however often it is tried."""

    kind: Literal["refused"] = "refused"
    reason: str
    code: JobReason = JobReason.REFUSED


class Failed(Frozen):
    """The run came to nothing; another attempt may do better."""

    kind: Literal["failed"] = "failed"
    reason: str
    code: JobReason


Outcome = Annotated[Indexed | Validated | Unlearned | Refused, Field(discriminator="kind")]
Ending = Annotated[Indexed | Validated | Unlearned | Refused | Failed, Field(discriminator="kind")]


class ProgressLine(Frozen):
    """One line on a runner's standard output.

    `step` is what a registration does now, in words that go on "while it", such as "read x".
    """

    phase: Literal["loading", "embedding", "modelling", "unlearning", "auditing", "publishing"]
    fraction: float
    step: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
