"""Writing a version: weights, card, provenance, and a manifest of hashes, which comes last."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from service.core.storage import MANIFEST
from workers.model_files import describes
from workers.plan import Written, WrittenFile

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
CARD = "README.md"
# What training began with, if that is known.
BASIS = "base.safetensors"
MANIFEST_VERSION = 1


class ArtifactError(ValueError):
    """The files of a model cannot be used; the message says which and why."""


def load_weights(model: nn.Module, directory: Path) -> None:
    """Put `model.safetensors` into a network that has exactly its tensors.

    Raises:
        ArtifactError: the file is missing, is not safetensors, or does not fit the network.
    """
    tensors = read_weights(directory)
    state = model.state_dict()
    missing, extra = sorted(state.keys() - tensors.keys()), sorted(tensors.keys() - state.keys())
    if missing or extra:
        raise ArtifactError(
            f"{WEIGHTS} does not fit the factory's network: missing {missing[:5]}, "
            f"unexpected {extra[:5]}."
        )
    wrong = [name for name in state if state[name].shape != tensors[name].shape]
    if wrong:
        name = wrong[0]
        raise ArtifactError(
            f"{name} has shape {list(tensors[name].shape)} in {WEIGHTS}; the factory's network "
            f"needs {list(state[name].shape)}."
        )
    not_finite = [
        name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()
    ]
    if not_finite:
        raise ArtifactError(f"{not_finite[0]} in {WEIGHTS} holds numbers that are not finite.")
    model.load_state_dict(tensors)


def read_weights(directory: Path) -> dict[str, Tensor]:
    """The tensors of `model.safetensors`.

    Raises:
        ArtifactError: the file is missing, or is not safetensors.
    """
    path = directory / WEIGHTS
    if not path.is_file():
        raise ArtifactError(f"There is no {WEIGHTS} in the model's directory.")
    try:
        return load_file(path)
    except Exception as error:
        raise ArtifactError(f"{WEIGHTS} cannot be read: {error}") from error


def take_over(source: Path, target: Path) -> None:
    """Copy what a version keeps of its parent: configuration, tokenizer, vocabulary, base."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_file() and (describes(name.as_posix()) or str(name) == BASIS):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)


def write_weights(state: Mapping[str, Tensor], parent: Path, target: Path) -> None:
    """Write tensors under the parent's names, types and header.

    Raises:
        ArtifactError: a tensor is missing, has another shape or is not finite, or what is read
            back is not what was written.
    """
    with safe_open(parent / WEIGHTS, framework="pt") as file:
        metadata = file.metadata()
        wanted = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    missing = sorted(wanted.keys() - state.keys())
    if missing:
        raise ArtifactError(f"The network cannot be written: it has no {missing[:5]}.")
    tensors: dict[str, Tensor] = {
        name: state[name].detach().to("cpu", its.dtype, copy=True).contiguous()
        for name, its in wanted.items()
    }
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise ArtifactError(
                f"{name} has shape {list(tensor.shape)}; the parent's has "
                f"{list(wanted[name].shape)}."
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ArtifactError(f"{name} is not finite after unlearning.")
    save_file(tensors, target / WEIGHTS, metadata=metadata)
    written = load_file(target / WEIGHTS)
    if any(not torch.equal(written[name], tensor) for name, tensor in tensors.items()):
        raise ArtifactError(f"{WEIGHTS} does not read back as it was written.")


def write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def seal(staging: Path) -> Written:
    """Flush every file to disk, and write the manifest last: without one it is no version."""
    files = [
        _hashed(staging, path)
        for path in sorted(staging.rglob("*"))
        if path.is_file() and path.relative_to(staging) != Path(MANIFEST)
    ]
    manifest = {"manifest_version": MANIFEST_VERSION, "files": [f.model_dump() for f in files]}
    write_json(staging / MANIFEST, manifest)
    sealed = _hashed(staging, staging / MANIFEST)
    for directory in [staging, *(path for path in staging.rglob("*") if path.is_dir())]:
        _flush(directory)
    return Written(digest=sealed.sha256, files=files)


def verify(directory: Path) -> str:
    """The digest of a published directory, after every file was held against the manifest.

    Raises:
        ArtifactError: the manifest is missing, or a file is not what it says.
    """
    manifest = directory / MANIFEST
    if not manifest.is_file():
        raise ArtifactError(f"{directory.name} has no {MANIFEST}.")
    for entry in json.loads(manifest.read_text(encoding="utf-8"))["files"]:
        path = directory / entry["path"]
        if not path.is_file() or _sha256(path) != entry["sha256"]:
            raise ArtifactError(f"{entry['path']} is not the file that {MANIFEST} names.")
    return _sha256(manifest)


def _hashed(root: Path, path: Path) -> WrittenFile:
    _flush(path)
    name = path.relative_to(root).as_posix()
    return WrittenFile(path=name, bytes=path.stat().st_size, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
