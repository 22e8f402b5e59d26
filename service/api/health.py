"""Probes. Liveness knows nothing of the servers behind: restarting would not mend them."""

from fastapi import APIRouter, Request
from pydantic import BaseModel
from sqlalchemy import text

from service.api.deps import DatabaseDep
from service.api.problems import NotReadyError
from service.core.schema import is_current

router = APIRouter(tags=["health"])


class Health(BaseModel):
    status: str


class SchemaBehindError(NotReadyError):
    code = "schema-behind"
    title = "The database is not at this release's schema"


@router.get("/livez")
def livez() -> Health:
    """The process answers."""
    return Health(status="alive")


@router.get("/readyz")
def readyz(database: DatabaseDep, request: Request) -> Health:
    """The database answers, and has the schema that this release expects."""
    if not getattr(request.app.state, "schema_checked", False):
        if not is_current(database.engine):
            raise SchemaBehindError("Run `unlearnd migrate`.")
        request.app.state.schema_checked = True
    with database.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return Health(status="ready")
