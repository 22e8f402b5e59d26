"""Bringing a registered model's files here."""

from pathlib import Path

from workers.artifacts import CARD, WEIGHTS, ArtifactError
from workers.data.locations import FILES_AT_FAULT, URL_AT_FAULT, fault
from workers.data.places import Folder, open_folder
from workers.model_files import PART_WEIGHTS, describes
from workers.model_forms import left_out_part, refused_form
from workers.model_json import refuse_damage
from workers.model_references import refuse_references
from workers.weight_files import INDEX, shards_of

WANTED = {WEIGHTS, CARD, INDEX}


def fetch_model(uri: str, target: Path, *, whole: bool = False) -> None:
    """Copy weights and configuration from an fsspec URL. Nothing else is fetched.

    `whole` says that the directory is in the layout of a library, which may need more of it than
    that: then no file may stay behind that could be a part of the model.

    Raises:
        ArtifactError: the location is not one that can be read, is in a form that is not read,
            holds no weights in safetensors, or names files that lie elsewhere.
        OSError: the storage failed; it may answer another time.
    """
    try:
        folder = open_folder(uri)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(f"{uri} is no directory.") from error
    except (*FILES_AT_FAULT, *URL_AT_FAULT) as error:
        raise ArtifactError(fault(uri, error)) from error
    try:
        found = set(folder.names())
        for name in found:
            if name in WANTED or describes(name) or PART_WEIGHTS.fullmatch(name):
                _get(folder, name, target)
        shards = shards_of(target) or {}
        for name in shards.keys() & found:
            _get(folder, name, target)
    except ArtifactError:
        raise
    except (*FILES_AT_FAULT, *URL_AT_FAULT) as error:
        raise ArtifactError(fault(uri, error)) from error
    has_weights = bool(shards) or WEIGHTS in found
    if whole or not has_weights:
        said = refused_form(found, has_weights=has_weights)
        if said is not None:
            raise ArtifactError(said)
    if not has_weights:
        raise ArtifactError(f"{uri} holds no {WEIGHTS}.")
    refuse_damage(target)
    refuse_references(target)
    unknown = left_out_part(found - shards.keys()) if whole else None
    if unknown is not None:
        raise ArtifactError(unknown)


def _get(folder: Folder, name: str, target: Path) -> None:
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    folder.copy(name, target / name)
