"""API keys: `ul_live_<id>_<secret>_<checksum>`, of which only a hash is stored."""

import hashlib
import hmac
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.core.tables import APIKey

ALPHABET = string.ascii_letters + string.digits
SECRET_LENGTH = 32


@dataclass(frozen=True)
class NewKey:
    """A key as its owner sees it, once; and the row that will recognise it."""

    text: str
    row: APIKey


def checksum(body: str) -> str:
    """CRC-32 in hexadecimal: lets secret scanners and typing errors be told apart offline."""
    return f"{zlib.crc32(body.encode()):08x}"


def hash_secret(secret: str) -> str:
    """SHA-256. The secret has 190 bits of entropy, so a slow hash would protect nothing more."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(name: str) -> NewKey:
    prefix = "".join(secrets.choice(ALPHABET) for _ in range(8))
    secret = "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    body = f"ul_live_{prefix}_{secret}"
    row = APIKey(name=name, prefix=prefix, secret_hash=hash_secret(secret))
    return NewKey(f"{body}_{checksum(body)}", row)


class Caller(NamedTuple):
    """Whose key it is."""

    id: UUID
    name: str


LIVE = text("SELECT id, name, secret_hash FROM api_keys WHERE prefix = :p AND revoked_at IS NULL")


def recognise(session: Session, given: str) -> Caller | None:
    """Whose live key this text is, or None."""
    body, _, check = given.rpartition("_")
    parts = body.split("_")
    if len(parts) != 4 or not hmac.compare_digest(check.encode(), checksum(body).encode()):
        return None
    found = session.connection().execute(LIVE, {"p": parts[2]}).one_or_none()
    if found is None or not hmac.compare_digest(found.secret_hash, hash_secret(parts[3])):
        return None
    return Caller(found.id, found.name)
