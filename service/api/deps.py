"""What routes ask for by type."""

from typing import Annotated, cast

from anyio import CapacityLimiter
from fastapi import Depends, Request

from service.core.db import Database
from service.core.settings import Settings
from service.core.storage import LocalStore


# These are coroutines, because FastAPI runs every other dependency in a thread.
async def get_database(request: Request) -> Database:
    return cast("Database", request.app.state.database)


async def get_bulk_database(request: Request) -> Database:
    return cast("Database", request.app.state.bulk_database)


async def get_settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


async def get_store(request: Request) -> LocalStore:
    return cast("LocalStore", request.app.state.store)


async def get_export_threads(request: Request) -> CapacityLimiter:
    return cast("CapacityLimiter", request.app.state.export_threads)


ExportThreadsDep = Annotated[CapacityLimiter, Depends(get_export_threads)]
DatabaseDep = Annotated[Database, Depends(get_database)]
BulkDatabaseDep = Annotated[Database, Depends(get_bulk_database)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
StoreDep = Annotated[LocalStore, Depends(get_store)]
