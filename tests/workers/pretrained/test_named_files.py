"""Settings of a model's tokenizer and processors name no files that lie elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification

from workers.architectures.pretrained import Pretrained
from workers.artifacts import ArtifactError
from workers.data.pretrained import read_texts
from workers.runner.fetching import fetch_model

OUTSIDE = "/somewhere/outside.json"
TOKENIZER, SPECIAL = "tokenizer_config.json", "special_tokens_map.json"
PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"


def model_with(folder: Path, name: str, said: dict[str, Any]) -> Path:
    folder.mkdir()
    save_file({"a": torch.zeros(1)}, folder / "model.safetensors")
    (folder / name).write_text(json.dumps(said))
    return folder


@pytest.mark.parametrize(
    ("name", "said", "setting"),
    [
        (TOKENIZER, {"fast_tokenizer_files": [OUTSIDE]}, "fast_tokenizer_files"),
        (TOKENIZER, {"gguf_file": OUTSIDE}, "gguf_file"),
        (TOKENIZER, {"init_inputs": [OUTSIDE]}, "init_inputs"),
        (TOKENIZER, {"merges": OUTSIDE}, "merges"),
        (TOKENIZER, {"vocab": OUTSIDE}, "vocab"),
        (TOKENIZER, {"sp_model_kwargs": {"model_file": OUTSIDE}}, "model_file"),
        (SPECIAL, {"pad_token": "<pad>", "tokenizer_file": OUTSIDE}, "tokenizer_file"),
        (SPECIAL, {"vocab_file": OUTSIDE}, "vocab_file"),
        (SPECIAL, {"source_spm": OUTSIDE}, "source_spm"),
        (SPECIAL, {"vocab": OUTSIDE}, "vocab"),
        (PREPROCESSOR, {"class_info_file": OUTSIDE}, "class_info_file"),
        (PROCESSOR, {"image_processor": {"class_info_file": OUTSIDE}}, "class_info_file"),
        ("byte_maps.json", {"decompose_map": OUTSIDE, "merge_map": {}}, "decompose_map"),
    ],
)
def test_a_setting_that_names_another_file_is_refused(
    tmp_path: Path, name: str, said: dict[str, Any], setting: str
) -> None:
    source = model_with(tmp_path / "model", name, said)
    (tmp_path / "fetched").mkdir()

    with pytest.raises(ArtifactError, match=f"{name} sets {setting}, which names another file"):
        fetch_model(source.as_uri(), tmp_path / "fetched")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (TOKENIZER, {"tokenizer_file": OUTSIDE, "name_or_path": "/somewhere", "init_inputs": []}),
        (TOKENIZER, {"special_tokens_map_file": OUTSIDE, "sp_model_kwargs": {"alpha": 0.1}}),
        (TOKENIZER, {"fast_tokenizer_files": ["tokenizer.json"], "vocab_file": None}),
        (SPECIAL, {"pad_token": {"content": "<pad>"}, "additional_special_tokens": ["<x>"]}),
        (PREPROCESSOR, {"class_info_file": None, "size": {"height": 8}}),
        ("byte_maps.json", {"decompose_map": {"a": "b"}, "merge_map": {}}),
    ],
)
def test_what_tools_write_into_these_files_is_read(
    tmp_path: Path, name: str, said: dict[str, Any]
) -> None:
    source = model_with(tmp_path / "model", name, said)
    (tmp_path / "fetched").mkdir()

    fetch_model(source.as_uri(), tmp_path / "fetched")

    assert json.loads((tmp_path / "fetched" / name).read_text()) == said


@pytest.mark.parametrize("ending", ["model", "txt"])
def test_a_vocabulary_that_lies_elsewhere_is_not_opened(tmp_path: Path, ending: str) -> None:
    outside = tmp_path / f"outside.{ending}"
    # What opens it cannot read it.
    outside.write_bytes(b"\xff\xfe")
    said = {
        "tokenizer_class": "GemmaTokenizer",
        "vocab_file": str(outside),
        "merges_file": str(outside),
    }
    source = model_with(tmp_path / "model", TOKENIZER, said)
    (source / "vocab.txt").write_text("a\nb\n")
    (source / "config.json").write_text(json.dumps({"model_type": "bert"}))

    texts = read_texts(source)

    assert texts.tokenizer.name_or_path == str(source)


def test_a_version_that_was_imported_before_is_looked_at_again_by_each_job(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=16,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    (tmp_path / TOKENIZER).write_text(json.dumps({"vocab": OUTSIDE}))

    with pytest.raises(ArtifactError, match="sets vocab, which names another file"):
        Pretrained(tmp_path).processing({"text"})
