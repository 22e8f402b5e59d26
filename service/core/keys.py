"""API keys: `ul_live_<id>_<secret>_<checksum>`, of which only a hash is stored."""

import hashlib
import hmac
import secrets
import string
import zlib
from dataclasses import dataclass

from sqlalchemy import select
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


def recognise(session: Session, text: str) -> APIKey | None:
    """The live key that this text is, or None."""
    body, _, check = text.rpartition("_")
    parts = body.split("_")
    if len(parts) != 4 or not hmac.compare_digest(check.encode(), checksum(body).encode()):
        return None
    query = select(APIKey).where(APIKey.prefix == parts[2], APIKey.revoked_at.is_(None))
    key = session.scalar(query)
    if key is None or not hmac.compare_digest(key.secret_hash, hash_secret(parts[3])):
        return None
    return key
