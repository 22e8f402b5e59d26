"""`/v1/models`, their versions, files and aliases."""

import base64
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse
from sqlalchemy.orm import Session

from service.api.deps import SettingsDep, StoreDep
from service.api.links import path_of
from service.api.pagination import CursorQuery, LimitQuery, Page, decode_number, encode_number
from service.api.problems import GoneError, NotReadyError, problems
from service.api.schemas import PathName, ShortText
from service.api.tagged import NOT_MODIFIED, has_already, tagged
from service.api.transactions import SessionDep, TransactionRoute
from service.core.errors import IllegalMoveError
from service.core.sources import SourceNotAllowedError
from service.core.tables import ModelState, ModelVersion, VersionState
from service.datasets.service import DatasetNotFoundError, DatasetNotReadyError
from service.registry import queries, review, service
from service.registry.files import PARTS, VersionFile
from service.registry.review import JobUnderWayError
from service.registry.schemas import AliasRead, ModelCreate, ModelRead, VersionRead
from service.registry.service import (
    AliasNotFoundError,
    ClockAheadError,
    FactoryNotAllowedError,
    FileNotInVersionError,
    ModelExistsError,
    ModelNotFoundError,
    VersionNotFoundError,
)
from service.registry.views import sha256_of, show_alias, show_model, show_version

router = APIRouter(route_class=TransactionRoute, prefix="/v1/models", tags=["models"])


class StorageAwayError(NotReadyError):
    code = "storage-away"
    title = "The files of this version cannot be read"


VersionNumber = Annotated[int, Path(ge=1, lt=2**31)]


@router.post(
    "",
    status_code=202,
    responses=problems(
        DatasetNotFoundError,
        DatasetNotReadyError,
        ModelExistsError,
        FactoryNotAllowedError,
        SourceNotAllowedError,
        ClockAheadError,
    ),
)
def register_model(
    order: ModelCreate,
    session: SessionDep,
    settings: SettingsDep,
    request: Request,
    response: Response,
) -> ModelRead:
    """Register a model. A worker runs one batch through it next: watch `state` at `Location`."""
    model = service.register(session, settings, order)
    session.refresh(model)
    response.headers["Location"] = path_of(request, "read_model", name=model.name)
    response.headers["Retry-After"] = "2"
    return show_model(session, model)


@router.get("")
def list_models(
    session: SessionDep,
    state: ModelState | None = None,
    dataset: ShortText | None = None,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> Page[ModelRead]:
    """Models, the oldest first."""
    after = decode_number(cursor) if cursor is not None else 0
    rows = queries.models(session, state=state, dataset=dataset, after=after, limit=limit + 1)
    more = len(rows) > limit
    return Page(
        items=[show_model(session, row) for row in rows[:limit]],
        next_cursor=encode_number(rows[limit - 1].id) if more else None,
    )


@router.get(
    "/{name}", response_model=ModelRead, responses={**NOT_MODIFIED, **problems(ModelNotFoundError)}
)
def read_model(name: PathName, session: SessionDep, request: Request) -> Response:
    return tagged(request, show_model(session, service.find(session, name)))


@router.get("/{name}/versions", responses=problems(ModelNotFoundError))
def list_versions(
    name: PathName,
    session: SessionDep,
    store: StoreDep,
    request: Request,
    state: VersionState | None = None,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> Page[VersionRead]:
    """Versions of a model, the oldest first."""
    model = service.find(session, name)
    after = decode_number(cursor) if cursor is not None else 0
    rows = queries.versions(session, model, state=state, after=after, limit=limit + 1)
    more = len(rows) > limit
    return Page(
        items=[show_version(request, store, model, row) for row in rows[:limit]],
        next_cursor=encode_number(rows[limit - 1].number) if more else None,
    )


@router.get(
    "/{name}/versions/{number}",
    response_model=VersionRead,
    responses={**NOT_MODIFIED, **problems(ModelNotFoundError, VersionNotFoundError)},
)
def read_version(
    name: PathName,
    number: VersionNumber,
    session: SessionDep,
    store: StoreDep,
    request: Request,
) -> Response:
    model = service.find(session, name)
    version = service.find_version(session, name, number)
    return tagged(request, show_version(request, store, model, version))


@router.post(
    "/{name}/versions/{number}:approve",
    responses=problems(
        ModelNotFoundError,
        VersionNotFoundError,
        IllegalMoveError,
        JobUnderWayError,
    ),
)
def approve_version(
    name: PathName, number: VersionNumber, session: SessionDep, store: StoreDep, request: Request
) -> VersionRead:
    """Publish a version that waits for review."""
    model, version = review.approve(session, name, number)
    return show_version(request, store, model, refreshed(session, version))


@router.post(
    "/{name}/versions/{number}:reject",
    responses=problems(ModelNotFoundError, VersionNotFoundError, IllegalMoveError),
)
def reject_version(
    name: PathName, number: VersionNumber, session: SessionDep, store: StoreDep, request: Request
) -> VersionRead:
    """Refuse a version that waits for review. Its files are destroyed.

    Its requests fail, unless a job or another waiting version answers them as well.
    """
    model, version = review.reject(session, name, number)
    return show_version(request, store, model, refreshed(session, version))


def refreshed(session: Session, version: ModelVersion) -> ModelVersion:
    """With the times that the database gave it."""
    session.flush()
    session.refresh(version)
    return version


@router.get(
    "/{name}/versions/{number}/files/{path:path}",
    response_class=FileResponse,
    responses={
        **PARTS,
        **NOT_MODIFIED,
        **problems(
            ModelNotFoundError,
            VersionNotFoundError,
            FileNotInVersionError,
            GoneError,
            StorageAwayError,
        ),
    },
)
def download_file(
    name: PathName,
    number: VersionNumber,
    path: PathName,
    session: SessionDep,
    store: StoreDep,
    request: Request,
) -> Response:
    """One file of a version, byte for byte as `manifest.json` has it."""
    version = service.find_version(session, name, number)
    sha256 = sha256_of(version, path)
    if sha256 is None:
        raise FileNotInVersionError(f"Version {number} of {name} has no such file.")
    if version.state in (VersionState.DESTROYED, VersionState.REJECTED):
        raise GoneError(f"Version {number} of {name} was {version.state}.")
    file = store.file(name, version.digest, path)
    if not file.is_file():
        raise StorageAwayError(f"{path} is not in the storage of this process: is it mounted?")
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    headers = {"ETag": f'"{sha256}"', "Repr-Digest": f"sha-256=:{digest}:"}
    if has_already(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return VersionFile(file, filename=path.rsplit("/", 1)[-1], headers=headers)


@router.get("/{name}/aliases", responses=problems(ModelNotFoundError))
def list_aliases(name: PathName, session: SessionDep) -> Page[AliasRead]:
    model = service.find(session, name)
    rows = queries.aliases(session, model)
    return Page(items=[show_alias(model, row) for row in rows], next_cursor=None)


@router.get(
    "/{name}/aliases/{alias}",
    response_model=AliasRead,
    responses={**NOT_MODIFIED, **problems(ModelNotFoundError, AliasNotFoundError)},
)
def read_alias(name: PathName, alias: PathName, session: SessionDep, request: Request) -> Response:
    """The version behind an alias."""
    model = service.find(session, name)
    return tagged(request, show_alias(model, service.find_alias(session, name, alias)))
