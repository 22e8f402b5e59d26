"""A database that is going away, or that has not quite come back."""

import psycopg
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select, text
from sqlalchemy.exc import InterfaceError
from sqlalchemy.orm import Session

from service.api.transactions import SessionDep, TransactionRoute
from service.core.tables import DeletionRequest
from tests.service.calls import post_request, refused

pytestmark = pytest.mark.usefixtures("cnn")
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{}'; END $$"


@pytest.fixture
def failing(client: TestClient) -> TestClient:
    """The API, with a route whose statement fails with a SQLSTATE, and one whose driver fails."""
    app = client.app
    assert isinstance(app, FastAPI)
    router = APIRouter(route_class=TransactionRoute)

    @router.get("/fail/{sqlstate}")
    def fail(sqlstate: str, session: SessionDep) -> None:
        session.execute(text(RAISE.format(sqlstate)))

    @router.get("/lose")
    def lose(session: SessionDep) -> None:
        cursor = session.connection().connection.cursor()
        cursor.close()
        try:
            cursor.execute("SELECT 1")
        except psycopg.InterfaceError as error:
            raise InterfaceError("SELECT 1", None, error) from error

    app.include_router(router)
    return TestClient(app, headers=dict(client.headers), raise_server_exceptions=False)


@pytest.mark.parametrize("sqlstate", ["25006", "25P03", "57P01", "57P02", "57P03", "57P05"])
def test_a_failover_asks_callers_to_come_again(failing: TestClient, sqlstate: str) -> None:
    answer = failing.get(f"/fail/{sqlstate}")

    refused(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_connection_that_the_driver_has_lost_asks_callers_to_come_again(
    failing: TestClient,
) -> None:
    answer = failing.get("/lose")

    refused(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("sqlstate", ["25P02", "XX000", "P0001"])
def test_a_fault_of_ours_is_not_called_a_failover(failing: TestClient, sqlstate: str) -> None:
    refused(failing.get(f"/fail/{sqlstate}"), 500, "internal")


def test_a_server_that_is_read_only_still_accepts_nothing_and_says_so(
    client: TestClient, session: Session
) -> None:
    """Promise: what was not stored is not answered 2xx, and no fault either."""
    name = session.scalar(select(func.current_database()))
    session.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    session.commit()

    answer = post_request(client, ["s-1"])

    refused(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert session.scalars(select(DeletionRequest.id)).all() == []
