"""Throw generated requests at the API for some minutes: `python -m tests.fuzz --minutes 10`.

Everything is on this machine: embedded servers in a temporary folder, one API process on a free
port of the loopback, and nothing is left of it. It ends with status 1 if any check failed or the
API's log tells of a fault, and prints the seed, and a `curl` command for each failure. Whatever
else is given goes to schemathesis, such as `--continue-on-failure`.
"""

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from service.core import schema
from service.core.db import Database
from service.core.settings import Settings
from service.embedded import embedded_pair
from tests.fuzz.world import World, fill
from tests.service.serving import serving

# What the examples of the description name.
SOURCES = "file:///data,file:///models,file:///nowhere"
CONFIG = Path(__file__).with_name("schemathesis.toml")
NAMES: dict[str, list[str | int]] = {
    "/v1/datasets": ["digits", "letters"],
    "/v1/models": ["cnn", "mlp"],
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    given, more = parser.parse_known_args()
    seed = random.randrange(2**32) if given.seed is None else given.seed
    print(f"Seed: {seed}. Again: make fuzz MINUTES={given.minutes:g} SEED={seed}", flush=True)  # noqa: T201
    with TemporaryDirectory(prefix="unlearnd-fuzz-") as folder, embedded_pair(Path(folder)) as urls:
        settings = Settings(
            home=Path(folder) / "home",
            database_url=urls.database_url,
            redis_url=urls.redis_url,
        )
        schema.upgrade(urls.database_url)
        database = Database(urls.database_url, pool_size=2, actor="system")
        try:
            world = fill(database, settings)
        finally:
            database.dispose()
        log = Path(folder) / "api.log"
        with serving(settings, world.key, log, UNLEARND_SOURCES=SOURCES) as served:
            described = Path(folder) / "openapi.json"
            described.write_text(json.dumps(with_examples(served.url, world)), encoding="utf-8")
            status = throw(described, served.url, world.key, given.minutes, seed, more)
        return status or complaints_in(log)


def with_examples(url: str, world: World) -> dict[str, Any]:
    """What the API says of itself, with values that name something as examples in its paths."""
    described: dict[str, Any] = httpx2.get(f"{url}/openapi.json", trust_env=False).json()
    for path, operations in described["paths"].items():
        named = NAMES["/v1/models" if path.startswith("/v1/models") else "/v1/datasets"]
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    name = parameter["name"]
                    values = named if name == "name" else world.parts[name]
                    parameter["examples"] = {str(value): {"value": value} for value in values}
    return described


def throw(described: Path, url: str, key: str, minutes: float, seed: int, more: list[str]) -> int:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
        *("run", str(described), "--url", url, "--header", f"Authorization: Bearer {key}"),
        *("--seed", str(seed), "--max-time", str(max(1, round(minutes * 60)))),
        *("--generation-database", "none", "--no-color"),
        *more,
    ]
    # It leaves what it found in its working directory.
    return subprocess.run(command, check=False, cwd=described.parent).returncode


def complaints_in(log: Path) -> int:
    """Whether the API's log tells of a fault, which no answer need show."""
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if '"error"' in line]
    for line in lines[:20]:
        print(line)  # noqa: T201
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
