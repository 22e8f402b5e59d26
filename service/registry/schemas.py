"""Models, versions and aliases on the wire."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from service.api.schemas import URI, Body, JSONObject, Name, Resource, ShortText, by_kind
from service.core.policy import Policy
from service.core.reasons import JobReason
from service.core.tables import ModelState, VersionState

FACTORY = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"


class ModuleArchitecture(Body):
    """A `torch.nn.Module` made by a function that the operator allowed."""

    kind: Literal["module"]
    factory: Annotated[str, Field(max_length=255, pattern=FACTORY)]
    kwargs: JSONObject = Field(default_factory=dict)


class TransformersArchitecture(Body):
    """The class of `transformers` that `config.json` names. No remote code runs."""

    kind: Literal["transformers"]


Architecture = Annotated[
    ModuleArchitecture | TransformersArchitecture,
    Field(discriminator="kind"),
    by_kind(module=ModuleArchitecture, transformers=TransformersArchitecture),
]


class Representation(Body):
    module: ShortText = Field(
        default="auto",
        description="The submodule whose output is the representation. `auto`: what the model "
        "says of itself, else the input of its last linear layer, or the pooled output of an "
        "encoder that has no head.",
    )


class ModelCreate(Body):
    name: Name
    dataset: Name
    source_uri: URI = Field(
        description="A directory with `model.safetensors`; in the Hugging Face layout with "
        "`config.json` and what prepares inputs, too.",
        examples=["file:///models/fashion-cnn"],
    )
    base_uri: URI | None = Field(
        default=None,
        description="A directory with the weights that training on this dataset began with, such "
        "as those of the pretrained model. They must not have been trained on the dataset: "
        "distillation begins with them. A head that the base does not have begins anew.",
    )
    architecture: Architecture
    representation: Representation = Representation()
    method: ShortText = Field(default="auto", description="`auto` or the name of a method.")
    method_parameters: JSONObject = Field(
        default_factory=dict, description="Overrides of the method's own choices."
    )
    tv: int = Field(
        default=0, ge=0, lt=2**62, description="The tombstone clock that the training obeyed."
    )
    policy: Policy = Policy()


class ModelRead(Resource):
    name: str
    dataset: str
    state: ModelState
    reason: str | None = Field(description="Why the model is invalid.")
    reason_code: JobReason | None = Field(description="The same for programs.")
    source_uri: str
    base_uri: str | None
    architecture: Architecture
    representation: Representation
    method: str
    method_parameters: dict[str, Any]
    policy: Policy
    paused: bool
    version: int | None = Field(description="The newest published version.")
    tv: int = Field(description="The clock up to which that version has been unlearned.")
    aliases: dict[str, int]
    created_at: AwareDatetime


class FileRead(Resource):
    path: str
    bytes: int
    sha256: str
    href: str


class VersionRead(Resource):
    model: str
    version: int
    state: VersionState
    tv: int
    digest: str = Field(description="SHA-256 of `manifest.json`.")
    parent: int | None
    parent_digest: str | None
    job_id: str | None
    uri: str = Field(description="Where the files lie, for readers on the same storage.")
    files: list[FileRead]
    audit: dict[str, Any] | None
    created_at: AwareDatetime
    published_at: AwareDatetime | None


class AliasRead(Resource):
    model: str
    alias: str
    version: int
    digest: str
    tv: int
    moved_at: AwareDatetime
