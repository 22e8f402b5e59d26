"""Telling the supervisor how far a run is: one JSON object a line."""

import os
import sys
from typing import IO

from workers.plan import ProgressLine


class ProgressPipe:
    """Owns the process's standard output; what anybody else prints goes to standard error."""

    def __init__(self) -> None:
        self._pipe: IO[str] = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(self, line: ProgressLine) -> None:
        self._pipe.write(line.model_dump_json() + "\n")
        self._pipe.flush()
