"""Who acts: history names it with everything that happens.

An actor is `key:NAME`, `worker:HOST`, `dispatcher`, `cli` or `system`. It stands in a session's
`info`, so that no function has to hand it on.
"""

import socket

from sqlalchemy.orm import Session

ACTOR = "actor"
DISPATCHER = "dispatcher"
CLI = "cli"
# The project's own drills and tests, and everything that was recorded before there were actors.
SYSTEM = "system"


class NoActorError(RuntimeError):
    """A fact is to be recorded in a session that does not say who acts."""


def key(name: str) -> str:
    """A caller of the API with a key of that name."""
    return f"key:{name}"


def worker() -> str:
    """A worker on this machine."""
    return f"worker:{socket.gethostname()}"


def acts(session: Session, actor: str) -> None:
    """Note who acts in a session."""
    session.info[ACTOR] = actor


def of(session: Session) -> str:
    """Who acts in a session.

    Raises:
        NoActorError: the session was opened without one.
    """
    actor: str | None = session.info.get(ACTOR)
    if actor is None:
        raise NoActorError(
            "This session does not say who acts: make its Database with an actor, or recognise "
            "the caller first."
        )
    return actor
