"""Bringing a registered model's files here."""

from pathlib import Path

import fsspec

from workers.artifacts import TAKEN_OVER, WEIGHTS, ArtifactError


def fetch_model(uri: str, target: Path) -> None:
    """Copy weights and configuration from an fsspec URL. Nothing else is fetched.

    Raises:
        ArtifactError: the location cannot be read, or holds no `model.safetensors`.
    """
    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
        if not filesystem.isdir(root):
            raise ArtifactError(f"{uri} is no directory.")
        found = filesystem.find(root)
    except ArtifactError:
        raise
    except (OSError, ValueError, ImportError) as error:
        raise ArtifactError(f"{uri} cannot be read: {error}") from error
    for path in found:
        name = path.removeprefix(root.rstrip("/") + "/")
        wanted = name == WEIGHTS or Path(name).suffix in TAKEN_OVER
        if wanted and not any(part.startswith(".") for part in Path(name).parts):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            filesystem.get_file(path, str(target / name))
    if not (target / WEIGHTS).is_file():
        raise ArtifactError(f"{uri} holds no {WEIGHTS}.")
