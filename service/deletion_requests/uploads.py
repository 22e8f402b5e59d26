"""`/v1/deletion-requests/uploads`: requests of any number of IDs."""

from email.message import Message
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import Headers

from service.api.deps import BulkDatabaseDep, DatabaseDep, SettingsDep
from service.api.idempotency import KeyHeader, KeyInUseError, KeyReusedError, Once
from service.api.places import CallerGoneError
from service.api.problems import (
    BodyTooLargeError,
    BodyTooSlowError,
    BusyError,
    StorageFullError,
    UnsupportedMediaError,
    problems,
)
from service.api.uploads import SenderDep, UploadRoute, Uploads, UploadsDep
from service.core import actors
from service.core.db import Database
from service.datasets import service as datasets
from service.datasets.service import DatasetNotFoundError, DatasetNotReadyError
from service.deletion_requests import service
from service.deletion_requests.answers import answer_once
from service.deletion_requests.schemas import DeletionRequestRead, Upload, UploadCreate
from service.deletion_requests.service import ReceivedInFutureError, TooLargeShareError
from service.deletion_requests.spool import BLOCK_BYTES, InvalidUploadError, Spool
from service.deletion_requests.spooled import Spooled

router = APIRouter(
    route_class=UploadRoute, prefix="/v1/deletion-requests/uploads", tags=["deletion requests"]
)
PLAIN = "text/plain"
ENCODINGS = ("utf-8", "utf8", "us-ascii")
BAD_REQUEST = 400
LINE = r"[^\x00\r\n]{1,255}"
LINES = {
    "schema": {"type": "string", "pattern": rf"^{LINE}(\r?\n{LINE})*(\r?\n)?$"},
    "example": "sample-1\nsample-2\n",
}


@router.post(
    "",
    status_code=202,
    response_model=DeletionRequestRead,
    responses=problems(
        DatasetNotFoundError,
        BodyTooSlowError,
        DatasetNotReadyError,
        BodyTooLargeError,
        UnsupportedMediaError,
        InvalidUploadError,
        TooLargeShareError,
        ReceivedInFutureError,
        KeyReusedError,
        KeyInUseError,
        BusyError,
        StorageFullError,
    ),
    openapi_extra={"requestBody": {"required": True, "content": {PLAIN: LINES}}},
)
async def upload_deletion_request(
    order: Annotated[UploadCreate, Query()],
    database: DatabaseDep,
    bulk: BulkDatabaseDep,
    settings: SettingsDep,
    uploads: UploadsDep,
    caller: SenderDep,
    request: Request,
    idempotency_key: KeyHeader = None,
) -> Response:
    """Delete samples whose IDs come as text in UTF-8, one a line: as many as you like.

    Everything else is as with a request in JSON: all of it is accepted, or nothing.
    """
    refuse_other_than_plain_text(request.headers)
    try:
        async with uploads.room():
            await uploads.in_turn(partial(refuse_unready, database, order))
            with await uploads.on_disk(partial(Spool, settings.spool_dir)) as spool:
                await receive_into(spool, uploads, request)
                upload = Upload(order=order, lines=spool.total, sha256=spool.sha256)

                def accept() -> Response:
                    given = Spooled(spool.blocks(), spool.total)
                    with bulk.unit_of_work() as session:
                        actors.acts(session, actors.key(caller.name))
                        once = Once(session, caller, idempotency_key, upload)
                        into = partial(service.accept_given, session, settings, order, given)
                        return answer_once(request, session, once, order.dataset, into)

                return await uploads.in_turn(accept, request.receive)
    except CallerGoneError:
        return Response(status_code=BAD_REQUEST)  # Nobody is there to read it.


def refuse_other_than_plain_text(headers: Headers) -> None:
    """Look at what the body says it is.

    Raises:
        UnsupportedMediaError: it is compressed, or something else than text in UTF-8.
    """
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaError("Send it without a Content-Encoding: as it is.")
    stated = Message()
    stated["Content-Type"] = headers.get("content-type", PLAIN)
    if stated.get_content_type() != PLAIN:
        raise UnsupportedMediaError(f"Send sample IDs one a line, with `Content-Type: {PLAIN}`.")
    if stated.get_content_charset("utf-8") not in ENCODINGS:
        raise UnsupportedMediaError("Send it in UTF-8.")


def refuse_unready(database: Database, order: UploadCreate) -> None:
    """Spare the caller the sending of what will be refused.

    Raises:
        DatasetNotFoundError, DatasetNotReadyError: from the dataset.
    """
    with database.unit_of_work() as session:
        datasets.find_ready(session, order.dataset)


async def receive_into(spool: Spool, uploads: Uploads, request: Request) -> None:
    """Put a body on disk as it comes, a block at a time.

    Raises:
        BodyTooLargeError, BodyTooSlowError, CallerGoneError: from its reader.
        InvalidUploadError, StorageFullError: from the spool.
    """
    block = bytearray()
    async for part in uploads.body.stream(request.scope, request.receive, uploads.rooms):
        block += part
        if len(block) >= BLOCK_BYTES:
            await uploads.on_disk(partial(spool.add, bytes(block)))
            block.clear()
    await uploads.on_disk(partial(spool.add, bytes(block)))
    await uploads.on_disk(spool.end)
