"""The migrations, on a database of their own."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, select, text
from sqlalchemy.orm import Session

from service.core import actors, keys, schema
from service.core.facts import kinds
from service.core.facts.record import record
from service.core.tables import Base, IdempotencyKey, Tombstone
from tests import factories
from tests.service.racing import at_once


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    made = create_engine(empty_database_url)
    yield made
    made.dispose()


@pytest.fixture
def scripts(empty_database_url: str) -> ScriptDirectory:
    return ScriptDirectory.from_config(schema.config(empty_database_url))


def names(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def fill(engine: Engine) -> None:
    """At least one row in every table, and a partition of `samples`."""
    with Session(engine, expire_on_commit=False, info={actors.ACTOR: actors.SYSTEM}) as session:
        digits = factories.dataset(session, rows=10)
        model = factories.model(session, digits)
        request = factories.request(session, ["s-1"])
        head = factories.head(session, model)
        job = factories.job(session, model, head, tv=1)
        version = factories.publish(session, model, tv=1)
        version.job_id = job.id
        record(session, kinds.JobCancelRequested(**kinds.about(job)))
        key = keys.create("admin")
        session.add(key.row)
        session.flush()
        session.add(IdempotencyKey(api_key_id=key.row.id, key="a", fingerprint="0" * 64))
        session.commit()
        assert session.scalars(select(Tombstone.request_id)).all() == [request.id]


def empty_tables(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [
            table.name
            for table in Base.metadata.sorted_tables
            if connection.execute(select(table).limit(1)).first() is None
        ]


def test_there_is_one_newest_migration(scripts: ScriptDirectory) -> None:
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1


def test_the_migrations_make_the_schema_that_the_tables_describe(
    empty_database_url: str, engine: Engine
) -> None:
    schema.upgrade(empty_database_url)

    command.check(schema.config(empty_database_url))
    assert schema.is_current(engine)


def test_a_dataset_adds_no_difference(empty_database_url: str, engine: Engine) -> None:
    schema.upgrade(empty_database_url)
    fill(engine)

    command.check(schema.config(empty_database_url))


def test_down_and_up_again_with_rows_in_every_table(
    empty_database_url: str, engine: Engine
) -> None:
    config = schema.config(empty_database_url)
    schema.upgrade(empty_database_url)
    fill(engine)
    assert empty_tables(engine) == []
    assert "samples_1" in names(engine)

    command.downgrade(config, "base")

    assert names(engine) == {"alembic_version"}
    assert not schema.is_current(engine)
    schema.upgrade(empty_database_url)
    command.check(config)
    assert empty_tables(engine) == [table.name for table in Base.metadata.sorted_tables]


def test_every_migration_can_be_taken_back_alone(
    empty_database_url: str, engine: Engine, scripts: ScriptDirectory
) -> None:
    config = schema.config(empty_database_url)
    for revision in reversed(list(scripts.walk_revisions())):
        command.upgrade(config, revision.revision)
        command.downgrade(config, "-1")
        command.upgrade(config, revision.revision)

    assert schema.is_current(engine)


def test_the_release_before_target_levels_reads_policies_again(
    empty_database_url: str, engine: Engine
) -> None:
    """It refuses a key that it does not know, and null in place of the floor."""
    config = schema.config(empty_database_url)
    schema.upgrade(empty_database_url)
    asked: dict[str, Any] = {
        "old": {"min_agreement": 0.97, "retention_days": 30},
        "none": {"retention_days": 30},
        "null": {"min_agreement": None, "target_level": "robust"},
        "set": {"min_agreement": 0.5, "target_level": "utility"},
    }

    def policies() -> dict[str, Any]:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT name, policy FROM models"))
            return {row.name: row.policy for row in rows}

    with Session(engine) as session:
        digits = factories.dataset(session)
        for name, policy in asked.items():
            model = factories.model(session, digits, name)
            model.policy = policy
            factories.job(
                session, model, factories.head(session, model), tv=1, target_level="robust"
            )

    command.downgrade(config, "5c1d7e90ab34")

    back = {
        "old": {"min_agreement": 0.97, "retention_days": 30},
        "none": {"min_agreement": 0.97, "retention_days": 30},
        "null": {"min_agreement": 0.97},
        "set": {"min_agreement": 0.5},
    }
    assert policies() == back
    schema.upgrade(empty_database_url)
    # A stored floor stays a fixed one: nothing tells a choice of 0.97 from the old default.
    assert policies() == back
    with engine.connect() as connection:
        assert set(connection.scalars(text("SELECT target_level FROM jobs"))) == {None}


def test_migrating_twice_changes_nothing(empty_database_url: str, engine: Engine) -> None:
    schema.upgrade(empty_database_url)
    fill(engine)

    schema.upgrade(empty_database_url)

    assert empty_tables(engine) == []


def test_several_that_migrate_at_once_take_turns(empty_database_url: str, engine: Engine) -> None:
    # In processes of their own: Alembic keeps its context in a module.
    code = "import sys; from service.core import schema; schema.upgrade(sys.argv[1])"

    def migrate(_number: int) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", code, empty_database_url], capture_output=True, check=False
        )
        return done.returncode, done.stderr.decode()

    assert {code for code, _ in at_once(3, migrate)} == {0}
    assert schema.is_current(engine)
    with engine.connect() as connection:
        assert len(connection.execute(text("SELECT * FROM alembic_version")).all()) == 1


def test_a_password_with_a_percent_sign_reaches_the_driver(engine: Engine) -> None:
    url: Any = engine.url.set(password="50%off").render_as_string(hide_password=False)

    assert schema.config(url).get_main_option("sqlalchemy.url") == url
