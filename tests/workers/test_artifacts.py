"""Versions as files."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from workers.artifacts import ArtifactError, seal, take_over, verify
from workers.weight_files import load_weights, write_weights
from workers.zoo import digits_cnn


def save(model: torch.nn.Module, folder: Path, **metadata: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors", metadata=metadata or None)
    return folder


def test_weights_go_out_under_the_parents_names_and_types(tmp_path: Path) -> None:
    half = {name: t.half() for name, t in digits_cnn().state_dict().items()}
    parent = tmp_path / "parent"
    parent.mkdir()
    save_file(half, parent / "model.safetensors", metadata={"format": "pt", "made": "by them"})
    model = digits_cnn()

    write_weights(model.state_dict(), parent, tmp_path)

    written = load_file(tmp_path / "model.safetensors")
    assert {name: t.dtype for name, t in written.items()} == dict.fromkeys(half, torch.float16)
    assert torch.equal(written["embed.weight"], model.embed.weight.detach().half())


def test_weights_that_are_not_finite_are_never_written(tmp_path: Path) -> None:
    model = digits_cnn()
    parent = save(model, tmp_path / "parent")
    with torch.no_grad():
        model.embed.bias[0] = torch.nan

    with pytest.raises(ArtifactError, match=r"embed.bias is not finite"):
        write_weights(model.state_dict(), parent, tmp_path)


def test_files_that_do_not_fit_are_refused_with_the_reason(tmp_path: Path) -> None:
    model = digits_cnn()
    with pytest.raises(ArtifactError, match=r"There is no model.safetensors"):
        load_weights(model, tmp_path)

    state = model.state_dict()
    save_file({"other": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ArtifactError, match=r"missing \['embed.bias'.*unexpected \['other'\]"):
        load_weights(model, tmp_path)

    save_file({**state, "embed.bias": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(ArtifactError, match=r"embed.bias has shape \[3\].*needs \[128\]"):
        load_weights(model, tmp_path)

    save_file(
        {**state, "embed.bias": torch.full((128,), torch.inf)}, tmp_path / "model.safetensors"
    )
    with pytest.raises(ArtifactError, match="not finite"):
        load_weights(model, tmp_path)

    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04 a pickle, say")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_weights(model, tmp_path)


def test_only_what_describes_the_network_goes_from_version_to_version(tmp_path: Path) -> None:
    """Pickles, optimizer states, hidden files, and whatever may tell of the data stay behind."""
    source, target = tmp_path / "source", tmp_path / "target"
    for name in (
        "config.json",
        "vocab.txt",
        "1_Pooling/config.json",
        "sentence_bert_config.json",
        "LICENSE",
        "base.safetensors",
        "train_ids.txt",
        "sample_weights.json",
        "checkpoint-500/config.json",
        "checkpoint-500/trainer_state.json",
        "all_results.json",
        "notes.md",
        "optimizer.pt",
        "pytorch_model.bin",
        ".git/config.json",
        "README.md",
        "unlearning.json",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("{}")
    target.mkdir()

    take_over(source, target)

    taken = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert taken == [
        "1_Pooling/config.json",
        "LICENSE",
        "base.safetensors",
        "config.json",
        "sentence_bert_config.json",
        "vocab.txt",
    ]


def test_the_digest_is_the_manifests_hash_and_covers_every_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "sub" / "b.txt").write_text("b")

    written = seal(tmp_path)

    manifest = (tmp_path / "manifest.json").read_bytes()
    assert written.digest == hashlib.sha256(manifest).hexdigest() == verify(tmp_path)
    listed = {entry["path"]: entry["sha256"] for entry in json.loads(manifest)["files"]}
    assert listed == {
        "a.txt": hashlib.sha256(b"a").hexdigest(),
        "sub/b.txt": hashlib.sha256(b"b").hexdigest(),
    }


def test_a_changed_missing_or_unfinished_version_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"has no manifest.json"):
        verify(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    seal(tmp_path)

    (tmp_path / "a.txt").write_text("b")
    with pytest.raises(ArtifactError, match=r"a.txt is not the file"):
        verify(tmp_path)

    (tmp_path / "a.txt").unlink()
    with pytest.raises(ArtifactError, match=r"a.txt is not the file"):
        verify(tmp_path)
