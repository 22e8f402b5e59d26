"""Real images and texts, and tones, as Parquet files with a held-out part."""

import ast
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from sklearn.datasets import load_digits

from tests.workers.data.media import encoded_sound, pngs, save_tokenizer, structs, tone, write
from workers.data.specs import AudioSpec, ImageSpec, InputSpec, TextSpec
from workers.plan import DataFile, DataPlan

TRAINED, HELD_OUT = 400, 100
PACKAGES = ("celery", "fsspec", "numpy", "sqlalchemy")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PITCHES = (200, 280, 400, 560)
RATE = 2000
PIXELS = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 8, "width": 8},
    "do_rescale": True,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
SOUND = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "sampling_rate": RATE,
    "padding_value": 0.0,
    "do_normalize": True,
    "return_attention_mask": True,
}


@dataclass(frozen=True)
class Data:
    """Columns of `TRAINED` + `HELD_OUT` rows, what reads them, and the class (n,) of each row."""

    columns: dict[str, Any]
    specs: list[InputSpec]
    classes: torch.Tensor
    preprocessor: dict[str, Any] | None = None
    tokenizer: dict[str, Any] | None = None

    def save_processors(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        if self.preprocessor is not None:
            text = json.dumps(self.preprocessor)
            (directory / "preprocessor_config.json").write_text(text)
        if self.tokenizer is not None:
            save_tokenizer(directory, **self.tokenizer)

    def plan(self, directory: Path) -> DataPlan:
        """Write the files, and plan to read them."""
        directory.mkdir(exist_ok=True)
        files = []
        for name, rows in {"train": slice(TRAINED), "holdout": slice(TRAINED, None)}.items():
            part = {column: values[rows] for column, values in self.columns.items()}
            file = write(directory / f"{name}.parquet", **part)
            files.append(DataFile(uri=file.uri, rows=file.rows, digest=file.digest))
        return DataPlan(
            files=files[:1], holdout_files=files[1:], id_column="sample_id", inputs=self.specs
        )


@cache
def images() -> Data:
    count = TRAINED + HELD_OUT
    return Data(
        {"scan": structs(pngs(count))},
        [ImageSpec("scan")],
        torch.from_numpy(load_digits().target[:count]),
        PIXELS,
    )


@cache
def texts() -> Data:
    """What functions and classes of installed packages say of themselves; a package is a class."""
    said = [docstrings(package) for package in PACKAGES]
    mixed = [text for four in zip(*said, strict=True) for text in four]
    classes = torch.arange(len(mixed)) % len(PACKAGES)
    return Data({"text": mixed}, [TextSpec("text")], classes, None, {"model_max_length": 24})


def docstrings(package: str) -> list[str]:
    wanted = (TRAINED + HELD_OUT) // len(PACKAGES)
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    found: list[str] = []
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = " ".join((ast.get_docstring(node) or "").split())
                found += [text[:200]] if len(text) > 40 else []
        if len(found) >= wanted:
            break
    return found[:wanted]


@cache
def sentence_pairs() -> Data:
    """The first half of what a function or a class says of itself, and the other one."""
    described = texts()
    halves = [text.split() for text in described.columns["text"]]
    columns = {
        "question": [" ".join(words[: len(words) // 2]) for words in halves],
        "passage": [" ".join(words[len(words) // 2 :]) for words in halves],
    }
    specs: list[InputSpec] = [TextSpec("question"), TextSpec("passage")]
    names = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer = {"model_max_length": 24, "model_input_names": names}
    return Data(columns, specs, described.classes, None, tokenizer)


@cache
def tones() -> Data:
    """Tones of four pitches and of different lengths, under noise."""
    random = np.random.default_rng(0)
    classes = torch.arange(TRAINED + HELD_OUT) % len(PITCHES)
    made = []
    for pitch in classes.tolist():
        waveform = tone(PITCHES[pitch], random.uniform(0.08, 0.16), RATE)
        noise = random.normal(0, 0.1, len(waveform)).astype(np.float32)
        made.append(encoded_sound((waveform + noise).clip(-1, 1), RATE))
    return Data({"sound": structs(made)}, [AudioSpec("sound", RATE)], classes, SOUND)


@cache
def pairs() -> Data:
    """Scans of digits with a sentence that says which."""
    scans = images()
    captions = [f"a scan of the digit {NUMBERS[digit]}" for digit in scans.classes.tolist()]
    return Data(
        {**scans.columns, "caption": pa.array(captions)},
        [ImageSpec("scan"), TextSpec("caption")],
        scans.classes,
        PIXELS,
        {"model_max_length": 24},
    )
