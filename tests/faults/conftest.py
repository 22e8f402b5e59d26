"""Servers of the drills' own, and a registered model that every drill starts from."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from service.core import schema
from tests.conftest import url_of
from tests.faults.power import Servers
from tests.faults.stack import Stack
from tests.faults.world import register


@dataclass(frozen=True)
class World:
    """A database to copy, and the storage that belongs to it."""

    servers: Servers
    template: str
    home: Path
    sample_ids: list[str]


@pytest.fixture(scope="session")
def powered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("powered"))
    try:
        servers.heal()
        yield servers
    finally:
        servers.close()


@pytest.fixture(scope="session")
def world(
    powered: Servers, digits: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> World:
    """Digits and their network, indexed, validated and published by the service's processes."""
    name = f"world_{uuid4().hex[:12]}"
    powered.run(f"CREATE DATABASE {name}")
    schema.upgrade(url_of(powered.postgres.direct_url, name))
    files = Path(digits["train"].removeprefix("file://").removesuffix("/*.parquet"))
    sample_ids = pq.read_table(files / "part-0.parquet")["sample_id"].to_pylist()
    folder = tmp_path_factory.mktemp("world")
    stack = Stack(powered, name, folder, sample_ids)
    try:
        register(stack, digits)
        shutil.copytree(stack.storage, folder / "storage")
    finally:
        stack.close()
    return World(powered, name, folder / "storage", sample_ids)


@pytest.fixture
def stack(world: World, tmp_path: Path) -> Iterator[Stack]:
    """The service as a drill begins: everything registered, and no process running."""
    world.servers.heal()
    name = f"drill_{uuid4().hex[:12]}"
    # With the default strategy a crash would set the copy's sequences back: PostgreSQL logs their
    # values 32 ahead, and in the copy's log there are only those of the moment of copying.
    copied = f"CREATE DATABASE {name} TEMPLATE {world.template} STRATEGY file_copy"
    world.servers.run(copied)
    made = Stack(world.servers, name, tmp_path, world.sample_ids)
    shutil.copytree(world.home, made.storage)
    try:
        yield made
    finally:
        made.close()
        world.servers.heal()
        world.servers.drop(name)
