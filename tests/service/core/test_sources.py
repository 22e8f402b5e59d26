"""Which URLs may be opened, by their text alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.core.settings import Settings
from service.core.sources import (
    SCHEMES,
    Location,
    SourceError,
    SourceNotAllowedError,
    Sources,
    of_path,
    prefix_of,
)

ALLOWED = Sources(tuple(map(prefix_of, ["file:///data", "s3://bucket/a/b", "https://host/files"])))


def opens(url: str, allowed: Sources = ALLOWED) -> bool:
    try:
        allowed.check(url)
    except SourceError:
        return False
    return True


@pytest.mark.parametrize(
    "url",
    [
        "file:///data",
        "file:///data/",
        "file:///data/train/*.parquet",
        "file:///data/**/part-?.parquet",
        "file:///data/a b/ü#1,2&3=4;100%.parquet",
        "s3://bucket/a/b/c",
        "https://host/files/a.parquet",
    ],
)
def test_what_lies_below_a_prefix_is_opened(url: str) -> None:
    assert opens(url)


@pytest.mark.parametrize(
    "url",
    [
        # Beside a prefix, above it, or in another bucket or host.
        "file:///database/a.parquet",
        "file:///dat",
        "file:///",
        "file:///Data/a",
        "s3://bucket/a/bc",
        "s3://bucket/a",
        "s3://bucket2/a/b/c",
        "s3a://bucket/a/b/c",
        "https://host.example/files/a",
        "https://host@elsewhere/files/a",
        "https://host:444/files/a",
        "http://host/files/a",
        # Globs in the place of a prefix.
        "file:///*/a.parquet",
        "file:///dat?/a.parquet",
        "file:///dat[a]/a.parquet",
        "s3://buck*/a/b/c",
        # Steps upwards and nowhere, also in what a server or a driver may decode.
        "file:///data/../etc/a",
        "file:///data/train/../../etc/a",
        "file:///data/..",
        "file:///data/./a",
        "file:///data//a",
        "file:////data/a",
        "file:///data/train//",
        "file:///data/%2e%2e/a",
        "file:///data/%2E./a",
        "file:///data/a%2fb",
        "file:///data/a%5Cb",
        "file:///data/a%00",
        "file:///data/a%0a",
        # Other spellings.
        "FILE:///data/a",
        "File:///data/a",
        "file:/data/a",
        "file:data/a",
        "file:data",
        "file://localhost/data/a",
        "file://data/a",
        "file://~/a",
        "file://./data/a",
        "file://../data/a",
        "/data/a",
        "data/a",
        "./a",
        "~/a",
        "~root/a",
        "",
        " file:///data/a",
        "\tfile:///data/a",
        "file ///data/a",
        "://data/a",
        "file:///data\\a",
        "file:///data/..\\etc",
        "\\\\host\\share",
        "C:\\data",
        # Control characters, and what is not Unicode.
        "file:///data/a\x00",
        "file:///data/a\x00.parquet",
        "file:///data/a\nb",
        "file:///data/a\x7f",
        "file:///data/a\x85",
        "file:///data/\ud800",
        # Hidden files, which hold keys.
        "file:///data/.ssh/a",
        "file:///data/train/.a.parquet",
        "file:///data/.*/a",
        "file:///data/...",
        # Queries of web servers.
        "https://host/files/get?url=file:///etc/a",
        "https://host/files/a#b",
        # Bodies without a bucket.
        "s3:///a/b/c",
        "https:///files/a",
    ],
)
def test_what_is_not_plainly_below_a_prefix_is_refused(url: str) -> None:
    assert not opens(url)


WRAPPERS = [
    "arrow_hdfs",
    "async_wrapper",
    "asynclocal",
    "blockcache",
    "box",
    "cached",
    "dask",
    "data",
    "dbfs",
    "dir",
    "dropbox",
    "dvc",
    "filecache",
    "gdrive",
    "generic",
    "gist",
    "git",
    "github",
    "gitlab",
    "jlab",
    "jupyter",
    "lakefs",
    "libarchive",
    "local",
    "memory",
    "pyscript",
    "reference",
    "root",
    "simplecache",
    "tar",
    "tosfs",
    "wandb",
    "webdav",
    "xrootd",
    "zip",
]


@pytest.mark.parametrize("scheme", WRAPPERS)
def test_what_wraps_or_fetches_other_urls_cannot_even_be_named(scheme: str) -> None:
    assert scheme not in SCHEMES
    with pytest.raises(SourceError, match=r"scheme|no URL"):
        prefix_of(f"{scheme}://data")
    everything = Sources((prefix_of("file:///"),))
    assert not opens(f"{scheme}:///data/a", everything)
    assert not opens(f"{scheme}://data/a", everything)
    assert not opens(f"{scheme}::file:///data/a", everything)


@pytest.mark.parametrize(
    "url",
    [
        "simplecache::file:///data/a",
        "filecache::s3://bucket/a/b/c",
        "zip://a.parquet::file:///data/a.zip",
        "file:///data/a::file:///etc/passwd",
        "s3://bucket/a/b/c::file:///etc/passwd",
        "reference::file:///data/map.json",
        "file::file:///data/a",
        "dir::file:///data",
    ],
)
def test_chained_urls_are_refused(url: str) -> None:
    with pytest.raises(SourceError, match="chains"):
        ALLOWED.check(url)


@given(st.text(max_size=40))
def test_whatever_is_opened_lies_below_its_prefix_word_by_word(rest: str) -> None:
    try:
        location = ALLOWED.check(f"file:///data/{rest}")
    except SourceError:
        return

    assert location.segments[0] == "data"
    assert location.path == f"/data/{rest}".rstrip("/")
    assert not {"", ".", ".."} & set(location.segments)
    assert Path(location.path).is_relative_to("/data")


def test_a_folder_that_is_named_is_opened_although_it_is_hidden() -> None:
    allowed = Sources((prefix_of("file:///home/mia/.cache/hub"), prefix_of("file:///home/mia")))

    assert opens("file:///home/mia/.cache/hub/models--a--b/x", allowed)
    assert not opens("file:///home/mia/.cache/other/x", allowed)
    assert not opens("file:///home/mia/.cache/hub/.locks/x", allowed)


def test_the_system_and_our_own_files_stay_closed_whatever_is_named() -> None:
    allowed = Sources((prefix_of("file:///"),), own=(of_path("/srv/unlearnd/storage"),))

    assert opens("file:///srv/unlearnd/data/a", allowed)
    assert opens("file:///srv/unlearnd/storage2/a", allowed)
    assert opens("file:///dev/shm/a", allowed)
    closed = ["/srv/unlearnd/storage", "/srv/unlearnd/storage/models/a", "/proc/self/environ"]
    closed += ["/proc/1/root/data/a", "/sys/kernel", "/dev/stdin", "/dev/fd/3", "/dev/sda"]
    assert not any(opens(f"file://{path}", allowed) for path in closed)


def test_nothing_is_opened_where_an_operator_names_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARND_SOURCES", "")

    assert not opens("file:///data/a", Settings().allowed_sources)
    assert not opens(f"file://{Settings().home_dir}/a", Settings().allowed_sources)


def test_prefixes_are_listed_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARND_SOURCES", " file:///data/ , s3://bucket ,")

    allowed = Settings().allowed_sources

    assert allowed.prefixes == (Location("file", "", ("data",)), Location("s3", "bucket", ()))
    assert opens("s3://bucket/a", allowed)


@pytest.mark.parametrize(
    "prefix", ["/data", "file:///data/*", "file:///a/../b", "zip://a", "s3://", "s3://b*", "~/a"]
)
def test_a_prefix_that_is_none_is_told_at_the_start(prefix: str) -> None:
    with pytest.raises(ValidationError, match="file:///data"):
        Settings(sources=[prefix])


def test_by_default_the_home_is_open_and_what_the_service_keeps_there_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("UNLEARND_SOURCES")
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    settings = Settings(home=tmp_path / "home", storage=tmp_path / "home" / "kept" / "versions")
    allowed = settings.allowed_sources

    for home in (tmp_path / "home", tmp_path / "real"):
        assert opens(f"file://{home}/tour/train/*.parquet", allowed)
        assert opens(f"file://{home}/data/model", allowed)
        own = ["admin.key", "run.json", "postgres/data", "redis", "log/postgres.log", "demo/data"]
        own += ["storage/models/a", "uploads/x", "work/x"]
        assert not any(opens(f"file://{home}/{name}", allowed) for name in own)
    assert not opens(f"file://{settings.storage_dir}/models/a", allowed)
    assert not opens(f"file://{tmp_path}/beside", allowed)
    assert not opens("file:///data/a", allowed)


def test_a_refusal_names_field_and_setting_and_repeats_no_path() -> None:
    for url in (
        "file:///secret/a",
        "zip://secret::file:///secret",
        "secret",
        "file:///data/../secret",
    ):
        with pytest.raises(SourceNotAllowedError, match="UNLEARND_SOURCES") as told:
            ALLOWED.refuse_others(uri="file:///data/a", holdout_uri=url)
        assert told.value.facts == {"field": "holdout_uri"}
        assert "secret" not in str(told.value)
        assert "bucket/a/b" not in str(told.value)
