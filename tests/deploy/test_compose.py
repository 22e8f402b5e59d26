"""The compose files, the systemd units and the documents say what the code has.

No container engine is needed: what is tested is the structure.
"""

import re
import shlex
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from service.cli.app import COMMANDS, imported
from service.core.settings import Settings
from service.core.states import LifeCycle
from service.core.tables import Dataset, DeletionRequest, Job, Model, ModelVersion

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
GPU = ROOT / "docker-compose.gpu.yml"
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
README = ROOT / "README.md"
# Read by the command line and by the demo, and so no settings of the service.
CLIENT_VARIABLES = {"UNLEARND_URL", "UNLEARND_API_KEY", "UNLEARND_FASHION_MNIST"}
VARIABLE = re.compile(r"UNLEARND_[A-Z0-9_]+")
ROW = re.compile(r"^\| `(UNLEARND_[A-Z0-9_]+)` \| (.+?) \|", re.MULTILINE)
DEPLOYED = [
    COMPOSE,
    GPU,
    README,
    *(path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file()),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
]


def load(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load(path.read_text(encoding="utf-8")))


def services() -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", load(COMPOSE)["services"])


def of_ours() -> list[str]:
    return [name for name, service in services().items() if "build" in service]


def fields() -> set[str]:
    prefix = Settings.model_config["env_prefix"]
    return {f"{prefix}{name}".upper() for name in Settings.model_fields}


def check_command(words: list[str]) -> None:
    """Fail unless `words` is an `unlearnd` command whose options exist."""
    program, name, *options = words
    assert Path(program).name == "unlearnd"
    assert name in COMMANDS, f"unlearnd has no command {name}"
    accepted = {flag for parameter in imported(name).params for flag in parameter.opts}
    assert {option for option in options if option.startswith("-")} <= accepted


def test_the_compose_file_has_every_part_of_the_service() -> None:
    wanted = {"postgres", "redis", "migrate", "api", "dispatcher", "worker", "worker-cpu"}
    assert wanted <= services().keys()


@pytest.mark.parametrize("name", of_ours())
def test_a_service_runs_a_command_that_exists(name: str) -> None:
    check_command(services()[name]["command"])


def test_both_queues_have_a_worker() -> None:
    queues = {
        service["command"][-1] for name, service in services().items() if name.startswith("worker")
    }
    assert queues == {"gpu", "cpu"}


@pytest.mark.parametrize("name", services())
def test_what_a_service_waits_for_exists_and_can_come_true(name: str) -> None:
    for other, how in services()[name].get("depends_on", {}).items():
        assert other in services()
        if how["condition"] == "service_healthy":
            assert "healthcheck" in services()[other]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert services()[other]["restart"] == "no"


@pytest.mark.parametrize("name", ["postgres", "redis", "api"])
def test_a_server_has_a_health_check(name: str) -> None:
    assert services()[name]["healthcheck"]["test"][0] == "CMD"


def test_only_the_api_is_published_and_only_on_the_loopback() -> None:
    published = {
        name: service["ports"] for name, service in services().items() if "ports" in service
    }
    assert list(published) == ["api"]
    assert all(port.startswith("127.0.0.1:") for port in published["api"])


def test_no_password_is_written_into_the_file() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{((?:POSTGRES|REDIS)_PASSWORD)(?!:\?)", text)) == set()
    example = (ROOT / "deploy" / "compose.env.example").read_text(encoding="utf-8")
    given = dict(re.findall(r"^([A-Z_]+_PASSWORD)=(.*)$", example, re.MULTILINE))
    assert given == {"POSTGRES_PASSWORD": "", "REDIS_PASSWORD": ""}


def test_every_volume_that_is_mounted_is_declared() -> None:
    declared = set(load(COMPOSE)["volumes"])
    mounted = {
        re.sub(r"^\$\{DATA_DIR:-(\w+)\}", r"\1", volume).partition(":")[0]
        for service in services().values()
        for volume in service.get("volumes", [])
    }
    assert mounted == declared


@pytest.mark.parametrize("name", of_ours())
def test_our_containers_cannot_gain_rights(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", of_ours())
def test_an_image_is_built_from_a_stage_that_exists(name: str) -> None:
    build = services()[name]["build"]
    stages = re.findall(
        r"^FROM \S+ AS (\S+)$", (ROOT / build["dockerfile"]).read_text(), re.MULTILINE
    )
    assert build["target"] in stages


def test_workers_have_torch_and_nothing_else_has() -> None:
    targets = {name: services()[name]["build"]["target"] for name in of_ours()}
    assert {name for name, target in targets.items() if target == "worker"} == {
        "worker",
        "worker-cpu",
    }
    assert set(targets.values()) == {"api", "worker"}


@pytest.mark.parametrize("name", ["api", "dispatcher", "worker", "worker-cpu"])
def test_whoever_writes_or_destroys_versions_has_the_storage(name: str) -> None:
    assert "storage:/var/lib/unlearnd/storage" in services()[name]["volumes"]
    assert services()[name]["environment"]["UNLEARND_STORAGE"] == "/var/lib/unlearnd/storage"


def test_a_gpu_is_reserved_in_the_override_only() -> None:
    assert not any("deploy" in service for service in services().values())
    override = load(GPU)["services"]
    assert list(override) == ["worker"]
    (device,) = override["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]


def test_a_worker_may_end_its_run_before_it_is_killed() -> None:
    from workers.supervision import GRACE_SECONDS

    for name in ("worker", "worker-cpu"):
        assert int(services()[name]["stop_grace_period"].removesuffix("s")) > GRACE_SECONDS


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_exists(path: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    check_command(shlex.split(line))


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_variable_that_is_named_exists(path: Path) -> None:
    named = {found.rstrip("_") for found in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert named <= fields() | CLIENT_VARIABLES


def shown(value: object) -> str:
    """A default as the README writes it."""
    if value is None:
        return "unset"
    if value == []:
        return "none"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`"


def test_the_readme_lists_exactly_the_settings_with_their_defaults() -> None:
    rows = ROW.findall(README.read_text(encoding="utf-8"))
    listed = {name: default for name, default in rows if name not in CLIENT_VARIABLES}
    expected = {
        f"UNLEARND_{name.upper()}": shown(field.get_default(call_default_factory=True))
        for name, field in Settings.model_fields.items()
    }
    assert listed == expected
    assert {name for name, _ in rows} - listed.keys() == CLIENT_VARIABLES


def test_the_problem_types_are_listed() -> None:
    """Every type that a refusal of ours can have is in docs/api.md, and no other."""
    source = "".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "service").rglob("*.py"))
    )
    in_code = set(re.findall(r'^ +code(?: = |=)"([a-z-]+)",?$', source, re.MULTILINE))
    listed = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    in_docs = set(re.findall(r"^\| `/problems/([a-z-]+)` \|", listed, re.MULTILINE))
    kinds = {"error", "conflict", "invalid", "not-ready"}  # Only kinds of these are raised.
    assert in_docs - {"method-not-allowed", "bad-request"} == in_code - kinds


def test_the_life_cycles_are_listed() -> None:
    """The table in docs/architecture.md has the moves of the code."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed: dict[str, dict[str, set[str]]] = {}
    what = ""
    for name, source, targets in re.findall(
        r"^\| (\w*) ?\| `(\w+)` \| (`.+`) \|$", text, re.MULTILINE
    ):
        what = name or what
        listed.setdefault(what, {})[source] = set(re.findall(r"\w+", targets))
    tables: dict[str, type[LifeCycle]] = {
        "dataset": Dataset,
        "model": Model,
        "request": DeletionRequest,
        "job": Job,
        "version": ModelVersion,
    }
    assert listed == {name: dict(table.MOVES) for name, table in tables.items()}


def test_links_between_documents_lead_somewhere() -> None:
    for path in DEPLOYED:
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)}: {target}"
