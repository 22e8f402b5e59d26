from datetime import UTC, datetime, timedelta, timezone

import pytest

from service.core.deadlines import due_at, one_month_after
from service.core.tables import Regulation


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-03-10T08:09:10.000011", "2026-04-10T08:09:10.000011"),
        ("2026-01-31T23:59:59", "2026-02-28T23:59:59"),
        ("2028-01-31T12:00:00", "2028-02-29T12:00:00"),
        ("2100-01-31T12:00:00", "2100-02-28T12:00:00"),
        ("2000-01-30T12:00:00", "2000-02-29T12:00:00"),
        ("2028-02-29T12:00:00", "2028-03-29T12:00:00"),
        ("2026-02-28T12:00:00", "2026-03-28T12:00:00"),
        ("2026-03-31T12:00:00", "2026-04-30T12:00:00"),
        ("2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2026-12-31T23:00:00", "2027-01-31T23:00:00"),
    ],
)
def test_gdpr_gives_one_calendar_month(received: str, due: str) -> None:
    assert due_at(Regulation.GDPR, at(received)) == at(due)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-01-01T10:00:00", "2026-02-15T10:00:00"),
        ("2028-01-31T10:00:00", "2028-03-16T10:00:00"),
        ("2026-12-01T10:00:00", "2027-01-15T10:00:00"),
    ],
)
def test_ccpa_gives_45_days(received: str, due: str) -> None:
    assert due_at(Regulation.CCPA, at(received)) == at(due)


def test_without_a_regulation_there_is_no_deadline() -> None:
    assert due_at(Regulation.NONE, at("2026-01-01T10:00:00")) is None


def test_the_month_is_counted_where_the_moment_was_told() -> None:
    west = timezone(timedelta(hours=-8))

    assert one_month_after(datetime(2026, 1, 31, 20, tzinfo=west)) == datetime(
        2026, 2, 28, 20, tzinfo=west
    )
