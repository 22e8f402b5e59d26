"""Forms that are not read are known by their files, and no part of a model is dropped silently."""

import re
from pathlib import Path

import pytest
import transformers

from workers.artifacts import ArtifactError
from workers.model_files import DESCRIBING, may_be_a_part
from workers.model_forms import FORMS, Form, refused_form
from workers.runner.fetching import fetch_model

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
WEIGHTS = "model.safetensors"
# For each form, what its tool saves.
SAVED = {
    "a SetFit model, whose head is a pickle": ["config_setfit.json", "model_head.pkl", WEIGHTS],
    "an adapter of PEFT": ["adapter_config.json", "adapter_model.safetensors"],
    "an adapter of the library adapters": ["pytorch_adapter.bin", "head_config.json"],
    "a quantised network": ["config.json", "model-Q4_K_M.gguf"],
    "a diffusers pipeline": ["model_index.json", "unet/diffusion_pytorch_model.safetensors"],
    "an MLflow model": ["MLmodel", "conda.yaml", "model/model.safetensors"],
    "a checkpoint in the shards of FSDP or DeepSpeed": [
        "zero_to_fp32.py",
        "global_step500/mp_rank_00_model_states.pt",
    ],
    "a spaCy pipeline": ["config.cfg", "meta.json", "tokenizer", "vocab/strings.json"],
    "a flair model": ["final-model.pt", "training.log"],
    "a fastText model": ["lid.176.ftz"],
    "a scikit-learn model": ["pipeline.skops"],
    "a checkpoint of Lightning": ["epoch=3-step=400.ckpt", "hparams.yaml"],
    "a checkpoint of OpenCLIP": ["open_clip_config.json", "open_clip_model.safetensors"],
    "a network for ONNX": ["config.json", "onnx/model.onnx"],
    "a network for OpenVINO": ["config.json", "openvino/openvino_model.xml"],
    "a TensorFlow or Keras network": ["config.json", "tf_model.h5"],
    "a Flax network": ["config.json", "flax_model.msgpack"],
    "a network in a pickle": ["config.json", "pytorch_model-00001-of-00002.bin"],
    "weights of a variant": ["config.json", "model.fp16.safetensors"],
    "a model of an old sentence-transformers, whose network is in a folder of its own": [
        "modules.json",
        "0_Transformer/config.json",
        "0_Transformer/pytorch_model.bin",
        "1_Pooling/config.json",
    ],
    "a Router of sentence-transformers, which has several networks": [
        "modules.json",
        "router_config.json",
        "query_0_Transformer/config.json",
    ],
    "a folder of checkpoints": ["checkpoint-500/config.json", "checkpoint-500/optimizer.pt"],
    "a folder of several models": ["one/config.json", "one/model.safetensors", "two/config.json"],
}


def row(form: Form) -> str:
    """The form's line in the docs: the files of its tool that it is known by."""
    seen = [f"`{name}`" for name in SAVED[form.name] if re.fullmatch(form.files, name)]
    return f"| {form.name} | {', '.join(seen)} |"


def laid_out(directory: Path, names: list[str]) -> Path:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(b"{}")
    return directory


def test_the_docs_have_a_row_for_each_form_and_no_other() -> None:
    section = DOCS.read_text("utf-8").partition("| form | known by |\n")[2]

    assert section.partition("\n\n")[0].splitlines()[1:] == [row(form) for form in FORMS]


@pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])
def test_a_form_is_known_by_its_files_and_told_with_what_to_do(tmp_path: Path, form: Form) -> None:
    source = laid_out(tmp_path / "model", SAVED[form.name])

    with pytest.raises(ArtifactError) as caught:
        fetch_model(source.as_uri(), tmp_path / "fetched", whole=True)

    said = str(caught.value)
    assert said.startswith(f"This is {form.name}: ")
    assert said.endswith(form.advice)
    assert said.partition(": ")[2].partition(". ")[0] in SAVED[form.name]


def test_a_form_beside_weights_is_refused_only_where_a_part_would_be_missing() -> None:
    """Weights for ONNX beside those for torch are the same ones; the head of SetFit is not."""
    names = [name for names in SAVED.values() for name in names]
    for form in FORMS:
        beside = [WEIGHTS, *SAVED[form.name]]
        assert (refused_form(beside, has_weights=True) is not None) is form.needed, form.name
    assert refused_form([WEIGHTS, "config.json"], has_weights=True) is None
    assert refused_form(names, has_weights=False) is not None


@pytest.mark.parametrize(
    "name",
    ["head.pkl", "scaler.joblib", "classes.npy", "extra.safetensors", "parts/tower.pt", "lda.bin"],
)
def test_an_unknown_file_that_may_be_a_part_of_the_model_is_named(
    tmp_path: Path, name: str
) -> None:
    source = laid_out(tmp_path / "model", ["config.json", WEIGHTS, name])

    with pytest.raises(ArtifactError, match=rf"{re.escape(name)} may hold a part of the model"):
        fetch_model(source.as_uri(), tmp_path / "fetched", whole=True)
    # The network of a factory is made by that and has these weights: there are no other parts.
    fetch_model(source.as_uri(), tmp_path / "of a factory")
    assert not (tmp_path / "of a factory" / name).exists()


def test_what_a_training_leaves_behind_and_weights_in_other_forms_are_no_parts() -> None:
    """The first three lines are what a Trainer leaves; the rest lies beside models on the hub."""
    left = [
        "training_args.bin",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "rng_state_0.pth",
        "scaler.pt",
        "trainer_state.json",
        "all_results.json",
        "runs/Nov30/events.out.tfevents.1",
        "optimizer.bin",
        "checkpoint-500/pytorch_model.bin",
        "checkpoint-500/optimizer.pt",
        "checkpoint-500/model.safetensors",
        "pytorch_model.bin",
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model.bin.index.json",
        "model.fp16.safetensors",
        "model-00001-of-00002.safetensors",
        "tf_model.h5",
        "flax_model.msgpack",
        "rust_model.ot",
        "onnx/model.onnx",
        "onnx/model_qint8.onnx",
        "openvino/openvino_model.bin",
        "consolidated.00.pth",
        "original/params.json",
        "2_Dense/pytorch_model.bin",
        ".git/index.bin",
        "README.md",
        "train_ids.txt",
        "notes.md",
        "figure.png",
        "data_config.json",
        "train_script.py",
        ".gitattributes",
        "model.safetensors",
        "config.json",
        "spiece.model",
        "tokenizer.model",
        "source.spm",
        "2_Dense/model.safetensors",
    ]

    assert [name for name in left if may_be_a_part(name)] == []


def test_every_file_that_a_tokenizer_of_transformers_names_goes_along() -> None:
    named: set[str] = set()
    for path in Path(transformers.__file__).parent.glob("models/*/tokenization_*.py"):
        found = re.search(r"VOCAB_FILES_NAMES\s*=\s*\{(.*?)\}", path.read_text("utf-8"), re.DOTALL)
        named |= set(re.findall(r":\s*[\"']([^\"']+)[\"']", found[1])) if found else set()

    assert len(named) > 20
    assert named <= DESCRIBING
