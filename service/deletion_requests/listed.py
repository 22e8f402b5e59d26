"""IDs that came in the body of a request, which is accepted in one statement if it can be."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session, make_transient_to_detached

from service.core import clock
from service.core.facts.record import INTO_EVENTS, SELECT_FACT, parameters
from service.core.tables import DeletionRequest
from service.deletion_requests.given import Counts, accepted, counted

# Each ID with its place in the list, the row that it names, and its first disposition.
LISTED = """
    SELECT given.position, given.sample_id, s.row_position,
           CASE WHEN given.occurrence > 1 THEN 'duplicate'
                WHEN s.sample_id IS NULL THEN 'not_found'
                ELSE 'staged' END AS disposition
    FROM (
        SELECT id COLLATE "C" AS sample_id, position - 1 AS position,
               row_number() OVER (PARTITION BY id ORDER BY position) AS occurrence
        FROM unnest(CAST(:sample_ids AS text[])) WITH ORDINALITY AS list (id, position)
    ) AS given
    LEFT JOIN samples AS s ON s.dataset_id = :dataset_id AND s.sample_id = given.sample_id
"""
# They are stored and counted in one statement.
RESOLVE_LISTED = """
    WITH stored AS (
        INSERT INTO deletion_request_samples (request_id, position, sample_id, disposition)
        SELECT :request_id, position, sample_id, disposition FROM ({listed}) AS resolved
        RETURNING disposition
    )
    SELECT disposition, count(*) FROM stored GROUP BY disposition
"""

# Savepoints past the session, whose own cost as much as the statement.
BEGIN = "SAVEPOINT at_once"
UNDO = "ROLLBACK TO SAVEPOINT at_once"

# The clock comes last, as ever: it is moved by who has counted all other rows, and until then the
# dataset's row is nobody's. Only what is as short as the clock's own update follows it.
ACCEPT = """
    WITH resolved AS MATERIALIZED ({listed}),
    counted AS MATERIALIZED (
        SELECT count(*) AS total,
               count(*) FILTER (WHERE disposition = 'staged') AS staged,
               count(*) FILTER (WHERE disposition = 'not_found') AS not_found,
               count(*) FILTER (WHERE disposition = 'duplicate') AS duplicate
        FROM resolved
    ), stored AS (
        INSERT INTO deletion_request_samples (request_id, position, sample_id, disposition)
        SELECT :request_id, position, sample_id, disposition FROM resolved
        RETURNING 1
    ), stamped AS (
        INSERT INTO tombstones (dataset_id, sample_id, row_position, request_id)
        SELECT :dataset_id, sample_id, row_position, :request_id
        FROM resolved WHERE disposition = 'staged'
        ORDER BY sample_id
        ON CONFLICT DO NOTHING
        RETURNING 1
    ), tick AS (
        UPDATE datasets SET tv = tv + 1
        FROM counted,
             (SELECT count(*) AS rows FROM stored) AS first,
             (SELECT count(*) AS rows FROM stamped) AS second
        WHERE datasets.id = :dataset_id AND counted.staged > 0
          AND first.rows = counted.total AND second.rows = counted.staged
        RETURNING datasets.tv
    ), request AS (
        INSERT INTO deletion_requests (
            id, dataset_id, tv, state, regulation, client_reference, received_at, due_at,
            total, staged, not_found, already_deleted, duplicate, unlearned
        )
        SELECT :request_id, :dataset_id, tick.tv, 'staged', :regulation,
               CAST(:client_reference AS text), :received_at, CAST(:due_at AS timestamptz),
               total, staged, not_found, 0, duplicate, false
        FROM counted, tick
    ), noted AS (
        {into_events} {select_fact} FROM tick
    )
    SELECT tick.tv, staged, not_found, duplicate FROM counted, tick
"""


RESOLVE_ALL = text(RESOLVE_LISTED.format(listed=LISTED))
ACCEPT_ALL = text(ACCEPT.format(listed=LISTED, into_events=INTO_EVENTS, select_fact=SELECT_FACT))


class Listed:
    found = clock.FOUND

    def __init__(self, sample_ids: list[str]) -> None:
        self._sample_ids = sample_ids

    @property
    def total(self) -> int:
        return len(self._sample_ids)

    def accept_at_once(self, session: Session, request: DeletionRequest) -> bool:
        """Impossible if another request holds one of the samples, or if none is known."""
        connection = session.connection()
        connection.exec_driver_sql(BEGIN)
        keys = {
            "request_id": request.id,
            "dataset_id": request.dataset_id,
            "sample_ids": self._sample_ids,
            "regulation": request.regulation.value,
            "client_reference": request.client_reference,
            "received_at": request.received_at,
            "due_at": request.due_at,
        }
        keys |= parameters(session, accepted(request))
        stored = connection.execute(ACCEPT_ALL, keys).one_or_none()
        if stored is None:
            connection.exec_driver_sql(UNDO)
            return False
        request.tv, request.staged, request.not_found, request.duplicate = stored
        # From here on it is a row that the session has read.
        make_transient_to_detached(request)
        session.add(request)
        return True

    def resolve(self, session: Session, request_id: UUID, dataset_id: int) -> Counts:
        keys = {"request_id": request_id, "dataset_id": dataset_id}
        return counted(session.execute(RESOLVE_ALL, keys | {"sample_ids": self._sample_ids}).all())
