"""What cannot be unlearned is refused at registration, with a sentence that says why."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import SeamlessM4TFeatureExtractor, ViTMAEConfig, ViTMAEModel

from tests.workers.pretrained.families import IMAGE, bert, seeded, vit
from tests.workers.pretrained.parents import Parent, Runs, make_parent
from workers.architectures import ArchitectureError
from workers.architectures.pretrained import Pretrained
from workers.artifacts import ArtifactError
from workers.data.errors import DatasetError
from workers.data.pretrained import PretrainedSounds
from workers.model_forms import NOT_OF_TIMM
from workers.runner.fetching import fetch_model
from workers.weight_files import weight_names

WEIGHTS = "model.safetensors"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    seeded(vit).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def configure(directory: Path, **change: Any) -> None:
    path = directory / "config.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in (said | change).items() if v is not None}))


def rewrite(directory: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(directory / WEIGHTS)
    change(tensors)
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"architectures": None}, 'must name one class in "architectures"'),
        ({"architectures": ["ViTModel", "ViTModel"]}, 'must name one class in "architectures"'),
        ({"architectures": ["NoSuchNet"]}, "has no network NoSuchNet"),
        ({"architectures": ["Trainer"]}, "has no network Trainer"),
        ({"architectures": ["BertModel"]}, "is of the type vit, and BertModel of the type bert"),
        (
            {"architectures": ["Own"], "auto_map": {"AutoModel": "own.Own"}},
            "Code in the model's own directory is never run",
        ),
        (
            {
                "architectures": ["TimmWrapperForImageClassification"],
                "model_type": "timm_wrapper",
            },
            f"cannot say that nothing is unpickled there. {NOT_OF_TIMM}",
        ),
        (
            {"architectures": ["Siglip2Model"], "model_type": "siglip2"},
            "reads images as patches of a number of their own",
        ),
        ({"architectures": ["ViTForMaskedImageModeling"]}, "is no classifier and no encoder"),
        (
            {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"},
            "GPT2LMHeadModel generates",
        ),
        ({"architectures": ["BartModel"], "model_type": "bart"}, "BartModel generates"),
        ({"problem_type": "regression"}, "is a regression, as problem_type says"),
        ({"id2label": {"0": "much"}, "label2id": {"much": 0}}, "a regression makes no decisions"),
        ({"quantization_config": {"bits": 4}}, "are quantised, as quantization_config says"),
        ({"quantization_config": {"quant_method": "gptq"}}, "are quantised by gptq"),
        ({"transformers_weights": "other.safetensors"}, "another file of weights"),
        ({"hidden_size": "wide"}, "does not fit ViTForImageClassification"),
    ],
)
def test_a_configuration_that_names_nothing_to_unlearn(
    directory: Path, change: dict[str, Any], sentence: str
) -> None:
    configure(directory, **change)

    with pytest.raises(ArchitectureError) as caught:
        Pretrained(directory)

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hidden_act": "nonesuch"}, "describes no ViTForImageClassification that can be built"),
        ({"patch_size": -1}, "describes no ViTForImageClassification that can be built"),
        ({"intermediate_size": 10**12}, "GiB, and this machine has less memory"),
    ],
)
def test_a_configuration_of_which_no_network_can_be_made_is_named(
    directory: Path, change: dict[str, Any], sentence: str
) -> None:
    configure(directory, **change)

    with pytest.raises(ArchitectureError, match=sentence) as caught:
        Pretrained(directory).load(directory)

    assert str(caught.value).startswith("config.json")


def test_code_beside_a_class_of_transformers_is_not_looked_at(directory: Path) -> None:
    (directory / "own.py").write_text("raise SystemExit('it ran')")
    configure(directory, auto_map={"AutoModelForImageClassification": "own.Own"})

    Pretrained(directory).load(directory)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors: tensors.pop("classifier.bias"), r"missing \['classifier.bias'\]"),
        (lambda tensors: tensors.update(other=torch.zeros(1)), r"unexpected \['other'\]"),
        (
            lambda tensors: tensors.update({"classifier.bias": torch.zeros(3)}),
            r"classifier.bias has shape \[3\].* needs \[10\]",
        ),
        (lambda tensors: tensors["classifier.bias"].fill_(torch.nan), "not finite"),
    ],
)
def test_weights_that_do_not_fit(
    directory: Path, change: Callable[[dict[str, torch.Tensor]], Any], sentence: str
) -> None:
    rewrite(directory, change)

    with pytest.raises(ArtifactError, match=sentence):
        Pretrained(directory).load(directory)


def test_an_adapter_beside_the_weights(directory: Path) -> None:
    (directory / "adapter_config.json").write_text("{}")
    with pytest.raises(ArchitectureError, match="merge the adapter"):
        Pretrained(directory)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Parent:
    return make_parent("vit", tmp_path_factory.mktemp("scans"))


def test_a_network_that_depends_on_chance(scans: Parent, runs: Runs, tmp_path: Path) -> None:
    encoder = ViTMAEModel(ViTMAEConfig(**IMAGE))
    encoder.save_pretrained(tmp_path / "mae")
    (tmp_path / "mae" / "preprocessor_config.json").write_bytes(
        (scans.directory / "preprocessor_config.json").read_bytes()
    )
    plan = scans.validation(tmp_path / "first", source_uri=(tmp_path / "mae").as_uri())

    with pytest.raises(ArchitectureError, match="one batch in two ways"):
        runs.validated(plan)


def test_a_dataset_of_another_kind(scans: Parent, runs: Runs, tmp_path: Path) -> None:
    seeded(bert).save_pretrained(tmp_path / "bert")
    plan = scans.validation(tmp_path / "first", source_uri=(tmp_path / "bert").as_uri())

    with pytest.raises(DatasetError, match=r"has no preprocessor_config.json, which images need"):
        runs.validated(plan)

    source = scans.directory / "preprocessor_config.json"
    (tmp_path / "bert" / source.name).write_bytes(source.read_bytes())
    with pytest.raises(ArchitectureError, match=r"takes input_ids.* give pixel_values"):
        runs.validated(plan)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sharded") / "model"
    seeded(vit).save_pretrained(directory, max_shard_size="40KB")
    return directory


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("../{0}", "a shard must be a .safetensors file in the same directory"),
        ("/etc/passwd", "a shard must be a .safetensors file in the same directory"),
        ("sub/model.safetensors", "a shard must be a .safetensors file in the same directory"),
        (7, "a shard must be a .safetensors file in the same directory"),
        ("model-00009-of-00009.safetensors", "which is not there"),
        ("{1}", "do not agree about the tensor classifier.bias"),
    ],
)
def test_an_index_that_leads_elsewhere(
    sharded: Path, tmp_path: Path, said: Any, sentence: str
) -> None:
    """A file that lies beside the model's directory stays unread, whatever the index says of it."""
    shutil.copytree(sharded, tmp_path / "model")
    index = tmp_path / "model" / f"{WEIGHTS}.index.json"
    content = json.loads(index.read_text())
    right = content["weight_map"]["classifier.bias"]
    shutil.copy(sharded / right, tmp_path / right)
    other = min(set(content["weight_map"].values()) - {right})
    wrong = said.format(right, other) if isinstance(said, str) else said
    content["weight_map"]["classifier.bias"] = wrong
    index.write_text(json.dumps(content))
    (tmp_path / "fetched").mkdir()

    with pytest.raises(ArtifactError) as caught:
        fetch_and_look(tmp_path / "model", tmp_path / "fetched")

    assert sentence in str(caught.value)
    there = {path.name for path in (tmp_path / "fetched").iterdir()}
    assert there <= {path.name for path in sharded.iterdir()}


def fetch_and_look(directory: Path, target: Path) -> None:
    fetch_model(directory.as_uri(), target)
    weight_names(target)


@pytest.mark.parametrize("text", ["[]", '{"weight_map": {}}', "[" * 100_000, "nonsense"])
def test_an_index_that_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / f"{WEIGHTS}.index.json").write_text(text)

    with pytest.raises(ArtifactError, match=r"model.safetensors.index.json (must map|is not JSON)"):
        weight_names(tmp_path)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the mean of no frames
@pytest.mark.parametrize("length", [100, 399])
def test_a_sound_too_short_for_its_extractor_says_so(length: int) -> None:
    """A frame of this extractor takes 400 numbers; of fewer it makes an error, or nothing."""
    extractor = SeamlessM4TFeatureExtractor(feature_size=8, num_mel_bins=8, sampling_rate=2000)
    with pytest.raises(DatasetError, match=rf"has {length} numbers at 2000 Hz: it may be too"):
        PretrainedSounds(extractor).batch([np.ones(length, np.float32)], length)
