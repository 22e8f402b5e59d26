"""`python -m workers.demo prepare|report …`: what `unlearnd demo` starts."""

import argparse
import json
import sys
from pathlib import Path

from workers.demo.images import TASKS, ImagesMissingError
from workers.demo.prepare import prepare
from workers.demo.report import report


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers.demo")
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("prepare")
    making.add_argument("--dataset", choices=sorted(TASKS), required=True)
    making.add_argument("--seed", type=int, default=0)
    making.add_argument("target", type=Path)
    reporting = commands.add_parser("report")
    reporting.add_argument("--version", type=Path, required=True)
    reporting.add_argument("--factory", required=True)
    reporting.add_argument("--scale", type=float, required=True)
    reporting.add_argument("target", type=Path)
    given = parser.parse_args()
    if given.command == "prepare":
        try:
            prepare(given.dataset, given.target.resolve(), given.seed)
        except ImagesMissingError as error:
            sys.exit(str(error))
    else:
        figures = report(given.target, given.version, given.factory, given.scale)
        sys.stdout.write(json.dumps(figures))


main()
