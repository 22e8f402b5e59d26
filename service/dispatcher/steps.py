"""How a step of a sweep goes through what is due: one short transaction for each row."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy.orm import Session

from service.core.db import Database

Key = TypeVar("Key")


def each(
    database: Database,
    find: Callable[[Session], Sequence[Key]],
    work: Callable[[Session, Key], None],
) -> None:
    """Look up what is due, and work on each of it in a transaction of its own.

    Several jobs or datasets in one transaction would be locked in whatever order they were found,
    and two dispatchers that each have one and want the other's would wait in a circle. `work`
    looks again under a lock of its own: what was due may have been done by then.
    """
    with database.unit_of_work() as session:
        keys = find(session)
    for key in keys:
        with database.unit_of_work() as session:
            work(session, key)
