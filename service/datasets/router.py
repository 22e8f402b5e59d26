"""`/v1/datasets`."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.api.deps import DatabaseDep, ExportThreadsDep, SettingsDep
from service.api.links import path_of
from service.api.pagination import CursorQuery, LimitQuery, Page, decode_number, encode_number
from service.api.problems import problems
from service.api.schemas import PathName
from service.api.tagged import NOT_MODIFIED, tagged
from service.api.transactions import SessionDep, TransactionRoute
from service.core import clock, unfound
from service.core.sources import SourceNotAllowedError
from service.core.tables import Dataset, DatasetState
from service.datasets import queries, service
from service.datasets.schemas import DatasetCreate, DatasetRead
from service.datasets.service import DatasetExistsError, DatasetNotFoundError, DatasetNotReadyError

router = APIRouter(route_class=TransactionRoute, prefix="/v1/datasets", tags=["datasets"])
NDJSON = "application/x-ndjson"
EXPORT_PAGE = 2000


@router.post(
    "",
    status_code=202,
    response_model=DatasetRead,
    responses=problems(DatasetExistsError, SourceNotAllowedError),
)
def register_dataset(
    order: DatasetCreate,
    session: SessionDep,
    settings: SettingsDep,
    request: Request,
    response: Response,
) -> Dataset:
    """Register a training set. It is indexed next: watch `state` at `Location`."""
    dataset = service.register(session, settings, order)
    response.headers["Location"] = path_of(request, "read_dataset", name=dataset.name)
    response.headers["Retry-After"] = "1"
    return dataset


@router.get("")
def list_datasets(
    session: SessionDep,
    state: DatasetState | None = None,
    limit: LimitQuery = 100,
    cursor: CursorQuery = None,
) -> Page[DatasetRead]:
    """Datasets, the oldest first."""
    after = decode_number(cursor) if cursor is not None else 0
    rows = queries.page(session, state=state, after=after, limit=limit + 1)
    items = [DatasetRead.model_validate(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items=items, next_cursor=encode_number(rows[limit - 1].id) if more else None)


@router.get(
    "/{name}",
    response_model=DatasetRead,
    responses={**NOT_MODIFIED, **problems(DatasetNotFoundError)},
)
def read_dataset(name: PathName, session: SessionDep, request: Request) -> Response:
    return tagged(request, DatasetRead.model_validate(service.find(session, name)))


@router.get(
    "/{name}/tombstones",
    response_class=StreamingResponse,
    responses={
        200: {"content": {NDJSON: {"example": '{"sample_id": "a-17", "tv": 3}\n'}}},
        **problems(DatasetNotFoundError, DatasetNotReadyError),
    },
)
def export_tombstones(
    name: PathName,
    database: DatabaseDep,
    threads: ExportThreadsDep,
    session: SessionDep,
    since: Annotated[
        int, Query(ge=0, lt=2**63, description="Only what was deleted after this clock.")
    ] = 0,
    include: Annotated[
        Literal["not_found"] | None,
        Query(
            description="Also the IDs that were asked for and are not in the dataset: all of "
            "them, for they have no clock. Each line then has a `kind`."
        ),
    ] = None,
) -> StreamingResponse:
    """Every deleted sample, one JSON object a line. Train on none of them.

    `Tombstone-Version` is the clock that the export is complete up to: the next `since`.
    """
    dataset_id = service.find_ready(session, name).id
    upto = clock.read(session, dataset_id)

    def page(place: tuple[int, str]) -> list[tuple[int, str]]:
        # A transaction a page: the caller may read as slowly as he likes.
        with database.unit_of_work() as unit:
            return queries.tombstones_after(unit, dataset_id, place, upto=upto, limit=EXPORT_PAGE)

    def page_unfound(place: tuple[UUID, int] | None) -> list[tuple[UUID, int, str]]:
        with database.unit_of_work() as unit:
            return unfound.page(unit, dataset_id, place, limit=EXPORT_PAGE)

    async def lines() -> AsyncIterator[str]:
        kind = {} if include is None else {"kind": "tombstone"}
        place = (since + 1, "")
        while place[0] <= upto:
            rows = await run_sync(page, place, limiter=threads)
            yield "".join(line_of(sample_id, tv=tv, **kind) for tv, sample_id in rows)
            place = rows[-1] if len(rows) == EXPORT_PAGE else (upto + 1, "")
        behind: tuple[UUID, int] | None = None
        more = include is not None
        while more:
            found = await run_sync(page_unfound, behind, limiter=threads)
            yield "".join(line_of(ID, tv=None, kind="not_found") for _, _, ID in found)
            more = len(found) == EXPORT_PAGE
            behind = found[-1][:2] if more else None

    return StreamingResponse(lines(), media_type=NDJSON, headers={"Tombstone-Version": str(upto)})


def line_of(sample_id: str, **told: int | str | None) -> str:
    return json.dumps({"sample_id": sample_id, **told}) + "\n"
