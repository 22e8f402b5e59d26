"""IDs that came as an upload, and are looked up by the million."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.core.tables import DeletionRequest
from service.deletion_requests.given import Counts, counted

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
COUNT = text("SELECT disposition, count(*) FROM resolved GROUP BY disposition")
STORE = text(
    """
    INSERT INTO deletion_request_samples (request_id, position, sample_id, disposition)
    SELECT :request_id, position, sample_id, disposition FROM resolved ORDER BY position
    """
)


class Spooled:
    """IDs that lie on disk, in the text format of COPY: any number of them."""

    found = "SELECT sample_id, row_position FROM resolved WHERE disposition = 'staged'"

    def __init__(self, blocks: Iterable[bytes], total: int) -> None:
        self._blocks = blocks
        self.total = total

    def accept_at_once(self, _session: Session, _request: DeletionRequest) -> bool:
        """A million rows are not written to be undone."""
        return False

    def resolve(self, session: Session, request_id: UUID, dataset_id: int) -> Counts:
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
