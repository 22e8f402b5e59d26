"""Who calls: `Authorization: Bearer KEY`."""

from fastapi.security import HTTPBearer
from sqlalchemy.orm import Session

from service.api.problems import UnauthorizedError
from service.core import actors, keys
from service.core.keys import Caller

SCHEME = "bearer "
# Only for what OpenAPI says of a route: whatever asks for a key calls `authenticate`.
bearer = HTTPBearer(auto_error=False, description="A key made by `unlearnd keys create`.")


def key_in(authorization: str | None) -> str:
    """The key that the header `Authorization` holds.

    Raises:
        UnauthorizedError: there is none.
    """
    given = authorization or ""
    key = given[len(SCHEME) :].strip() if given.lower().startswith(SCHEME) else ""
    if not key:
        raise UnauthorizedError("Send `Authorization: Bearer KEY`.")
    return key


def authenticate(session: Session, authorization: str | None) -> Caller:
    """Whose key the header `Authorization` holds, as the database has it at this moment.

    Facts that the session records from then on name this key as their actor.

    Raises:
        UnauthorizedError: there is no key, or one that is not known or was revoked.
    """
    caller = keys.recognise(session, key_in(authorization))
    if caller is None:
        raise UnauthorizedError("This key is not known here, or was revoked.")
    actors.acts(session, actors.key(caller.name))
    return caller
