"""Looking up the samples that a request names: each ID gets its place and its first disposition."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.core import clock
from service.core.tables import Disposition

Counts: TypeAlias = dict[Disposition, int]

# Every ID gets its row and its first disposition, and they are counted, in one statement.
RESOLVE_LISTED = text(
    """
    WITH stored AS (
        INSERT INTO deletion_request_samples (request_id, position, sample_id, disposition)
        SELECT :request_id, given.position, given.sample_id,
               CASE WHEN given.occurrence > 1 THEN 'duplicate'
                    WHEN s.sample_id IS NULL THEN 'not_found'
                    ELSE 'staged' END
        FROM (
            SELECT id COLLATE "C" AS sample_id, position - 1 AS position,
                   row_number() OVER (PARTITION BY id ORDER BY position) AS occurrence
            FROM unnest(CAST(:sample_ids AS text[])) WITH ORDINALITY AS list (id, position)
        ) AS given
        LEFT JOIN samples AS s ON s.dataset_id = :dataset_id AND s.sample_id = given.sample_id
        RETURNING disposition
    )
    SELECT disposition, count(*), now() FROM stored GROUP BY disposition
    """
)

# Sorting and joining a million IDs in memory takes half the time that it takes on disk.
ROOM = text("SET LOCAL work_mem = '64MB'")
# The numbers come from the server, in the order of the rows. Asked for one at a time they would
# cost as much as the rest of the COPY.
SPOOLED = text(
    """
    CREATE TEMPORARY TABLE spooled (
        id text COLLATE "C" NOT NULL,
        position bigint GENERATED ALWAYS AS IDENTITY (CACHE 10000)
    ) ON COMMIT DROP
    """
)
COPY = "COPY spooled (id) FROM STDIN (ENCODING 'UTF8')"
ANALYZE = text("ANALYZE spooled")
# A million IDs are looked up once only: what is found is kept for the stamping.
RESOLVED = text(
    """
    CREATE TEMPORARY TABLE resolved ON COMMIT DROP AS
    SELECT given.position - 1 AS position, given.id AS sample_id, s.row_position,
           CASE WHEN given.occurrence > 1 THEN 'duplicate'
                WHEN s.sample_id IS NULL THEN 'not_found'
                ELSE 'staged' END AS disposition
    FROM (
        SELECT id, position, row_number() OVER (PARTITION BY id ORDER BY position) AS occurrence
        FROM spooled
    ) AS given
    LEFT JOIN samples AS s ON s.dataset_id = :dataset_id AND s.sample_id = given.id
    """
)
COUNT = text("SELECT disposition, count(*), now() FROM resolved GROUP BY disposition")
STORE = text(
    """
    INSERT INTO deletion_request_samples (request_id, position, sample_id, disposition)
    SELECT :request_id, position, sample_id, disposition FROM resolved ORDER BY position
    """
)


class Given(Protocol):
    """The sample IDs of a request, wherever they are kept."""

    @property
    def total(self) -> int: ...

    @property
    def found(self) -> str:
        """A query of the samples that are to be stamped, and their rows."""

    def resolve(
        self, session: Session, request_id: UUID, dataset_id: int
    ) -> tuple[Counts, datetime]:
        """Store each ID with what it names, and count them by disposition.

        The time is that of the transaction, which `accepted_at` will be.
        """


class Listed:
    """IDs that came in the body of a request."""

    found = clock.FOUND

    def __init__(self, sample_ids: list[str]) -> None:
        self._sample_ids = sample_ids

    @property
    def total(self) -> int:
        return len(self._sample_ids)

    def resolve(
        self, session: Session, request_id: UUID, dataset_id: int
    ) -> tuple[Counts, datetime]:
        keys = {"request_id": request_id, "dataset_id": dataset_id}
        rows = session.execute(RESOLVE_LISTED, keys | {"sample_ids": self._sample_ids}).all()
        return counted(rows)


class Spooled:
    """IDs that lie on disk, in the text format of COPY: any number of them."""

    found = "SELECT sample_id, row_position FROM resolved WHERE disposition = 'staged'"

    def __init__(self, blocks: Iterable[bytes], total: int) -> None:
        self._blocks = blocks
        self.total = total

    def resolve(
        self, session: Session, request_id: UUID, dataset_id: int
    ) -> tuple[Counts, datetime]:
        session.execute(ROOM)
        session.execute(SPOOLED)
        copy_in(session, self._blocks)
        session.execute(ANALYZE)
        session.execute(RESOLVED, {"dataset_id": dataset_id})
        session.execute(STORE, {"request_id": request_id})
        return counted(session.execute(COUNT).all())


def copy_in(session: Session, blocks: Iterable[bytes]) -> None:
    """COPY, past SQLAlchemy, which has none; its errors are those of any other statement.

    PostgreSQL quotes the line that it stumbles over. Whoever logs an error leaves that out.
    """
    connection: Any = session.connection().connection.driver_connection
    cursor: psycopg.Cursor[Any]
    try:
        with connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for block in blocks:
                copy.write(block)
    except psycopg.Error as error:
        raise DBAPIError.instance(COPY, None, error, psycopg.Error, hide_parameters=True) from None


def counted(rows: Sequence[Any]) -> tuple[Counts, datetime]:
    return {Disposition(disposition): number for disposition, number, _ in rows}, rows[0][2]
