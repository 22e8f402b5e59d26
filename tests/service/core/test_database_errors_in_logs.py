"""PostgreSQL quotes the values that offend it; the log must not."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.core.db import Database
from service.core.logging import configure_logging
from service.core.tables import Dataset, Sample
from tests import factories

SECRET = "sid-SECRET-1"


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def refused(session: Session) -> IntegrityError:
    """What SQLAlchemy raises for a second sample of the same ID."""
    digits: Dataset = factories.dataset(session)
    for position in (1, 2):
        session.add(Sample(dataset_id=digits.id, sample_id=SECRET, row_position=position))
        try:
            session.flush()
        except IntegrityError as error:
            session.rollback()
            return error
        session.expunge_all()
    raise AssertionError("PostgreSQL took the same ID twice.")


def by_structlog(error: BaseException) -> None:
    structlog.get_logger("ours").error("it went wrong", exc_info=error)


def by_structlog_in_an_except_block(error: BaseException) -> None:
    try:
        raise error
    except type(error):
        structlog.get_logger("ours").exception("it went wrong")


def by_the_standard_library(error: BaseException) -> None:
    logging.getLogger("uvicorn.error").error("it went wrong", exc_info=error)


def as_a_cause(error: BaseException) -> None:
    wrapped = RuntimeError("the batch failed")
    wrapped.__cause__ = error
    structlog.get_logger("ours").error("it went wrong", exc_info=wrapped)


def as_a_context(error: BaseException) -> None:
    wrapped = RuntimeError("the batch failed")
    wrapped.__context__ = error
    logging.getLogger("celery").error("it went wrong", exc_info=wrapped)


def as_psycopg_raised_it(error: BaseException) -> None:
    assert isinstance(error, IntegrityError)
    assert isinstance(error.orig, psycopg.Error)
    logging.getLogger("x").error("it went wrong", exc_info=error.orig)


@pytest.mark.parametrize(
    "log",
    [
        by_structlog,
        by_structlog_in_an_except_block,
        by_the_standard_library,
        as_a_cause,
        as_a_context,
        as_psycopg_raised_it,
    ],
)
def test_a_broken_constraint_is_logged_by_name_and_without_the_value(
    refused: IntegrityError,
    log: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert SECRET in str(refused)  # else this test would prove nothing
    configure_logging("INFO", process="test")

    log(refused)

    written = capsys.readouterr().err
    line: dict[str, Any] = json.loads(written)
    assert SECRET not in written
    assert line["event"] == "it went wrong"
    assert line["sqlstate"] == "23505"
    assert line["error"] == "UniqueViolation"
    assert line["constraint"].endswith("_pkey")


def test_other_errors_keep_their_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", process="test")

    structlog.get_logger("ours").error("it went wrong", exc_info=ValueError("plain"))

    assert "ValueError: plain" in json.loads(capsys.readouterr().err)["exception"]


def test_the_parameters_of_statements_are_in_no_error(refused: IntegrityError) -> None:
    assert "SQL parameters hidden" in str(refused)
    assert "'sample_id'" not in str(refused)


def test_a_line_is_one_json_object_with_its_level_and_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO", process="test")

    logging.getLogger("uvicorn.access").info("GET %s", "/livez")
    logging.getLogger("x").debug("too quiet")

    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["process"]) == ("GET /livez", "info", "test")


def test_the_access_log_holds_no_query_into_which_a_caller_may_have_put_an_id(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO", process="test")

    form = '%s - "%s %s HTTP/%s" %d'
    given = ("127.0.0.1:1", "GET", "/v1/jobs?id=sid-SECRET?", "1.1", 422)
    logging.getLogger("uvicorn.access").info(form, *given)

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == '127.0.0.1:1 - "GET /v1/jobs HTTP/1.1" 422'


def test_a_message_that_quotes_a_database_error_loses_the_quote(
    session: Session, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """Celery writes an exception's text into the message itself."""
    dataset = factories.dataset(session)
    configure_logging("INFO", process="worker")
    insert = text("INSERT INTO samples VALUES (:dataset, :sample, 1)")
    with pytest.raises(IntegrityError) as caught, database.unit_of_work() as opened:
        opened.execute(insert, {"dataset": dataset.id, "sample": "s-1"})
    error = caught.value
    assert "s-1" in str(error)

    for quote in (str(error), repr(error), str(error.orig)):
        line = f"Task unlearnd.run_job raised unexpected: {quote}"
        logging.getLogger("celery.app.trace").error("%s", line, exc_info=error)

    written = capsys.readouterr().err
    assert written.count("Task unlearnd.run_job raised unexpected:") == 3
    assert "s-1" not in written
