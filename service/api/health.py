"""Probes. Liveness knows nothing of the servers behind: restarting would not mend them."""

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from service.api.deps import DatabaseDep
from service.api.problems import NotReadyError
from service.api.strict import StrictRoute
from service.core.db import Database
from service.core.schema import is_current

router = APIRouter(route_class=StrictRoute, tags=["health"])


class Health(BaseModel):
    status: str


class SchemaBehindError(NotReadyError):
    code = "schema-behind"
    title = "The database is not at this release's schema"


@router.get("/livez")
async def livez() -> Health:
    """The process answers."""
    return Health(status="alive")


@router.get("/readyz")
async def readyz(database: DatabaseDep, request: Request) -> Health:
    """The database answers, and has the schema that this release expects."""
    threads = request.app.state.probe_threads
    known = getattr(request.app.state, "schema_checked", False)
    await run_sync(look_at, database, not known, limiter=threads)
    request.app.state.schema_checked = True
    return Health(status="ready")


def look_at(database: Database, at_the_schema_too: bool) -> None:
    """Ask the database for an answer.

    Raises:
        SchemaBehindError: it is not migrated.
    """
    if at_the_schema_too and not is_current(database.engine):
        raise SchemaBehindError("Run `unlearnd migrate`.")
    with database.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
