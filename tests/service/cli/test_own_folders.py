from pathlib import Path

import pytest

from service.cli.sources import for_one_person, own_folders
from service.core.settings import Settings
from service.core.sources import SourceError


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home, in which the command is started, with the home of unlearnd in it."""
    home = tmp_path / "mia"
    (home / "work").mkdir(parents=True)
    monkeypatch.delenv("UNLEARND_SOURCES", raising=False)
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "PWD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(home / "work")
    return home


def opens(settings: Settings, path: Path | str) -> bool:
    try:
        settings.allowed_sources.check(f"file://{path}")
    except SourceError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_a_person_at_this_machine_registers_own_folders(person: Path, host: str) -> None:
    settings = for_one_person(Settings(home=person / ".unlearnd", host=host))

    assert opens(settings, person / "data" / "train" / "*.parquet")
    assert opens(settings, person / "work" / "model")
    assert opens(settings, person / ".unlearnd" / "tour" / "model")
    assert opens(settings, person / ".cache/huggingface/hub/models--a--b/snapshots/1")
    assert opens(settings, person.parent / "temporary" / "model")
    assert opens(settings, "/data/train/*.parquet")
    closed = [".ssh/id", ".config/app", ".unlearnd/admin.key", ".unlearnd/postgres/data"]
    assert not any(opens(settings, person / name) for name in closed)
    assert not any(opens(settings, path) for path in ["/etc/x", "/proc/self/environ", "/var/x"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.7", "unlearnd.example"])  # noqa: S104
def test_whoever_else_can_call_opens_the_home_alone(person: Path, host: str) -> None:
    settings = for_one_person(Settings(home=person / ".unlearnd", host=host))

    assert opens(settings, person / ".unlearnd" / "tour" / "model")
    assert not opens(settings, person / "data" / "train")
    assert not opens(settings, "/data/train")


def test_what_an_operator_names_is_not_widened(person: Path) -> None:
    settings = for_one_person(Settings(home=person / ".unlearnd", sources=["file:///srv"]))

    assert opens(settings, "/srv/train")
    assert not opens(settings, person / "data" / "train")
    assert not opens(settings, person / ".unlearnd" / "tour")


@pytest.mark.parametrize("folder", ["/", "/etc", "/proc"])
def test_a_command_started_in_a_folder_of_the_system_opens_none(
    person: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(folder)

    assert f"file://{folder}" not in own_folders(person / ".unlearnd")


def test_a_folder_is_opened_by_the_path_that_a_shell_shows(
    person: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (person / "linked").symlink_to("work")
    monkeypatch.setenv("PWD", str(person / "linked"))

    assert f"file://{person}/linked" in own_folders(person / ".unlearnd")


def test_a_folder_that_no_list_can_hold_is_left_out(
    person: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (person / "a,b").mkdir()
    monkeypatch.chdir(person / "a,b")

    assert not any("a,b" in prefix for prefix in own_folders(person / ".unlearnd"))
