"""What routes ask for by type."""

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.settings import Settings
from service.core.storage import LocalStore


def get_database(request: Request) -> Database:
    return cast("Database", request.app.state.database)


def get_settings(request: Request) -> Settings:
    return cast("Settings", request.app.state.settings)


def get_store(request: Request) -> LocalStore:
    return cast("LocalStore", request.app.state.store)


def get_session(database: Annotated[Database, Depends(get_database)]) -> Iterator[Session]:
    with database.unit_of_work() as session:
        yield session


DatabaseDep = Annotated[Database, Depends(get_database)]
SettingsDep = Annotated[Settings, Depends(get_settings)]
StoreDep = Annotated[LocalStore, Depends(get_store)]
# With the scope "function" the commit comes before the answer: a 2xx that could still fail to
# commit would be a lie.
SessionDep = Annotated[Session, Depends(get_session, scope="function")]
