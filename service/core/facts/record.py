"""Recording what happened, in the transaction in which it happens.

A caller that follows a request reads its events by number, so they are committed in the order of
their numbers: an event that a request shows is recorded with its dataset's row locked (decision
0012). `request.accepted` needs no lock: no reader can know the request before it commits.
"""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core import actors
from service.core.facts.kinds import Fact
from service.core.tables import Dataset, Event, Model

# For a statement that records a fact together with all else that it does: `parameters` has what
# the SELECT is given. The names of dataset and model are filled in by the database.
INTO_EVENTS = "INSERT INTO events (kind, actor, dataset_id, model_id, request_id, job_id, data)"
SELECT_FACT = """
    SELECT CAST(:fact_kind AS text), CAST(:fact_actor AS text), CAST(:fact_dataset_id AS integer),
           CAST(:fact_model_id AS integer), CAST(:fact_request_id AS uuid),
           CAST(:fact_job_id AS uuid), CAST(:fact_data AS jsonb)
"""


def columns(session: Session, fact: Fact) -> dict[str, Any]:
    """The row that says it, but for what the database fills in.

    Raises:
        NoActorError: the session does not say who acts.
    """
    actor = actors.of(session)
    return {"kind": fact.kind, "actor": actor, **fact.references(), "data": fact.data()}


def record(session: Session, fact: Fact) -> None:
    """Append an event.

    One of a job locks the dataset's row. Models are locked before datasets everywhere: who needs
    the model's row too locks it before this.

    Raises:
        NoActorError: the session does not say who acts.
    """
    row = columns(session, fact)
    if row["job_id"] is not None:
        lock_dataset(session, row["model_id"])
    session.add(Event(**row))


def parameters(session: Session, fact: Fact) -> dict[str, Any]:
    """What `SELECT_FACT` is given.

    Raises:
        NoActorError: the session does not say who acts.
    """
    row = columns(session, fact)
    row["data"] = json.dumps(row["data"])
    return {f"fact_{name}": value for name, value in row.items()}


def lock_dataset(session: Session, model_id: int | None) -> None:
    """Make other sessions that record events of the dataset's requests wait for this commit."""
    of_model = select(Dataset.id).join(Model, Model.dataset_id == Dataset.id)
    locked = of_model.where(Model.id == model_id).with_for_update(of=Dataset, key_share=True)
    session.execute(locked)
