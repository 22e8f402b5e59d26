"""A dispatcher on a real broker, whose queues can be looked into."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import structlog
from celery import Celery

from service.core.db import Database
from service.core.messages import celery_app
from service.core.settings import Settings
from service.dispatcher.service import sweep


@pytest.fixture(autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """Structlog's own, with every variable in a box, take seconds each on a busy machine."""
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, plain])
    yield
    structlog.reset_defaults()


@pytest.fixture
def broker(settings: Settings) -> Iterator[redis.Redis]:
    """The test's part of Redis."""
    with redis.Redis.from_url(str(settings.redis_url)) as opened:
        yield opened
        for key in opened.scan_iter(f"{settings.redis_prefix}*"):
            opened.delete(key)


@pytest.fixture
def celery(settings: Settings, broker: redis.Redis) -> Iterator[Celery]:
    assert settings.redis_url is not None
    assert broker.ping()
    app = celery_app(settings, settings.redis_url)
    yield app
    app.close()


@pytest.fixture
def sweep_once(database: Database, celery: Celery, settings: Settings) -> Callable[[], int]:
    """One sweep; returns how many messages went out."""
    return lambda: sweep(database, celery, settings)


@pytest.fixture
def queued(broker: redis.Redis, settings: Settings) -> Callable[[str], list[dict[str, Any]]]:
    """The messages that wait in a queue, as they lie in Redis, the oldest first."""

    def look(queue: str) -> list[dict[str, Any]]:
        raw: Any = broker.lrange(f"{settings.redis_prefix}{queue}", 0, -1)
        return [json.loads(message) for message in reversed(raw)]

    return look
