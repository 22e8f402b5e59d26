"""The network that a lineage of edits began with."""

import structlog
from torch import nn

from service.core.storage import MANIFEST
from workers.architectures import Blueprint
from workers.artifacts import ArtifactError, verify
from workers.plan import Origin, UnlearnPlan

log = structlog.get_logger(__name__)


def load_origin(origin: Origin | None, blueprint: Blueprint) -> nn.Module | None:
    """The network of that version; None if there is none, or if it has been destroyed meanwhile.

    Raises:
        ArtifactError, ArchitectureError: its files are there, and are not what was published.
    """
    if origin is None:
        return None
    try:
        if verify(origin.directory) != origin.digest:
            raise ArtifactError(
                "The origin's files are not those of the version that was published."
            )
        return blueprint.load(origin.directory)
    except (ArtifactError, OSError):
        # The manifest is the first file to go.
        if (origin.directory / MANIFEST).exists():
            raise
        log.warning("the origin has been destroyed: the parent takes its place")
        return None


def edit_of(plan: UnlearnPlan, *, edited: bool, held: bool) -> dict[str, object] | None:
    """What a version says of where its lineage of edits began; None if it is not `edited`.

    `held` says whether the plan's origin was there for it to be held to.
    """
    if not edited:
        return None
    if held and plan.origin is not None:
        return {"version": plan.origin.version, "digest": plan.origin.digest}
    return {"version": plan.lineage.parent_version, "digest": plan.lineage.parent_digest}
