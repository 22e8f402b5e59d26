"""Bringing a registered model's files here."""

from pathlib import Path
from typing import Any

import fsspec

from workers.artifacts import CARD, WEIGHTS, ArtifactError
from workers.data.locations import FILES_AT_FAULT, URL_AT_FAULT, fault
from workers.model_files import describes

INDEX = f"{WEIGHTS}.index.json"
# The last two are there to be refused.
WANTED = {WEIGHTS, CARD, INDEX, "adapter_config.json"}


def fetch_model(uri: str, target: Path) -> None:
    """Copy weights and configuration from an fsspec URL. Nothing else is fetched.

    Raises:
        ArtifactError: the location is not one that can be read, or holds no `model.safetensors`.
        OSError: the storage failed; it may answer another time.
    """
    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
        if not _is_directory(filesystem, root):
            raise ArtifactError(f"{uri} is no directory.")
        for path in filesystem.find(root):
            name = path.removeprefix(root.rstrip("/") + "/")
            if name in WANTED or describes(name):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                filesystem.get_file(path, str(target / name))
    except ArtifactError:
        raise
    except (*FILES_AT_FAULT, *URL_AT_FAULT) as error:
        raise ArtifactError(fault(uri, error)) from error
    if (target / WEIGHTS).is_file():
        return
    if (target / INDEX).is_file():
        raise ArtifactError(
            f"The weights in {uri} are in several files: save them as one {WEIGHTS}, with "
            "save_pretrained and a large max_shard_size."
        )
    raise ArtifactError(f"{uri} holds no {WEIGHTS}.")


def _is_directory(filesystem: Any, path: str) -> bool:
    # `isdir` would take a storage that is away for a place that is not there.
    try:
        return bool(filesystem.info(path)["type"] == "directory")
    except FileNotFoundError:
        return False
