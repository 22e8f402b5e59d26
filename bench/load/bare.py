"""What FastAPI, SQLAlchemy and PostgreSQL cost by themselves: one INSERT, or one look at a row."""

import os
from uuid import UUID, uuid4

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from service.api.admission import CONNECTIONS
from service.core.db import Database

TABLE = "CREATE TABLE IF NOT EXISTS bench_bare (id uuid PRIMARY KEY, body text NOT NULL)"
INSERT = text("INSERT INTO bench_bare (id, body) VALUES (:id, :body)")
SELECT = text("SELECT body FROM bench_bare WHERE id = :id")


class Row(BaseModel):
    id: UUID
    body: str


class Given(BaseModel):
    body: str


def create_app() -> FastAPI:
    app = FastAPI()
    database = Database(os.environ["BENCH_DATABASE_URL"], pool_size=CONNECTIONS)
    with database.engine.begin() as connection:
        connection.execute(text(TABLE))

    @app.post("/rows", status_code=202)
    def insert(given: Given) -> Row:
        row = Row(id=uuid4(), body=given.body)
        with database.engine.begin() as connection:
            connection.execute(INSERT, {"id": row.id, "body": row.body})
        return row

    @app.get("/rows/{row_id}")
    def select(row_id: UUID) -> Row:
        with database.engine.begin() as connection:
            return Row(id=row_id, body=connection.scalars(SELECT, {"id": row_id}).one())

    @app.get("/alive")
    def alive() -> None:
        return None

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(), host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), log_config=None)
