"""What `config.json` says: which class of `transformers`, and whether it can be unlearned."""

import copy
import inspect
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedConfig, PreTrainedModel

from workers.architectures.base import ArchitectureError
from workers.architectures.sentences import read_sentences
from workers.artifacts import CONFIG, WEIGHTS
from workers.model_forms import NOT_OF_TIMM, refused_config
from workers.quantised import quantised_by
from workers.quoting import name_in, of_files
from workers.weight_files import weight_names

MARKS = "ForTokenClassification"
CLASSIFIERS = (
    "ForImageClassification",
    "ForSequenceClassification",
    "ForAudioClassification",
    MARKS,
)
SEVERAL_LABELS = "multi_label_classification"
# A base class, or an encoder whose output is projected, ends like this.
ENCODERS = ("Model", "ModelWithProjection")
# These would have other files or other code take part in what is built.
REFUSED = {
    "transformers_weights": f"It names another file of weights than {WEIGHTS}.",
    "fusion_config": "Its layers are fused: save it without fusion_config.",
}


@dataclass(frozen=True)
class Layout:
    """A class, its configuration, and what its constructor is told besides."""

    network: type[PreTrainedModel]
    config: PreTrainedConfig
    options: dict[str, Any]
    classifies: bool
    several_labels: bool = False
    marks_tokens: bool = False

    def refuse_what_cannot_be_built(self, directory: Path) -> None:
        """Refuse a configuration of which no network can be made, whatever the weights are.

        Raises:
            ArchitectureError: it is one, or describes a network beyond this machine's memory.
        """
        name = self.network.__name__
        try:
            with torch.device("meta"):
                made = self.network(copy.deepcopy(self.config), **self.options)
        except Exception as error:
            raise ArchitectureError(
                f"{CONFIG} describes no {name} that can be built: {of_files(error, directory)}"
            ) from error
        needed = sum(weight.numel() * weight.element_size() for weight in made.parameters())
        if needed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
            raise ArchitectureError(
                f"{CONFIG} describes a {name} of {needed >> 30:,} GiB, and this machine has less "
                "memory."
            )


def read_layout(directory: Path) -> Layout:
    """Find the class that `config.json` names, among those of `transformers`.

    `auto_map`, which names code in the model's own directory, is not looked at: the class is used
    that transformers has under the name, and where there is none, the model is refused.

    Raises:
        ArchitectureError: there is no such class, or none that is unlearned here.
    """
    said = _read_config(directory)
    for name, reason in REFUSED.items():
        if said.get(name):
            raise ArchitectureError(reason)
    form = quantised_by(said) or refused_config(said)
    if form is not None:
        raise ArchitectureError(form)
    if (directory / "adapter_config.json").is_file():
        raise ArchitectureError(
            "adapter_config.json is beside the weights: merge the adapter into them."
        )
    network = _class_of(said)
    try:
        config_class: Any = network.config_class
        config: PreTrainedConfig = config_class.from_pretrained(directory, local_files_only=True)
    except Exception as error:
        told = of_files(error, directory)
        raise ArchitectureError(f"{CONFIG} does not fit {network.__name__}: {told}") from error
    classifies = network.__name__.endswith(CLASSIFIERS)
    _refuse_other_uses(network, config, classifies=classifies)
    # Written out here, so that networks with fresh weights have it, too.
    config._attn_implementation = "eager"  # noqa: SLF001 (the property's only name)
    several = classifies and config.problem_type == SEVERAL_LABELS
    marks = network.__name__.endswith(MARKS)
    return Layout(network, config, _options(network, directory), classifies, several, marks)


def _read_config(directory: Path) -> dict[str, Any]:
    path = directory / CONFIG
    if not path.is_file():
        # A model of sentence-transformers without a Transformer is refused for what it has.
        read_sentences(directory)
        raise ArchitectureError(f"There is no {CONFIG} in the model's directory.")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArchitectureError(f"{CONFIG} is not JSON: {of_files(error)}") from error
    if not isinstance(said, dict):
        raise ArchitectureError(f"{CONFIG} is no object.")
    return said


def _class_of(said: dict[str, Any]) -> type[PreTrainedModel]:
    named = said.get("architectures")
    if not isinstance(named, list) or len(named) != 1 or not isinstance(named[0], str):
        raise ArchitectureError(f'{CONFIG} must name one class in "architectures".')
    (name,) = named
    found = getattr(transformers, name, None)
    if not isinstance(found, type) or not issubclass(found, PreTrainedModel):
        code = " Code in the model's own directory is never run." if said.get("auto_map") else ""
        raise ArchitectureError(
            f"transformers {transformers.__version__} has no network {name_in(name)}.{code}"
        )
    kind = getattr(found.config_class, "model_type", None)
    if kind is None or said.get("model_type") != kind:
        raise ArchitectureError(
            f"{CONFIG} is of the type {name_in(said.get('model_type'))}, and {name} of the type "
            f"{kind}."
        )
    if kind.startswith("siglip2"):
        raise ArchitectureError(
            f"{name} reads images as patches of a number of their own, which unlearnd does not do. "
            "SigLIP 2 with images of one size is saved as SiglipModel, which is read."
        )
    if kind.startswith("timm"):
        raise ArchitectureError(
            f"{name} has timm read its weights, and unlearnd cannot say that nothing is unpickled "
            f"there. {NOT_OF_TIMM}"
        )
    return found


def _refuse_other_uses(
    network: type[PreTrainedModel], config: PreTrainedConfig, *, classifies: bool
) -> None:
    name = network.__name__
    if not classifies and not name.endswith(ENCODERS):
        raise ArchitectureError(
            f"{name} is no classifier and no encoder: what can be unlearned ends in "
            f"{', '.join((*CLASSIFIERS, *ENCODERS))}."
        )
    decodes = config.is_encoder_decoder and not classifies and "Encoder" not in name
    if network.can_generate() or decodes:
        raise ArchitectureError(f"{name} generates: only classifiers and encoders are unlearned.")
    if classifies and config.problem_type == "regression":
        raise ArchitectureError(
            f"{name} is a regression, as problem_type says: it estimates numbers, and makes no "
            "decisions that a version could be held to."
        )
    fewest = 1 if config.problem_type == SEVERAL_LABELS else 2
    if classifies and (config.num_labels or 0) < fewest:
        raise ArchitectureError(f"{name} has one output: a regression makes no decisions.")


def _options(network: type[PreTrainedModel], directory: Path) -> dict[str, Any]:
    """Encoders are saved with a pooling layer or without; the class does not say which."""
    if "add_pooling_layer" not in inspect.signature(network.__init__).parameters:
        return {}
    return {"add_pooling_layer": any("pooler." in name for name in weight_names(directory))}
