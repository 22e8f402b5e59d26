"""Which version a lineage of edits began with."""

import json

from service.core.storage import MANIFEST, PROVENANCE, LocalStore
from workers.plan import Origin


def origin_of(store: LocalStore, model: str, parent_digest: str) -> Origin | None:
    """The version that the parent is an edit of, if it is one and that version's files are there.

    Old versions are destroyed one day. Then the parent is the oldest that an edit can be held to.
    """
    path = store.file(model, parent_digest, PROVENANCE)
    if not path.exists():
        # A parent without its files is no parent: the run holds it against its manifest.
        return None
    told = json.loads(path.read_text(encoding="utf-8")).get("edit_of")
    if told is None or not store.file(model, told["digest"], MANIFEST).exists():
        return None
    directory = store.directory(model, told["digest"])
    return Origin(version=told["version"], digest=told["digest"], directory=directory)
