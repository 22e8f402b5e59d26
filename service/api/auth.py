"""Callers: `Authorization: Bearer KEY`."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api.callers import NO_KEY, UNKNOWN_KEY
from service.api.deps import SessionDep
from service.api.problems import UnauthorizedError
from service.core import keys
from service.core.tables import APIKey

bearer = HTTPBearer(auto_error=False, description="A key made by `unlearnd keys create`.")


def authenticate(
    session: SessionDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> APIKey:
    """The caller's key.

    Raises:
        UnauthorizedError: no key, or one that is not known or was revoked.
    """
    if credentials is None:
        raise UnauthorizedError(NO_KEY)
    key = keys.recognise(session, credentials.credentials)
    if key is None:
        raise UnauthorizedError(UNKNOWN_KEY)
    return key


CallerDep = Annotated[APIKey, Depends(authenticate)]
