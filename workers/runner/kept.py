"""What a run keeps for the next attempt at the same job, in a folder of its scratch directory.

Copied inputs, tables and savepoints. They are of use to the same plan only, which the supervisor
sees to, on the same machine since its last start and with the same numbers: a run that computed
otherwise would end with other bytes.
"""

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import structlog

from service.core.settings import Settings
from workers.plan import KEPT
from workers.unlearning.ranks import Ranks
from workers.unlearning.savepoints import Clock, DiskSavepoints, Saved

FINGERPRINT = "computed-by.json"
SAVES = "saves"
LOADED = "inputs"
# Files in memory outlive processes and not machines: what was not flushed may be lost by then.
BOOT = Path("/proc/sys/kernel/random/boot_id")

log = structlog.get_logger(__name__)


def kept_folder(
    work_dir: Path, settings: Settings, computed: Mapping[str, Any], ranks: Ranks
) -> Path:
    """The folder, emptied if what is in it was computed in another way.

    Several processes get the same one, and none before the first has looked at it.
    """
    folder = work_dir / KEPT
    fingerprint = {
        "code": package_version("unlearnd"),
        "boot": BOOT.read_text(encoding="ascii").strip(),
        "precision": settings.precision,
        "compile": settings.compile,
        "processes": ranks.size,
        **computed,
    }
    text = json.dumps(fingerprint, sort_keys=True)
    if ranks.first:
        folder.mkdir(exist_ok=True)
        before = folder / FINGERPRINT
        if not before.exists() or before.read_text(encoding="utf-8") != text:
            if before.exists():
                log.warning("what another attempt kept is not used: it computed in another way")
            empty(folder)
            before.write_text(text, encoding="utf-8")
    ranks.wait()
    return folder


def empty(folder: Path) -> None:
    """Remove what a run kept; what its supervisor noted there stays."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix != ".sha256":
            path.unlink()


def savepoints(folder: Path, settings: Settings, ranks: Ranks) -> DiskSavepoints:
    def ignored(sentence: str) -> None:
        log.warning("savepoint ignored", reason=sentence)

    return DiskSavepoints(folder / SAVES, Clock(settings.save_interval_seconds), ranks, ignored)


def inputs_are_there(saves: DiskSavepoints) -> bool:
    """Whether another attempt has copied all inputs."""
    return saves.load(LOADED) is not None


def note_inputs(saves: DiskSavepoints) -> None:
    saves.save(LOADED, Saved())
