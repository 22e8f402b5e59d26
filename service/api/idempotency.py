"""`Idempotency-Key`: the same request sent twice is done once, and answered alike."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel
from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.api.problems import InFlightError
from service.core.errors import InvalidError
from service.core.keys import Caller
from service.core.tables import IdempotencyKey

BODY = "body"

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Any string of yours. Sent again with the same body, it gives the same answer.",
    ),
]


class KeyReusedError(InvalidError):
    code = "idempotency-key-reused"
    title = "This Idempotency-Key belongs to another request"


class KeyInUseError(InFlightError):
    code = "idempotency-key-in-use"
    title = "A request with this Idempotency-Key is being accepted at this moment"


class Once:
    """One use of a key. `answer` is what was answered the first time, if there was one."""

    def __init__(self, session: Session, caller: Caller, key: str | None, body: BaseModel) -> None:
        """Take the key, until the end of the transaction or, once there is an answer, for good.

        Raises:
            KeyInUseError: another transaction has taken it and is not over.
            KeyReusedError: the key came before, with another body.
        """
        self.answer: str | None = None
        self._row: IdempotencyKey | None = None
        if key is None:
            return
        fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
        # Without the advisory lock, an insert would wait for the other transaction's end.
        row = select(literal(caller.id), literal(key), literal(fingerprint))
        free = func.pg_try_advisory_xact_lock(lock_of(caller, key))
        taken = session.execute(
            insert(IdempotencyKey)
            .from_select(["api_key_id", "key", "fingerprint"], row.where(free))
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        ).first()
        found = session.get(IdempotencyKey, (caller.id, key))
        if found is None:
            raise KeyInUseError("Wait for its answer, or send the same request again.")
        if taken is not None:
            self._row = found
        elif found.fingerprint != fingerprint:
            raise KeyReusedError("It came with another body before: use a new key.")
        else:
            self.answer = text_of(found.answer or {})

    def keep(self, answer: str) -> None:
        """Store what is about to be answered, in the same transaction as the work itself."""
        if self._row is not None:
            self._row.answer = {BODY: answer}


def lock_of(caller: Caller, key: str) -> int:
    """The number of a key's advisory lock. Two keys that share one would only meet with a 409."""
    digest = hashlib.sha256(caller.id.bytes + key.encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def text_of(stored: dict[str, Any]) -> str:
    """The bytes of the first answer. Version 0.1.0 stored the object, which `jsonb` reorders."""
    text = stored.get(BODY)
    return text if isinstance(text, str) else json.dumps(stored)
