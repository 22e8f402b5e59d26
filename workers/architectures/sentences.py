"""The modules of sentence-transformers behind a network: pooling, and what follows it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from workers.architectures.base import ArchitectureError
from workers.data.sentences import MODULES
from workers.quoting import name_in, of_files

CONFIG = "config.json"
FOLDER = re.compile(r"\d+_\w+")
VECTOR = "sentence_embedding"
LIBRARY = "sentence_transformers."
MODES = ("cls", "lasttoken", "max", "mean", "mean_sqrt_len_tokens", "weightedmean")
# Modes of pooling, and no passwords.
OLD_MODES = {  # nosec B105
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
NEEDED = {"Dense": ("in_features", "out_features"), "LayerNorm": ("dimension",)}
# Behind the pooling. Dropout does nothing where nothing is left to chance.
BEHIND = ("Dense", "Dropout", "LayerNorm", "Normalize")


class Dense(nn.Module):
    """Vectors (b, d) -> (b, e), with the tensors' names of sentence-transformers."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__()
        wide, narrow = int(said["in_features"]), int(said["out_features"])
        self.linear = nn.Linear(wide, narrow, bias=bool(said.get("bias", True)))
        self.activation_function = activation(said.get("activation_function"))
        self._adds = bool(said.get("use_residual"))
        if self._adds and wide != narrow:
            self.residual = nn.Linear(wide, narrow, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        made: Tensor = self.activation_function(self.linear(vectors))
        if not self._adds:
            return made
        return made + (self.residual(vectors) if hasattr(self, "residual") else vectors)


class LayerNorm(nn.Module):
    """Vectors (b, d) -> (b, d), with the tensors' names of sentence-transformers."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(int(said["dimension"]))

    def forward(self, vectors: Tensor) -> Tensor:
        made: Tensor = self.norm(vectors)
        return made


class Normalize(nn.Module):
    """Vectors (b, d) -> the same at length one."""

    def forward(self, vectors: Tensor) -> Tensor:
        return functional.normalize(vectors, dim=-1)


@dataclass(frozen=True)
class Part:
    """A module behind the pooling: its kind, its folder, and what its configuration says."""

    kind: str
    folder: str
    said: dict[str, Any]

    @property
    def has_weights(self) -> bool:
        return self.kind in ("Dense", "LayerNorm")

    def build(self) -> nn.Module:
        """The module with fresh weights.

        Raises:
            ArchitectureError: its configuration lacks something, or names no activation of torch.
        """
        try:
            match self.kind:
                case "Dense":
                    return Dense(self.said)
                case "LayerNorm":
                    return LayerNorm(self.said)
        except KeyError as error:
            raise ArchitectureError(
                f"{self.folder}/{CONFIG} does not describe a {self.kind}: it lacks one of "
                f"{', '.join(NEEDED[self.kind])}."
            ) from error
        except (TypeError, ValueError) as error:
            raise ArchitectureError(
                f"{self.folder}/{CONFIG} does not describe a {self.kind}: {of_files(error)}"
            ) from error
        return Normalize() if self.kind == "Normalize" else nn.Identity()


@dataclass(frozen=True)
class Sentences:
    """How token states become the vector of a text.

    modes: their poolings stand side by side. without_prompt: the prompt's tokens are left out.
    """

    modes: tuple[str, ...] = ("mean",)
    without_prompt: bool = False
    parts: tuple[Part, ...] = ()

    def behind(self) -> nn.Sequential:
        """The modules behind the pooling, with fresh weights."""
        return nn.Sequential(*(part.build() for part in self.parts))


def read_sentences(directory: Path, *, classifies: bool = False) -> Sentences:
    """What `modules.json` says, or pooling alone where there is none.

    Raises:
        ArchitectureError: it names what is not done here.
    """
    path = directory / MODULES
    if not path.is_file():
        return _pooling(directory, "1_Pooling")
    parts = _read(path)
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise ArchitectureError(f"{MODULES} is no list of modules.")
    kinds = [_kind(part) for part in parts]
    if kinds[:1] != ["Transformer"] or parts[0].get("path") not in ("", None, "."):
        raise ArchitectureError(
            f"{MODULES} begins with {', '.join(kinds[:1]) or 'nothing'}: models are read whose "
            "first module is a Transformer in the directory itself."
        )
    if len(kinds) == 1 or classifies:
        if classifies and len(kinds) > 1:
            raise ArchitectureError(f"{MODULES} names {kinds[1]} behind a network that classifies.")
        return Sentences()
    strange = sorted(set(kinds[2:]) - set(BEHIND)) or ([] if kinds[1] == "Pooling" else kinds[1:2])
    if strange:
        raise ArchitectureError(
            f"{MODULES} names {', '.join(strange)}: unlearnd reads a Transformer, a Pooling, and "
            f"behind them {', '.join(BEHIND)}."
        )
    folders = [str(part.get("path")) for part in parts[1:]]
    wrong = next((folder for folder in folders if not FOLDER.fullmatch(folder)), None)
    if wrong is not None:
        raise ArchitectureError(
            f"{MODULES} names the folder {name_in(wrong)}: folders are read that are called like "
            "1_Pooling."
        )
    pooled = _pooling(directory, folders[0])
    behind = tuple(
        _part(directory, kind, folder) for kind, folder in zip(kinds[2:], folders[1:], strict=True)
    )
    return Sentences(pooled.modes, pooled.without_prompt, behind)


def activation(name: object) -> nn.Module:
    """An activation of torch by its full name; `Tanh` if there is none.

    Raises:
        ValueError: it is none of torch, or takes arguments.
    """
    said = "torch.nn.modules.activation.Tanh" if name is None else str(name)
    found = getattr(nn, said.rpartition(".")[2], None)
    ours = isinstance(found, type) and issubclass(found, nn.Module)
    if not said.startswith("torch.nn.") or not ours or not isinstance(found, type):
        raise ValueError(f"{name_in(said)} is not an activation of torch")
    if found is not nn.Identity and found.__module__ != "torch.nn.modules.activation":
        raise ValueError(f"{name_in(said)} is not an activation of torch")
    made: nn.Module = found()
    return made


def _kind(part: dict[str, Any]) -> str:
    said = str(part.get("type", ""))
    if not said.startswith(LIBRARY):
        raise ArchitectureError(
            f"{MODULES} names {name_in(said)}, which is not of sentence-transformers: code in a "
            "model's own directory is never run."
        )
    return said.rpartition(".")[2]


def _pooling(directory: Path, folder: str) -> Sentences:
    path = directory / folder / CONFIG
    if not path.is_file():
        return Sentences()
    said = _object(path)
    modes = said.get("pooling_mode") or [
        mode for name, mode in OLD_MODES.items() if said.get(name) is True
    ]
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or any(mode not in MODES for mode in modes):
        asked = ", ".join(map(name_in, modes if isinstance(modes, list) else [modes]))
        raise ArchitectureError(
            f"{folder}/{CONFIG} asks for the pooling {asked}: {', '.join(MODES)} can be done."
        )
    return Sentences(tuple(modes) or ("mean",), said.get("include_prompt") is False)


def _part(directory: Path, kind: str, folder: str) -> Part:
    path = directory / folder / CONFIG
    said = _object(path) if path.is_file() else {}
    names = (said.get(name) for name in ("module_input_name", "module_output_name"))
    other = next((name for name in names if name not in (None, VECTOR)), None)
    if other is not None:
        raise ArchitectureError(
            f"{folder}/{CONFIG} is about {name_in(other)}, and not about {VECTOR}."
        )
    part = Part(kind, folder, said)
    if part.has_weights and not (directory / folder / "model.safetensors").is_file():
        raise ArchitectureError(
            f"{folder} has no model.safetensors: load the model with sentence-transformers where "
            "you trust it, and save it again with save_pretrained."
        )
    part.build()
    return part


def _object(path: Path) -> dict[str, Any]:
    said = _read(path)
    if not isinstance(said, dict):
        raise ArchitectureError(f"{path.parent.name}/{path.name} is no JSON object.")
    return said


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ArchitectureError(
            f"{path.name} is not JSON that can be read: {of_files(error)}"
        ) from error
