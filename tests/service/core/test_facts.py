"""One door for what happened: its kinds, their fields, and who acted."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import actors
from service.core.db import Database
from service.core.facts import kinds
from service.core.facts.record import parameters, record
from service.core.tables import Dataset, Event, Model, RequestState
from tests import factories

ROOT = Path(__file__).parents[3]
WHY = {"reason", "reason_code"}
LEVELS = {"target_level", "level"}
# What the API shows of each kind. It is a promise to callers: nothing here may change its name.
SHOWN = {
    "request.accepted": {"total"},
    "request.cancelled": set(),
    "request.retried": set(),
    "request.completed": {"tv", "models"},
    "request.partially_completed": {"tv", "models"},
    "request.failed": {"tv", "models"},
    "dataset.registered": set(),
    "dataset.ready": {"rows"},
    "dataset.invalid": WHY,
    "dataset.requeued": {"attempt"} | WHY,
    "model.registered": set(),
    "model.ready": {"version", "digest", "tv"},
    "model.invalid": WHY,
    "model.requeued": {"attempt"} | WHY,
    "job.queued": {"tv"},
    "job.started": {"attempt", "tv", "parent_version"},
    "job.cancel_requested": {"attempt", "tv"},
    "job.requeued": {"attempt", "tv"} | WHY,
    "job.failed": {"attempt", "tv"} | WHY,
    "job.cancelled": {"attempt", "tv"} | WHY,
    "job.published": {"attempt", "tv", "version"} | LEVELS,
    "job.needs_review": {"attempt", "tv", "version"} | LEVELS | WHY,
    "version.published": {"version", "digest", "tv"},
    "version.rejected": {"version", "digest", "tv", "reason"},
    "version.destroyed": {"version", "digest", "reason"},
    "version.abandoned": {"job", "digest"},
    "alias.moved": {"alias", "version", "digest", "tv"},
    "key.created": {"name", "key_id"},
    "key.revoked": {"name", "key_id"},
}


def kinds_of(base: type[kinds.Fact]) -> Iterator[type[kinds.Fact]]:
    for found in base.__subclasses__():
        if "kind" in vars(found):
            yield found
        yield from kinds_of(found)


def test_every_kind_is_spelt_and_filled_as_callers_know_it() -> None:
    found = list(kinds_of(kinds.Fact))
    shown = {
        kind.kind: {field.name for field in fields(kind)} - set(kinds.REFERENCES) for kind in found
    }

    assert shown == SHOWN
    assert len(found) == len(SHOWN)


def test_no_kind_is_spelt_twice() -> None:
    spelt = re.compile("|".join(f"[\"'`]?{re.escape(kind)}[\"']" for kind in SHOWN))
    files = [path for top in ("service", "workers") for path in (ROOT / top).rglob("*.py")]
    with_a_kind = {path.name for path in files if spelt.search(path.read_text(encoding="utf-8"))}

    assert with_a_kind == {"kinds.py"}


def test_whatever_a_request_comes_to_is_a_fact() -> None:
    assert {state: fact.kind for state, fact in kinds.OUTCOMES.items()} == {
        state: f"request.{state}"
        for state in (
            RequestState.COMPLETED,
            RequestState.PARTIALLY_COMPLETED,
            RequestState.FAILED,
        )
    }


def test_a_fact_without_an_actor_is_refused(database_url: str, digits: Dataset) -> None:
    nameless = Database(database_url, pool_size=1)
    fact = kinds.DatasetReady(dataset_id=digits.id, rows=1)
    try:
        with nameless.session() as session:
            with pytest.raises(actors.NoActorError, match="who acts"):
                record(session, fact)
            with pytest.raises(actors.NoActorError, match="who acts"):
                parameters(session, fact)
            actors.acts(session, "key:somebody")
            record(session, fact)
            session.commit()
            assert session.scalars(select(Event.actor)).all() == ["key:somebody"]
    finally:
        nameless.dispose()


@pytest.mark.usefixtures("cnn")
def test_both_ways_to_accept_tell_the_same(session: Session) -> None:
    factories.request(session, ["s-1", "s-2"])
    factories.request(session, ["s-2", "s-3"])  # It meets the other: this goes step by step.

    first, second = session.scalars(select(Event).order_by(Event.id))
    for event in (first, second):
        assert (event.kind, event.data, event.actor) == ("request.accepted", {"total": 2}, "system")
        assert (event.dataset_name, event.model_id, event.job_id) == ("digits", None, None)
    assert first.dataset_id == second.dataset_id


def test_a_models_facts_name_it(session: Session, cnn: Model) -> None:
    digest = "0" * 64
    record(session, kinds.AliasMoved(model_id=cnn.id, alias="a", version=1, digest=digest, tv=0))
    session.commit()

    event = session.scalars(select(Event)).one()
    assert (event.model_id, event.model_name, event.dataset_name) == (cnn.id, "cnn", "digits")
    assert event.data == {"alias": "a", "version": 1, "digest": digest, "tv": 0}
