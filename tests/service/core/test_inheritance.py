"""What the look-up of a cancelled request's heirs costs while the clock is locked."""

from uuid import uuid4

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from service.core import clock
from service.core.tables import Dataset, DeletionRequestSample, Disposition, Model
from tests import factories

NAMED_BY_OTHERS = 20_000


def plan(session: Session, **keys: object) -> str:
    explained = session.execute(text(f"EXPLAIN {clock.HAND_OVER.text}"), keys)
    return "\n".join(explained.scalars())


def test_heirs_are_looked_up_by_an_index_and_not_among_all_ids(
    session: Session, digits: Dataset, cnn: Model
) -> None:
    assert cnn.dataset_id == digits.id
    first = factories.request(session, ["s-1"])
    factories.request(session, ["s-1", "s-2"])
    rows = [
        {
            "request_id": uuid4(),
            "position": position,
            "sample_id": f"other-{position}",
            "disposition": Disposition.ALREADY_DELETED if position % 2 else Disposition.STAGED,
        }
        for position in range(NAMED_BY_OTHERS)
    ]
    session.execute(insert(DeletionRequestSample), rows)
    session.commit()
    for table in ("deletion_request_samples", "tombstones", "deletion_requests"):
        session.execute(text(f"ANALYZE {table}"))

    steps = plan(session, dataset_id=digits.id, request_id=first.id)

    assert "ix_deletion_request_samples_already_deleted" in steps
    assert "Seq Scan on deletion_request_samples" not in steps
