"""What is installed and what is built upon is named by its hash.

`make setup` runs `deploy/install.sh`, so that the locks install is seen by every run of the suite.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from service.core.settings import Settings

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
SERVICE: list[str] = PROJECT["project"]["dependencies"]
WORKER = [*SERVICE, *EXTRAS["worker"], *EXTRAS["tables"]]
ALL = [*SERVICE, *(line for lines in EXTRAS.values() for line in lines)]
# What a lock must hold: the requirements that it was made from.
MADE_FROM = {
    "service": SERVICE,
    "worker": WORKER,
    "worker-cpu": WORKER,
    "all": ALL,
    "all-cpu": ALL,
    "security": PROJECT["dependency-groups"]["security"],
    **{f"extras/{extra}": [*SERVICE, *lines] for extra, lines in EXTRAS.items()},
}
AT_ONCE = Settings.model_fields["registrations_at_once"].default
# What a worker takes beside its runs and registrations.
WORKER_ITSELF_MIB = 512
LOCKS = sorted((ROOT / "locks").rglob("*.txt"))
ENTRY = re.compile(
    r"^(\S+)==(\S+)(?: ; .+?)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def locked(name: str) -> dict[str, str]:
    """The versions of a lock by name; the test fails if a line of it is no entry with hashes."""
    text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
    assert not ENTRY.sub("", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).strip()
    return {canonicalize_name(found[1]): found[2] for found in ENTRY.finditer(text)}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pins}


def test_every_lock_says_what_it_was_made_from() -> None:
    names = {path.relative_to(ROOT / "locks").with_suffix("").as_posix() for path in LOCKS}
    assert names == MADE_FROM.keys() | {"build", "torch", "torch-cpu"}


@pytest.mark.parametrize("name", sorted({*MADE_FROM, "build", "torch", "torch-cpu"}))
def test_a_lock_has_the_versions_of_the_constraints(name: str) -> None:
    versions, pins = locked(name), pinned()
    assert versions
    if name != "security":  # Its tools have an environment of their own.
        apart = {
            package: (version, pins[package])
            for package, version in versions.items()
            if package in pins and version.partition("+")[0] != pins[package]
        }
        assert apart == {}, "run make lock"


@pytest.mark.parametrize("name", sorted(MADE_FROM))
def test_a_lock_has_what_the_project_asks_for(name: str) -> None:
    versions = locked(name)
    for requirement in map(Requirement, MADE_FROM[name]):
        package = canonicalize_name(requirement.name)
        if package == "torch" and name.endswith("-cpu"):
            assert package not in versions
            continue
        assert package in versions, f"{requirement}: run make lock"
        assert versions[package] in requirement.specifier, f"{requirement}: run make lock"


def test_the_set_ups_without_cuda_lack_only_cuda() -> None:
    for name in ("worker", "all"):
        lacking = locked(name).keys() - locked(f"{name}-cpu").keys()
        assert "torch" in lacking
        others = {one for one in lacking if not one.startswith(("nvidia-", "cuda-"))}
        assert others == {"torch", "triton"}


def test_every_pin_is_locked() -> None:
    assert pinned().keys() <= locked("all").keys(), "run make lock, or drop what is not needed"


def test_base_images_are_named_by_digest() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    stages = set(re.findall(r" AS (\S+)$", dockerfile, re.MULTILINE))
    images = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) - stages
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    images |= {one["image"] for one in compose["services"].values() if "build" not in one}
    assert len(images) == 3
    assert [one for one in images if not re.fullmatch(r"\S+:\S+@sha256:[0-9a-f]{64}", one)] == []


def test_images_install_what_is_locked_and_nothing_else() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert "pip install" not in dockerfile
    installed = re.findall(r"deploy/install\.sh \S+ (\w+)$", dockerfile, re.MULTILINE)
    assert installed == ["service", "worker"]
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {"!locks/**", "!deploy/install.sh"} <= set(kept)


def test_workers_have_less_memory_than_the_machine_and_their_runs_have_less_still() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    for name in ("worker", "worker-cpu"):
        service = compose["services"][name]
        (gib,) = re.findall(r"^\$\{WORKER_MEMORY:-(\d+)g\}$", service["mem_limit"])
        assert service["memswap_limit"] == service["mem_limit"]
        for setting, variable, at_once in (
            ("JOB_MEMORY_LIMIT_MIB", "JOB_MEMORY_MIB", 1),
            ("REGISTRATION_MEMORY_LIMIT_MIB", "REGISTRATION_MEMORY_MIB", AT_ONCE),
        ):
            given = service["environment"][f"UNLEARND_{setting}"]
            (mib,) = re.findall(rf"^\$\{{{variable}:-(\d+)\}}$", given)
            assert int(mib) * at_once + WORKER_ITSELF_MIB <= int(gib) * 1024
