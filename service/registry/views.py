"""From rows to what is shown of them."""

from fastapi import Request
from sqlalchemy.orm import Session

from service.api.links import path_of
from service.core.storage import MANIFEST, LocalStore
from service.core.tables import Alias, Model, ModelVersion
from service.registry import queries, service
from service.registry.schemas import AliasRead, FileRead, ModelRead, VersionRead


def show_model(session: Session, model: Model) -> ModelRead:
    head = service.head_of(session, model)
    return ModelRead.model_validate(
        {
            "name": model.name,
            "dataset": model.dataset.name,
            "state": model.state,
            "reason": model.reason,
            "reason_code": model.reason_code,
            "source_uri": model.source_uri,
            "base_uri": model.base_uri,
            "architecture": model.architecture,
            "representation": model.representation,
            "method": model.method,
            "method_parameters": model.method_parameters,
            "policy": model.policy,
            "paused": model.paused,
            "version": head.number if head else None,
            "tv": head.tv if head else model.registered_tv,
            "aliases": {row.name: row.version.number for row in queries.aliases(session, model)},
            "created_at": model.created_at,
        }
    )


def show_version(
    request: Request, store: LocalStore, model: Model, version: ModelVersion
) -> VersionRead:
    def href(path: str) -> str:
        where = {"name": model.name, "number": version.number, "path": path}
        return path_of(request, "download_file", **where)

    listed = [
        FileRead(path=f["path"], bytes=f["bytes"], sha256=f["sha256"], href=href(f["path"]))
        for f in version.files
    ]
    return VersionRead(
        model=model.name,
        version=version.number,
        state=version.state,
        tv=version.tv,
        digest=version.digest,
        parent=version.parent.number if version.parent else None,
        parent_digest=version.parent.digest if version.parent else None,
        job_id=str(version.job_id) if version.job_id else None,
        uri=store.directory(model.name, version.digest).as_uri(),
        files=listed,
        audit=version.audit,
        created_at=version.created_at,
        published_at=version.published_at,
    )


def show_alias(model: Model, alias: Alias) -> AliasRead:
    return AliasRead(
        model=model.name,
        alias=alias.name,
        version=alias.version.number,
        digest=alias.version.digest,
        tv=alias.version.tv,
        moved_at=alias.moved_at,
    )


def sha256_of(version: ModelVersion, path: str) -> str | None:
    """The digest of a file of this version, or None if it has no such file."""
    if path == MANIFEST:
        return version.digest
    return next((f["sha256"] for f in version.files if f["path"] == path), None)
