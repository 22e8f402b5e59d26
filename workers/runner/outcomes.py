"""Leaving an outcome for the supervisor. It imports no torch: indexing has no use for it."""

from pathlib import Path

from workers.plan import OUTCOME, Ending


def write_outcome(work_dir: Path, ending: Ending, rank: int = 0) -> None:
    partial = work_dir / f"{OUTCOME}.{rank}.partial"
    partial.write_text(ending.model_dump_json(), encoding="utf-8")
    partial.rename(work_dir / OUTCOME)


def traced(error: Exception) -> Exception | None:
    """The error, for a log's traceback; None where that would name a file.

    A file's name may hold a sample's ID.
    """
    linked: BaseException | None = error
    while linked is not None:
        if isinstance(linked, OSError) and linked.filename is not None:
            return None
        linked = linked.__cause__ or linked.__context__
    return error
