"""`Idempotency-Key`: the same request sent twice is done once, and answered alike."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.core.errors import InvalidError
from service.core.tables import APIKey, IdempotencyKey

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


class Once:
    """One use of a key. `answer` is what was answered the first time, if there was one."""

    def __init__(self, session: Session, caller: APIKey, key: str | None, body: BaseModel) -> None:
        """Take the key. While another request holds it, this waits for that one's commit.

        Raises:
            KeyReusedError: the key came before, with another body.
        """
        self.answer: str | None = None
        self._row: IdempotencyKey | None = None
        if key is None:
            return
        fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
        taken = session.execute(
            insert(IdempotencyKey)
            .values(api_key_id=caller.id, key=key, fingerprint=fingerprint)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        ).first()
        row = session.get_one(IdempotencyKey, (caller.id, key))
        if taken is not None:
            self._row = row
        elif row.fingerprint != fingerprint:
            raise KeyReusedError("It came with another body before: use a new key.")
        else:
            self.answer = text_of(row.answer or {})

    def keep(self, answer: str) -> None:
        """Store what is about to be answered, in the same transaction as the work itself."""
        if self._row is not None:
            self._row.answer = {BODY: answer}


def text_of(stored: dict[str, Any]) -> str:
    """The bytes of the first answer. Version 0.1.0 stored the object, which `jsonb` reorders."""
    text = stored.get(BODY)
    return text if isinstance(text, str) else json.dumps(stored)
