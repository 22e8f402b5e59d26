"""The network that a lineage of edits began with."""

import errno

from torch import nn

from service.core.storage import MANIFEST
from workers.architectures import Blueprint
from workers.artifacts import ArtifactError, verify
from workers.plan import Origin, UnlearnPlan


def load_origin(origin: Origin | None, blueprint: Blueprint) -> nn.Module | None:
    """The network of that version; None if there is none.

    Raises:
        OSError: the version has been destroyed since the plan was made. The next attempt's plan
            does without it; this one may have kept steps that were held to it.
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
    except ArtifactError as error:
        # The manifest is the first file to go.
        if (origin.directory / MANIFEST).exists():
            raise
        raise OSError(errno.ENOENT, "the origin has been destroyed meanwhile") from error


def edit_of(plan: UnlearnPlan, *, edited: bool) -> dict[str, object] | None:
    """What a version says of where its lineage of edits began; None if it is not `edited`."""
    if not edited:
        return None
    if plan.origin is not None:
        return {"version": plan.origin.version, "digest": plan.origin.digest}
    return {"version": plan.lineage.parent_version, "digest": plan.lineage.parent_digest}
