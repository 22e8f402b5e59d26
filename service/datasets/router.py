"""`/v1/datasets`."""

import json
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.api.deps import DatabaseDep, SessionDep
from service.api.pagination import CursorQuery, LimitQuery, Page, decode_number, encode
from service.api.problems import problems
from service.api.schemas import PathName
from service.api.tagged import tagged
from service.core import clock
from service.core.tables import Dataset
from service.datasets import queries, service
from service.datasets.schemas import DatasetCreate, DatasetRead
from service.datasets.service import DatasetExistsError, DatasetNotFoundError, DatasetNotReadyError

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
NDJSON = "application/x-ndjson"


@router.post(
    "", status_code=202, response_model=DatasetRead, responses=problems(DatasetExistsError)
)
def register_dataset(
    order: DatasetCreate,
    session: SessionDep,
    request: Request,
    response: Response,
) -> Dataset:
    """Register a training set. It is indexed next: watch `state` at `Location`."""
    dataset = service.register(session, order)
    response.headers["Location"] = str(request.url_for("read_dataset", name=dataset.name))
    response.headers["Retry-After"] = "1"
    return dataset


@router.get("")
def list_datasets(
    session: SessionDep, limit: LimitQuery = 100, cursor: CursorQuery = None
) -> Page[DatasetRead]:
    after = decode_number(cursor) if cursor else 0
    rows = queries.page(session, after=after, limit=limit + 1)
    items = [DatasetRead.model_validate(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(items=items, next_cursor=encode(rows[limit - 1].id) if more else None)


@router.get("/{name}", response_model=DatasetRead, responses=problems(DatasetNotFoundError))
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
    session: SessionDep,
    since: Annotated[
        int, Query(ge=0, lt=2**63, description="Only what was deleted after this clock.")
    ] = 0,
) -> StreamingResponse:
    """Every deleted sample, one JSON object a line. Train on none of them.

    `Tombstone-Version` is the clock that the export is complete up to: the next `since`.
    """
    dataset = service.find_ready(session, name)
    upto = clock.read(session, dataset.id)

    def lines() -> Iterator[str]:
        # The request's own session is closed by the time that the body is sent.
        with database.unit_of_work() as stream:
            for sample_id, tv in queries.tombstones_since(stream, dataset, since, upto):
                yield json.dumps({"sample_id": sample_id, "tv": tv}) + "\n"

    return StreamingResponse(lines(), media_type=NDJSON, headers={"Tombstone-Version": str(upto)})
