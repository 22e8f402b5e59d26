"""What a reading of the tombstone clock stands for."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import clock
from service.core.tables import Dataset, DeletionRequestSample, Tombstone
from tests import factories


@pytest.fixture
def digits(session: Session) -> Dataset:
    return factories.dataset(session)


def forgotten(session: Session, of: Dataset, after: int, upto: int) -> list[str]:
    return [name for name, _row in clock.forget_set(session, of.id, after=after, upto=upto)]


def test_every_stamping_request_moves_the_clock_by_one(session: Session, digits: Dataset) -> None:
    readings = [factories.request(session, [f"s-{n}"]).tv for n in range(3)]

    assert readings == [1, 2, 3]
    assert clock.read(session, digits.id) == 3


@pytest.mark.parametrize(
    ("after", "upto", "expected"),
    [
        (0, 3, ["s-1", "s-2", "s-3"]),
        (1, 3, ["s-2", "s-3"]),
        (1, 2, ["s-2"]),
        (2, 2, []),
        (3, 3, []),
        (0, 1, ["s-1"]),
    ],
)
def test_a_forget_set_begins_after_the_parents_clock_and_ends_with_the_jobs(
    session: Session, digits: Dataset, after: int, upto: int, expected: list[str]
) -> None:
    for name in ("s-1", "s-2", "s-3"):
        factories.request(session, [name])

    assert forgotten(session, digits, after, upto) == expected


def test_a_forget_set_comes_in_byte_order_with_the_rows_positions(
    session: Session, digits: Dataset
) -> None:
    factories.request(session, ["s-9", "s-10", "s-2"])

    rows = list(clock.forget_set(session, digits.id, after=0, upto=1))

    assert rows == [("s-10", 10), ("s-2", 2), ("s-9", 9)]


def test_what_is_excluded_is_every_tombstone_up_to_the_clock_and_nothing_else(
    session: Session, digits: Dataset
) -> None:
    factories.request(session, ["s-4", "s-5"])
    factories.request(session, ["s-6"])

    assert sorted(clock.excluded_rows(session, digits.id, upto=1)) == [4, 5]
    assert sorted(clock.excluded_rows(session, digits.id, upto=2)) == [4, 5, 6]


def test_a_request_that_knows_no_sample_leaves_the_clock_alone(
    session: Session, digits: Dataset
) -> None:
    factories.request(session, ["s-1"])

    request = factories.request(session, ["nobody"])

    assert (request.tv, request.staged, clock.read(session, digits.id)) == (0, 0, 1)


def test_a_request_for_deleted_samples_takes_the_latest_of_their_holders_readings(
    session: Session, digits: Dataset
) -> None:
    for name in ("s-1", "s-2", "s-3"):
        factories.request(session, [name])

    request = factories.request(session, ["s-2", "s-1", "nobody"])

    assert (request.tv, request.staged, request.already_deleted) == (2, 0, 2)
    assert clock.read(session, digits.id) == 3


@pytest.mark.usefixtures("digits")
def test_a_request_stamps_only_what_no_other_holds(session: Session) -> None:
    first = factories.request(session, ["s-1", "s-2"])

    second = factories.request(session, ["s-2", "s-3"])

    assert (second.tv, second.staged, second.already_deleted) == (2, 1, 1)
    held = session.execute(select(Tombstone.sample_id, Tombstone.request_id)).all()
    assert sorted(tuple(row) for row in held) == [
        ("s-1", first.id),
        ("s-2", first.id),
        ("s-3", second.id),
    ]
    stored = session.execute(
        select(DeletionRequestSample.sample_id, DeletionRequestSample.disposition).where(
            DeletionRequestSample.request_id == second.id
        )
    )
    assert sorted(tuple(row) for row in stored) == [("s-2", "already_deleted"), ("s-3", "staged")]


def test_each_dataset_has_a_clock_and_tombstones_of_its_own(
    session: Session, digits: Dataset
) -> None:
    letters = factories.dataset(session, "letters")
    factories.request(session, ["s-1"])
    factories.request(session, ["s-2"])

    request = factories.request(session, ["s-1"], of="letters")

    assert (request.tv, request.staged) == (1, 1)
    assert forgotten(session, letters, 0, 9) == ["s-1"]
    assert forgotten(session, digits, 0, 9) == ["s-1", "s-2"]


@pytest.mark.usefixtures("digits")
def test_a_transaction_that_is_rolled_back_leaves_no_tombstone_and_no_gap(
    session: Session,
) -> None:
    factories.accept(session, ["s-1"])
    session.rollback()

    assert session.scalar(select(func.count()).select_from(Tombstone)) == 0
    assert factories.request(session, ["s-1"]).tv == 1


def test_the_request_in_hand_shows_what_is_in_the_database(
    session: Session, digits: Dataset
) -> None:
    factories.model(session, digits)
    factories.request(session, ["s-1"])
    request = factories.request(session, ["s-1", "s-2", "s-2", "nobody"])
    shown = (request.tv, request.staged, request.already_deleted, request.duplicate)

    session.refresh(request)

    assert (request.tv, request.staged, request.already_deleted, request.duplicate) == shown
    assert shown == (2, 1, 1, 1)
