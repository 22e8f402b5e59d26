"""Forms in which models are saved and that are not read here, each with what to do."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from workers.model_files import may_be_a_part
from workers.quoting import name_in

RESAVE = "Load it with the library that saved it, and save it with save_pretrained, which writes "
SAFETENSORS = RESAVE + "model.safetensors."

NOT_OF_TIMM = (
    "Copy its weights into transformers' own network of the same layers, such as "
    "ViTForImageClassification, and save that with save_pretrained."
)


@dataclass(frozen=True)
class Form:
    """What it is called, the files it is known by, and what its owner can do.

    One that is `needed` is a part of the model even where other weights lie beside it.
    """

    name: str
    files: str
    advice: str
    needed: bool = False

    def seen_in(self, names: Collection[str]) -> str | None:
        """The first file that it is known by."""
        return next((name for name in sorted(names) if re.fullmatch(self.files, name)), None)


# In the order in which they are looked for: the more telling ones come first.
FORMS = (
    Form(
        "a SetFit model, whose head is a pickle",
        r"model_head\.(pkl|skops|joblib)|config_setfit\.json",
        "unlearnd cannot carry the head along: register the encoder alone from a directory of its "
        "own, and fit the head again on each version.",
        needed=True,
    ),
    Form(
        "an adapter of PEFT",
        r"(.*/)?(adapter_config\.json|adapter_model\.(safetensors|bin))",
        "Merge it into its base with merge_and_unload, and save the whole network.",
        needed=True,
    ),
    Form(
        "an adapter of the library adapters",
        r"(.*/)?(pytorch_adapter|pytorch_model_head)\.bin|(.*/)?adapters?/.*\.safetensors",
        "Merge it into its base with merge_adapter, and save the whole network.",
        needed=True,
    ),
    Form(
        "a quantised network",
        r"quantize_config\.json|quant_config\.json|hf_quant_config\.json|.*\.gguf|.*\.ggml"
        r"|.*gptq.*\.safetensors|.*awq.*\.safetensors",
        "Register the weights before they were quantised, and quantise each version again.",
    ),
    Form(
        "a diffusers pipeline",
        r"model_index\.json",
        "It generates pictures: only classifiers and encoders are unlearned.",
        needed=True,
    ),
    Form(
        "an MLflow model",
        r"MLmodel",
        "Register the folder of the network in it, such as model/ of the transformers flavour.",
        needed=True,
    ),
    Form(
        "a checkpoint in the shards of FSDP or DeepSpeed",
        r"(.*/)?(zero_to_fp32\.py|latest|global_step\d+/.*|.*\.distcp"
        r"|pytorch_model_fsdp(_\d+)?(/.*)?|mp_rank_\d+_model_states\.pt)",
        "Gather it into one network first, with zero_to_fp32.py --safe_serialization or "
        "accelerate merge-weights.",
    ),
    Form(
        "a spaCy pipeline",
        r"(.*/)?(vocab/strings\.json|config\.cfg)",
        "Its networks are not read: register the transformer in it from a directory of its own.",
    ),
    Form(
        "a flair model",
        r"(best|final)-model\.pt",
        "It is a pickle with more than a network in it: register the transformer that it embeds.",
    ),
    Form(
        "a fastText model",
        r"(.*/)?.*\.ftz|fasttext.*\.bin|lid\..*\.bin",
        "Its file holds words of the training data, and no network of torch.",
    ),
    Form(
        "a scikit-learn model",
        r".*\.(joblib|skops)|sklearn.*\.pkl",
        "It is not a network of torch, and a pickle is never opened.",
    ),
    Form(
        "a checkpoint of Lightning",
        r"(.*/)?.*\.ckpt",
        "It is a pickle: load it where you trust it, and save its state_dict with safetensors.",
    ),
    Form(
        "a checkpoint of OpenCLIP",
        r"open_clip_(config\.json|model\.safetensors|pytorch_model\.bin)",
        "Convert it to the CLIPModel of transformers first, and register that.",
    ),
    Form(
        "a network for ONNX",
        r"(onnx/)?.*\.onnx",
        "It cannot be trained: register the network that it was exported from.",
    ),
    Form(
        "a network for OpenVINO",
        r"(openvino/)?openvino_.*",
        "It cannot be trained: register the network that it was exported from.",
    ),
    Form(
        "a TensorFlow or Keras network",
        r"tf_model.*\.h5|saved_model\.pb|.*\.keras|.*\.tflite|keras_metadata\.pb|.*\.h5",
        SAFETENSORS + " From TensorFlow, load it with from_tf=True in transformers 4 first.",
    ),
    Form(
        "a Flax network",
        r"flax_model.*\.msgpack(\.index\.json)?",
        SAFETENSORS + " From Flax, load it with from_flax=True in transformers 4 first.",
    ),
    Form(
        "a model of an old sentence-transformers, whose network is in a folder of its own",
        r"0_\w+/(config\.json|pytorch_model\.bin|model\.safetensors)",
        "Load it with a newer sentence-transformers, and save it again with save_pretrained.",
    ),
    Form(
        "a Router of sentence-transformers, which has several networks",
        r"router_config\.json",
        "Register each network that was trained on the dataset from a directory of its own.",
        needed=True,
    ),
    Form(
        "a folder of checkpoints",
        r"checkpoint-\d+/.*",
        "Register one of them: name its own directory in source_uri.",
    ),
    Form(
        "a folder of several models",
        r"(?!\d+_)[^/]+/(config\.json|model\.safetensors)",
        "Register one of them: name its own directory in source_uri.",
    ),
    Form(
        "a network in a pickle",
        r"pytorch_model.*\.bin(\.index\.json)?|[^/]+\.(bin|pt|pth|pkl)",
        "A pickle is never opened here: load it where you trust it. "
        + SAFETENSORS.replace("Load it with the library that saved it, and save", "Save", 1),
    ),
    Form(
        "weights of a variant",
        r"(model|diffusion_pytorch_model)\.[\w-]+\.safetensors(\.index\.json)?",
        "Save them as model.safetensors, without a variant.",
    ),
)


def refused_form(names: Collection[str], *, has_weights: bool) -> str | None:
    """Why a directory with these files is not read, and what to do; None if no form says so."""
    for form in FORMS:
        seen = form.seen_in(names)
        if seen is not None and (form.needed or not has_weights):
            return f"This is {form.name}: {seen}. {form.advice}"
    return None


def left_out_part(names: Collection[str]) -> str | None:
    """Why a directory is not read in which an unknown file may be a part of the model."""
    for name in sorted(names):
        if may_be_a_part(name):
            return (
                f"{name} may hold a part of the model, and no version would have it: unlearnd does "
                "not know what it is. Move it out of the directory if the model loads without it."
            )
    return None


def refused_config(said: dict[str, Any]) -> str | None:
    """Why the network that a `config.json` describes is not read; None if it may be."""
    if "pretrained_cfg" in said and "architecture" in said:
        return (
            f"This is {name_in(said['architecture'])} of timm, which is not built from its "
            f"config.json. {NOT_OF_TIMM}"
        )
    if "_class_name" in said and "_diffusers_version" in said:
        return "This is a network of diffusers: only classifiers and encoders are unlearned."
    if said.get("quantization") or said.get("compression_config"):
        return "Its weights are quantised: register those before they were, and quantise again."
    if said.get("model_type") == "adapter-transformers":
        return "This is an adapter: merge it into its base, and save the whole network."
    return None
