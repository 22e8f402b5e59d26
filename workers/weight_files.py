"""Weights as they lie in a directory: in one file, or in several with an index."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from workers.artifacts import BASIS, WEIGHTS, ArtifactError
from workers.quoting import name_in, of_files
from workers.weight_kinds import refuse_other_kinds

INDEX = f"{WEIGHTS}.index.json"
# A shard lies beside its index: a name with a slash would lead out of the directory.
SHARD = re.compile(r"\w[\w.-]*\.safetensors")
LARGEST_INDEX = 64 * 2**20


def shards_of(directory: Path) -> dict[str, set[str]] | None:
    """The tensors of each file that the index names; None if the weights are one file.

    Where both lie in a directory, the one file is what libraries read.

    Raises:
        ArtifactError: the index cannot be used, or names what is no file beside it.
    """
    index = directory / INDEX
    if (directory / WEIGHTS).is_file() or not index.is_file():
        return None
    if index.stat().st_size > LARGEST_INDEX:
        raise ArtifactError(f"{INDEX} is larger than {LARGEST_INDEX // 2**20} MiB.")
    try:
        said = json.loads(index.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{INDEX} is not JSON that can be read: {of_files(error)}") from error
    named = said.get("weight_map") if isinstance(said, dict) else None
    if not isinstance(named, dict) or not named:
        raise ArtifactError(f'{INDEX} must map tensors to files in "weight_map".')
    shards: dict[str, set[str]] = {}
    for tensor, file in named.items():
        if not isinstance(file, str) or not SHARD.fullmatch(file):
            raise ArtifactError(
                f"{INDEX} names {name_in(file)} for a tensor: a shard must be a .safetensors "
                "file in the same directory."
            )
        shards.setdefault(file, set()).add(tensor)
    return dict(sorted(shards.items()))


def weight_files(directory: Path) -> list[str]:
    """The names of the files that hold the network's weights.

    Raises:
        ArtifactError: there are none, one is missing, or the index cannot be used.
    """
    shards = shards_of(directory)
    if shards is None and not (directory / WEIGHTS).is_file():
        raise ArtifactError(f"There is no {WEIGHTS} in the model's directory.")
    if shards is None:
        return [WEIGHTS]
    lacking = next((file for file in shards if not (directory / file).is_file()), None)
    if lacking is not None:
        raise ArtifactError(f"{INDEX} names {lacking}, which is not there.")
    return list(shards)


def weight_names(directory: Path) -> set[str]:
    """The names of all tensors.

    Raises:
        ArtifactError: a file is missing, is not safetensors, or holds other tensors than the
            index says.
    """
    shards, found = shards_of(directory), set()
    for file in weight_files(directory):
        names = _names(directory / file)
        if shards is not None and names != shards[file]:
            strange = min(names ^ shards[file])
            raise ArtifactError(f"{file} and {INDEX} do not agree about the tensor {strange}.")
        found |= names
    return found


def read_weights(directory: Path) -> dict[str, Tensor]:
    """All tensors by name.

    Raises:
        ArtifactError: a file is missing, is not safetensors, or is not what the index says.
    """
    weight_names(directory)
    tensors: dict[str, Tensor] = {}
    for file in weight_files(directory):
        try:
            tensors |= load_file(directory / file)
        except Exception as error:
            raise ArtifactError(f"{file} cannot be read: {of_files(error)}") from error
    return tensors


def load_weights(model: nn.Module, directory: Path, whose: str = "the factory's network") -> None:
    """Put the weights of a directory into a network that has exactly these tensors.

    `whose` tensors they are is said in refusals.

    Raises:
        ArtifactError: they cannot be read, or do not fit the network.
    """
    state = model.state_dict()
    tensors = with_shared_names(read_weights(directory), state)
    missing, extra = sorted(state.keys() - tensors.keys()), sorted(tensors.keys() - state.keys())
    shared = shared_in(directory) if missing else {}
    dropped = next((name for name in missing if name in shared), None)
    if dropped is not None:
        raise ArtifactError(
            f"{WEIGHTS} says that {dropped} and {shared[dropped]} are one tensor, and {whose} "
            "has two: let it share them."
        )
    if missing or extra:
        raise ArtifactError(
            f"{WEIGHTS} does not fit {whose}: missing {missing[:5]}, unexpected {extra[:5]}."
        )
    wrong = [name for name in state if state[name].shape != tensors[name].shape]
    if wrong:
        name = wrong[0]
        raise ArtifactError(
            f"{name} has shape {list(tensors[name].shape)} in {WEIGHTS}; {whose} "
            f"needs {list(state[name].shape)}."
        )
    refuse_other_kinds(state, [directory / file for file in weight_files(directory)], whose)
    not_finite = [
        name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()
    ]
    if not_finite:
        raise ArtifactError(f"{not_finite[0]} in {WEIGHTS} holds numbers that are not finite.")
    model.load_state_dict(tensors)


def with_shared_names(
    tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors, and under their other names those that a network has under several.

    `safetensors.torch.save_model` keeps one name of each.

    Raises:
        ArtifactError: one tensor of the network has two values in the file.
    """
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, its in state.items():
        if its.numel():
            place = (its.data_ptr(), its.shape, its.stride(), its.dtype, its.device)
            groups.setdefault(place, []).append(name)
    complete = dict(tensors)
    for names in groups.values():
        stored = [name for name in names if name in tensors]
        for name in stored[1:]:
            if not torch.equal(tensors[name], tensors[stored[0]]):
                raise ArtifactError(
                    f"{stored[0]} and {name} are one tensor of the network, and differ in "
                    f"{WEIGHTS}."
                )
        if stored:
            complete |= {name: tensors[stored[0]] for name in names if name not in tensors}
    return complete


def shared_in(directory: Path) -> dict[str, str]:
    """Names that are not stored, each with the stored one of the same tensor."""
    shared: dict[str, str] = {}
    for file in weight_files(directory):
        kept = kept_header(directory / file) or {}
        shared |= {name: other for name, other in kept.items() if name != "format"}
    return shared


def kept_header(path: Path) -> dict[str, str] | None:
    """What a version keeps of the free text that a file's header may hold.

    That is the form, and which names share a tensor. Tools write anything else there, such as the
    captions that a network was trained on.
    """
    with safe_open(path, framework="pt") as file:
        said, names = file.metadata(), set(file.keys())
    if said is None:
        return None
    return {
        name: value
        for name, value in said.items()
        if (name, value) in (("format", "pt"), ("format", "np"))
        or (name not in names and value in names)
    }


def write_weights(state: Mapping[str, Tensor], parent: Path, target: Path) -> None:
    """Write tensors under the parent's names and types, in files like the parent's.

    Raises:
        ArtifactError: a tensor is missing, has another shape or is not finite, or what is read
            back is not what was written.
    """
    missing = sorted(weight_names(parent) - state.keys())
    if missing:
        raise ArtifactError(f"The network cannot be written: it has no {missing[:5]}.")
    target.mkdir(exist_ok=True)
    for file in weight_files(parent):
        _write(state, parent / file, target / file)
    if shards_of(parent) is not None:
        # The same tensors in the same files: the index, and the sizes in it, hold on.
        shutil.copyfile(parent / INDEX, target / INDEX)


def _write(state: Mapping[str, Tensor], parent: Path, target: Path) -> None:
    tensors: dict[str, Tensor] = {}
    for name, its in _tensors(parent):
        tensor = state[name].detach().to("cpu", its.dtype, copy=True).contiguous()
        if tensor.shape != its.shape:
            raise ArtifactError(
                f"{name} has shape {list(tensor.shape)}; the parent's has {list(its.shape)}."
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ArtifactError(f"{name} is not finite after unlearning.")
        tensors[name] = tensor
    save_file(tensors, target, metadata=kept_header(parent))
    written = load_file(target)
    if any(not torch.equal(written[name], tensor) for name, tensor in tensors.items()):
        raise ArtifactError(f"{target.name} does not read back as it was written.")


def all_weight_files(directory: Path) -> list[Path]:
    """Every file of weights, those of parts behind the network included, from `directory` on."""
    found = (path.relative_to(directory) for path in directory.rglob("*.safetensors"))
    return sorted(path for path in found if path != Path(BASIS))


def refuse_what_changed(before: Path, after: Path) -> None:
    """Every tensor that lies in `after` must be the one in the same file of `before`.

    Raises:
        ArtifactError: one is not.
    """
    for file in all_weight_files(after):
        for name, written in _tensors(after / file):
            with safe_open(before / file, framework="pt") as source:
                if not torch.equal(source.get_tensor(name), written):
                    raise ArtifactError(f"{name} cannot be written as it was read.")


def import_weights(source: Path, rewritten: Path, target: Path) -> None:
    """Bring to `target` the files of weights that were `rewritten`, which holds nothing else.

    A file is taken from the source, byte for byte, unless its header holds what is not kept.
    """
    for file in all_weight_files(rewritten):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        clean = _header(source / file) == _header(rewritten / file)
        shutil.copyfile((source if clean else rewritten) / file, target / file)
    if (rewritten / INDEX).is_file():
        shutil.copyfile(rewritten / INDEX, target / INDEX)


def kinds_of_weights(directory: Path) -> set[torch.dtype]:
    """The types of all tensors."""
    return {
        its.dtype for file in all_weight_files(directory) for _, its in _tensors(directory / file)
    }


def _names(path: Path) -> set[str]:
    try:
        with safe_open(path, framework="pt") as file:
            return set(file.keys())
    except Exception as error:
        raise ArtifactError(f"{path.name} cannot be read: {of_files(error)}") from error


def _header(path: Path) -> dict[str, str] | None:
    with safe_open(path, framework="pt") as file:
        said: dict[str, str] | None = file.metadata()
    return said


def _tensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            yield name, file.get_tensor(name)
