"""Globs over folders of this machine."""

from pathlib import Path

import pytest

from tests.workers.data.ground import names, read, table, url
from workers.data.errors import DatasetError
from workers.data.parquet import list_files, open_parquet


def test_a_glob_follows_no_link_to_a_folder(named: Path, tmp_path: Path) -> None:
    table(named / "shards" / "1" / "a.parquet")
    (named / "shards" / "2").symlink_to(tmp_path / "outside")

    assert names(url(named / "shards" / "1" / "*")) == ["a.parquet"]
    for pattern in ("*/*.parquet", "**/*.parquet", "[0-9]/*"):
        with pytest.raises(DatasetError, match="2 in it is a link to a folder"):
            list_files(url(named / "shards" / pattern))


def test_a_link_to_what_a_glob_finds_anyway_is_no_second_file(named: Path) -> None:
    table(named / "releases" / "v3" / "a.parquet")
    (named / "releases" / "latest").symlink_to("v3")
    (named / "releases" / "v3" / "round").symlink_to("..")

    assert read(url(named / "releases/*/*.parquet")) == ["a.parquet"]
    assert read(url(named / "releases/**/*.parquet")) == ["a.parquet"]
    with pytest.raises(DatasetError, match="latest in it is a link to a folder"):
        list_files(url(named / "releases/lat*/*.parquet"))


def test_a_glob_matches_as_a_shell_does(named: Path) -> None:
    for name in ("b1.parquet", "b2.parquet", "c.txt", ".d.parquet", "deep/er/e.parquet"):
        table(named / "train" / name)

    assert names(url(named / "train")) == ["a.parquet", "b1.parquet", "b2.parquet"]
    assert names(url(named / "train/*.parquet")) == ["a.parquet", "b1.parquet", "b2.parquet"]
    assert names(url(named / "train/b[!1].parquet")) == ["b2.parquet"]
    assert names(url(named / "tr*/?.parquet")) == ["a.parquet"]
    assert len(names(url(named / "**/*.parquet"))) == 4
    assert len(names(url(named / "train/**"))) == 5
    with pytest.raises(DatasetError, match="There is no file"):
        list_files(url(named / "train/[.]d*"))


def test_a_name_that_would_be_another_url_is_refused_by_its_reason(named: Path) -> None:
    table(named / "train" / "simplecache::file:x.parquet")

    (found, *_) = [name for name in list_files(url(named / "train")) if "::" in name]
    with pytest.raises(DatasetError, match="chains URLs"), open_parquet(found):
        pass


def test_many_asterisks_take_no_longer_than_a_few(named: Path) -> None:
    table(named / f"{'a' * 200}.parquet")

    assert names(url(named / f"{'*a' * 40}*")) == [f"{'a' * 200}.parquet"]
    with pytest.raises(DatasetError, match="There is no file"):
        list_files(url(named / f"{'*a' * 40}*b"))
