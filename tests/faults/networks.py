"""The drills' network: the digits' one, in runs that do what the files of a folder say.

`workers.runner` imports it, as an operator's own factory. A file `hold-PHASE` keeps a run in a
phase for as long as it is there, and `reached-PHASE` says that it has come to it. `crash-PHASE`
ends it by SIGSEGV.
"""

import os
import signal
import time
from pathlib import Path

from torch import nn

from workers.plan import ProgressLine
from workers.runner.progress import ProgressPipe
from workers.zoo import digits_cnn

FOLDER = "DRILL_FOLDER"
SENT = ProgressPipe.tell


def digits() -> nn.Module:
    if FOLDER in os.environ:
        setattr(ProgressPipe, "tell", tell_and_obey)  # noqa: B010 (a method, to mypy)
    return digits_cnn()


def tell_and_obey(pipe: ProgressPipe, line: ProgressLine) -> None:
    """Tell the supervisor as ever, and then do what the drill wants done in this phase."""
    SENT(pipe, line)
    folder = Path(os.environ[FOLDER])
    (folder / f"reached-{line.phase}").touch()
    if (folder / f"crash-{line.phase}").exists():
        os.kill(os.getpid(), signal.SIGSEGV)
    while (folder / f"hold-{line.phase}").exists():
        time.sleep(0.02)
