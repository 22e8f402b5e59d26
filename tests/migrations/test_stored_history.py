"""Events that an earlier release stored are kept when the migration makes history immutable."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from service.core import schema

BEFORE = "7d0c41f2a9be"
# Three datasets, a model of the first, and what happened to them.
STORED = """
INSERT INTO datasets (name, uri, format, id_column, inputs, state)
SELECT name, 'file:///nowhere', 'parquet', 'id', '[]', 'invalid'
FROM unnest(ARRAY['one', 'two', 'gone']) AS name;
INSERT INTO models (name, dataset_id, source_uri, architecture, representation, method,
                    method_parameters, policy, registered_tv, state, paused,
                    held_tv, failed_tv)
VALUES ('cnn', 1, 'file:///nowhere', '{}', '{}', 'auto', '{}', '{}', 0, 'ready', false, 0, 0);
INSERT INTO events (kind, dataset_id, model_id, data) VALUES
    ('dataset.registered', 1, NULL, '{}'), ('model.registered', 1, 1, '{}'),
    ('alias.moved', NULL, 1, '{"tv": 1}'), ('dataset.registered', 3, NULL, '{}');
DELETE FROM datasets WHERE name = 'gone';
"""
TOLD = "SELECT kind, dataset_id, model_id, data, actor, dataset_name, model_name FROM events"
TOLD_BEFORE = "SELECT kind, dataset_id, model_id, data FROM events ORDER BY id"


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = create_engine(empty_database_url)
    yield made
    made.dispose()


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_stored_events_are_kept_and_named_up_and_down(
    empty_database_url: str, engine: Engine
) -> None:
    config = schema.config(empty_database_url)
    command.upgrade(config, BEFORE)
    with engine.begin() as connection:
        connection.execute(text(STORED))
    before = rows(engine, TOLD_BEFORE)
    assert before[-1][1] is None  # What this migration puts an end to.

    schema.upgrade(empty_database_url)

    assert rows(engine, f"{TOLD} ORDER BY id") == [
        ("dataset.registered", 1, None, {}, "system", "one", None),
        ("model.registered", 1, 1, {}, "system", "one", "cnn"),
        ("alias.moved", None, 1, {"tv": 1}, "system", "one", "cnn"),
        ("dataset.registered", None, None, {}, "system", None, None),
    ]
    with pytest.raises(DBAPIError, match="events are history"), engine.begin() as connection:
        connection.execute(text("DELETE FROM events"))
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO events (kind, dataset_id, data) VALUES ('k', 2, '{}')")
        )
        connection.execute(text("DELETE FROM datasets WHERE name = 'two'"))
    assert rows(engine, TOLD)[-1] == ("k", 2, None, {}, "system", "two", None)

    command.downgrade(config, BEFORE)

    assert rows(engine, TOLD_BEFORE) == [*before, ("k", None, None, {})]
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM models"))
    assert {row[2] for row in rows(engine, TOLD_BEFORE)} == {None}
