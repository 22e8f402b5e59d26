"""Something of every kind for the fuzzer to meet, as workers would have left it."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from service.core import keys
from service.core.db import Database
from service.core.settings import Settings
from service.core.storage import LocalStore
from service.core.tables import DatasetState, JobState, ModelState, RequestState, VersionState
from tests import factories

FILES = {"config.json": b'{"a": 1}', "model.safetensors": b"x" * 1000, "README.md": b"# A card"}


@dataclass(frozen=True)
class World:
    """A caller's key, and values of parts of paths that name something."""

    key: str
    parts: dict[str, list[str | int]]


def fill(database: Database, settings: Settings) -> World:
    with database.session() as session:
        key = keys.create("fuzz")
        session.add(key.row)
        digits = factories.dataset(session, rows=1000)
        factories.dataset(session, "letters", state=DatasetState.INVALID, reason="Row 3 is empty.")
        cnn = factories.model(session, digits, max_fraction=1.0)
        # One that is invalid never had a version, and may be registered anew.
        mlp = factories.model(session, digits, "mlp")
        factories.unpublish(session, mlp)
        mlp.move_to(ModelState.INVALID)
        requests = [factories.request(session, [f"s-{n}", "nobody", "nobody"]) for n in range(4)]
        requests[1].move_to(RequestState.PROCESSING)
        requests[1].move_to(RequestState.FAILED)
        first = factories.head(session, cnn)
        jobs = [
            factories.job(session, cnn, first, tv=1, state=JobState.FAILED, reason="It broke."),
            factories.job(session, cnn, first, tv=2, state=JobState.NEEDS_REVIEW),
        ]
        second = factories.version(session, cnn, number=2, tv=2, state=VersionState.STAGING)
        second.parent_id, second.job_id = first.id, jobs[1].id
        store = LocalStore(settings.storage_dir)
        for version in (first, second):
            version.files = [
                {"path": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                for name, data in FILES.items()
            ]
            version.published_at = datetime.now(UTC)
            folder = store.directory(cnn.name, version.digest)
            folder.mkdir(parents=True)
            for name, data in FILES.items():
                (folder / name).write_bytes(data)
        session.commit()
        parts: dict[str, list[str | int]] = {
            "request_id": [str(request.id) for request in requests],
            "job_id": [str(job.id) for job in jobs],
            "number": [1, 2],
            "path": list(FILES),
            "alias": ["champion"],
        }
        return World(key.text, parts)
