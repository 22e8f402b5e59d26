"""Structured logs: one JSON object a line on standard error, and no sample ID in any of them."""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType

import structlog
from structlog.typing import EventDict, WrappedLogger

# Where the text of a database error begins, in a message that quotes it.
DATABASE_TEXT = re.compile(r"\S*(?:\(?psycopg\.|DETAIL:|CONTEXT:|Violation|IntegrityError)")

# By the module that defines or exports them.
ERRORS = (("sqlalchemy.exc", "DBAPIError"), ("psycopg", "Error"))


def tell_database_errors_briefly(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Keep a database error's kind and constraint, and drop its text.

    PostgreSQL quotes the offending values in it, and these may be sample IDs.
    """
    found = event.get("exc_info")
    errors = _database_errors()
    error = sys.exc_info()[1] if found is True else found
    if isinstance(error, tuple):
        error = error[1]
    seen = error if isinstance(error, BaseException) else None
    while seen is not None:
        if isinstance(seen, errors):
            # SQLAlchemy's hold the driver's.
            original = getattr(seen, "orig", seen)
            diagnostics = getattr(original, "diag", None)
            event.pop("exc_info", None)
            event["event"] = DATABASE_TEXT.split(str(event["event"]), maxsplit=1)[0].rstrip()
            event["error"] = type(original).__name__
            event["sqlstate"] = getattr(original, "sqlstate", None)
            event["constraint"] = getattr(diagnostics, "constraint_name", None)
            break
        seen = seen.__cause__ or seen.__context__
    return event


def _database_errors() -> tuple[type[BaseException], ...]:
    """The errors of those libraries that are loaded: no other can be met.

    Runs know no database, and to load these takes a tenth of the time in which a run starts.
    """
    found = (getattr(sys.modules.get(module), name, None) for module, name in ERRORS)
    return tuple(kind for kind in found if kind is not None)


# A type of error and as much of its words as may be in a log.
Told = Callable[[BaseException], str]


def leaving_out_words(told: Told) -> structlog.typing.Processor:
    """Have errors be logged by where they came up and what is `told` of them.

    Libraries quote in their errors what they read, and that may be a row or a sample's ID.
    """

    def leave_out_words(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        found = event.pop("exc_info", None)
        error = sys.exc_info()[1] if found is True else found
        if isinstance(error, tuple):
            error = error[1]
        if isinstance(error, BaseException):
            lines: list[str] = []
            for one in reversed(with_causes(error)):
                places = traceback.extract_tb(one.__traceback__)
                lines += [f"{at.filename}:{at.lineno} in {at.name}" for at in places]
                lines.append(told(one))
            event["exception"] = "\n".join(lines)
        return event

    return leave_out_words


def with_causes(error: BaseException) -> list[BaseException]:
    """The error, what caused it, and so on; each once, although code may make them a circle."""
    found: list[BaseException] = []
    seen: BaseException | None = error
    while seen is not None and seen not in found:
        found.append(seen)
        seen = seen.__cause__ or seen.__context__
    return found


def configure_logging(level: str, *, process: str, told: Told | None = None) -> None:
    """Send structlog and the standard library's loggers through the same processors.

    Where there is `told`, errors of libraries are logged by it, and not by their own words.
    """

    def name_process(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return {"process": process, **event}

    shared: list[structlog.typing.Processor] = [
        name_process,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_database_errors_briefly,
        *([leaving_out_words(told)] if told else []),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "kombu"):
        logger = logging.getLogger(noisy)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("kombu").setLevel("WARNING")
    logging.getLogger("uvicorn.access").addFilter(leave_out_query)


def leave_out_query(record: logging.LogRecord) -> bool:
    """Cut the query off a path in the access log: a caller may have put a sample ID there."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            one.partition("?")[0] if isinstance(one, str) else one for one in record.args
        )
    return True


def log_what_nobody_handles() -> None:
    """Make lines of the log out of warnings and of errors that end a process or a thread.

    For processes of our own, after `configure_logging`: the log of a process is one JSON object
    a line, and Python would write these as text of several lines.
    """
    logging.captureWarnings(True)
    log = structlog.get_logger(__name__)

    def error_of_process(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("unhandled error", exc_info=(kind, error, trace))

    def error_of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.critical(
                "unhandled error in a thread",
                thread=args.thread.name if args.thread else None,
                exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
            )

    sys.excepthook = error_of_process
    threading.excepthook = error_of_thread
