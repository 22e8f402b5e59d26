"""What a key looks like, and who is recognised by it."""

import re

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.core import keys
from service.core.keys import NewKey


@pytest.fixture
def key(session: Session) -> NewKey:
    made = keys.create("back end")
    session.add(made.row)
    session.commit()
    return made


def test_a_key_has_a_prefix_a_secret_and_a_checksum() -> None:
    made = keys.create("back end")

    assert re.fullmatch(r"ul_live_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}_[0-9a-f]{8}", made.text)
    body, _, check = made.text.rpartition("_")
    assert keys.checksum(body) == check


def test_no_two_keys_are_alike() -> None:
    assert len({keys.create("x").text for _ in range(100)}) == 100


def test_a_key_is_recognised(session: Session, key: NewKey) -> None:
    found = keys.recognise(session, key.text)

    assert found is not None
    assert (found.id, found.name) == (key.row.id, "back end")


def test_a_revoked_key_is_not_recognised(session: Session, key: NewKey) -> None:
    key.row.revoked_at = session.scalars(select(func.now())).one()
    session.commit()

    assert keys.recognise(session, key.text) is None


def signed(*parts: str) -> str:
    body = "_".join(parts)
    return f"{body}_{keys.checksum(body)}"


def test_a_wrong_secret_with_a_right_checksum_is_not_recognised(
    session: Session, key: NewKey
) -> None:
    assert keys.recognise(session, signed("ul", "live", key.row.prefix, "x" * 32)) is None


def test_the_secret_of_another_key_is_not_recognised(session: Session, key: NewKey) -> None:
    other = keys.create("other")
    session.add(other.row)
    session.commit()
    secret = other.text.split("_")[3]

    assert keys.recognise(session, signed("ul", "live", key.row.prefix, secret)) is None


def test_a_wrong_checksum_is_refused_without_a_look_at_the_database(
    session: Session, key: NewKey
) -> None:
    body, _, check = key.text.rpartition("_")
    wrong = f"{body}_{int(check, 16) ^ 1:08x}"
    session.execute(text("DROP TABLE idempotency_keys, api_keys"))

    assert keys.recognise(session, wrong) is None


@pytest.mark.parametrize(
    "given", ["", "_", "x", "ul_live", "ul_live_a_b", "ul_live_a_b_c_d", "ü" * 9]
)
def test_what_is_no_key_is_not_recognised(session: Session, given: str) -> None:
    assert keys.recognise(session, given) is None


def test_the_hash_itself_opens_nothing(session: Session, key: NewKey) -> None:
    found = signed("ul", "live", key.row.prefix, key.row.secret_hash)

    assert keys.recognise(session, found) is None


def test_the_database_holds_a_hash_and_never_the_secret(session: Session, key: NewKey) -> None:
    row = session.scalars(text("SELECT row_to_json(k)::text FROM api_keys AS k")).one()
    secret = key.text.split("_")[3]

    assert key.row.prefix in row
    assert keys.hash_secret(secret) in row
    assert secret not in row
    assert key.text not in row
