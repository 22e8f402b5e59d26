from pathlib import Path

import pytest
from pydantic import ValidationError

from service.core.errors import ConfigurationError
from service.core.settings import Settings
from service.main import create_app


def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNLEARND_HOME", str(tmp_path))
    monkeypatch.setenv("UNLEARND_PORT", "9000")
    monkeypatch.setenv("UNLEARND_LEASE_SECONDS", "12.5")
    monkeypatch.setenv("UNLEARND_NO_SUCH_SETTING", "is ignored")

    settings = Settings()

    assert (settings.home_dir, settings.port, settings.lease_seconds) == (tmp_path, 9000, 12.5)


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        ("", []),
        ("acme.models:", ["acme.models:"]),
        (" acme.models: ,other:make ,, ", ["acme.models:", "other:make"]),
    ],
)
def test_factories_are_listed_by_commas(
    monkeypatch: pytest.MonkeyPatch, given: str, parsed: list[str]
) -> None:
    monkeypatch.setenv("UNLEARND_MODULE_FACTORIES", given)

    assert Settings().module_factories == parsed


@pytest.mark.parametrize(
    ("factory", "allowed"),
    [
        ("workers.zoo:fashion_cnn", True),
        ("workers.zoo.evil:make", False),
        ("workers.zoological:make", False),
        ("acme.models:small", True),
        ("acme.models.deep:small", False),
        ("os:system", False),
        ("", False),
    ],
)
def test_a_factory_needs_an_allowed_prefix(factory: str, allowed: bool) -> None:
    settings = Settings(module_factories=["acme.models:"])

    assert settings.allows_factory(factory) is allowed


def test_only_our_own_zoo_is_allowed_by_default() -> None:
    assert Settings().allows_factory("workers.zoo:digits_cnn")
    assert not Settings().allows_factory("torch.hub:load")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("LEASE_SECONDS", "0.5"),
        ("DISPATCH_INTERVAL_SECONDS", "0"),
        ("MAX_ATTEMPTS", "0"),
        ("MAX_FRACTION", "1.5"),
        ("MAX_FRACTION", "0"),
        ("MAX_BODY_BYTES", "1"),
        ("LOG_LEVEL", "LOUD"),
        ("DEVICE", "tpu"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"UNLEARND_{name}", value)

    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_storage_and_scratch_lie_in_the_home_unless_named(tmp_path: Path) -> None:
    plain = Settings(home=tmp_path)
    named = Settings(home=tmp_path, storage=tmp_path / "s", work_dir=tmp_path / "w")

    assert (plain.storage_dir, plain.scratch_dir) == (tmp_path / "storage", tmp_path / "work")
    assert (named.storage_dir, named.scratch_dir) == (tmp_path / "s", tmp_path / "w")
    assert plain.admin_key_file == tmp_path / "admin.key"


def test_an_api_without_a_database_says_what_to_set() -> None:
    with pytest.raises(ConfigurationError, match="UNLEARND_DATABASE_URL"):
        create_app(Settings())


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "redis://:p%40ss@redis/0",
        "rediss://redis.example.org",
        "redis+socket:///run/redis.sock",
    ],
)
def test_redis_may_be_reached_plainly_with_tls_or_by_a_socket(url: str) -> None:
    assert Settings(redis_url=url).redis_url == url


@pytest.mark.parametrize("url", ["garbage", "amqp://x", "redis:x", "redis://h:x/0", "unix:///x"])
def test_another_broker_than_redis_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="redis_url"):
        Settings(redis_url=url)


@pytest.mark.parametrize(
    "url", ["garbage", "sqlite:///x", "postgres://h/d", "postgresql+psycopg2://h/d", "mysql://h"]
)
def test_another_database_than_postgresql_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"postgresql\+psycopg://USER"):
        Settings(database_url=url)


def test_an_empty_url_is_none_and_a_refused_one_is_not_repeated() -> None:
    assert Settings(database_url="", redis_url="").database_url is None
    with pytest.raises(ValidationError) as refused:
        Settings(database_url="mysql://u:hunter2@h/d")
    assert "hunter2" not in str(refused.value)
