"""Real images, texts and sounds as Parquet columns, and processors in the Hugging Face layout."""

import inspect
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from PIL import Image
from sklearn.datasets import load_digits
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from workers.data.ids import as_text
from workers.data.parquet import FileRef, IDDigest

BYTES_AND_PATH = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
RATE = 8000


@cache
def pngs(count: int) -> tuple[bytes, ...]:
    return tuple(png(image) for image in digits()[:count])


def digits() -> npt.NDArray[np.uint8]:
    """1797 pictures of 8 x 8 pixels, 0 to 240."""
    pixels: npt.NDArray[np.uint8] = (load_digits().images * 15).astype(np.uint8)
    return pixels


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    return saved(Image.fromarray(pixels), "PNG")


def saved(image: Image.Image, form: str, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **how)
    return file.getvalue()


def structs(encoded: Any) -> pa.Array:
    """As Hugging Face datasets write images and sounds."""
    return pa.array([{"bytes": one, "path": None} for one in encoded], BYTES_AND_PATH)


@cache
def texts() -> tuple[str, ...]:
    """English, of very different lengths: what NumPy's functions say of themselves."""
    found = (inspect.getdoc(getattr(np, name)) for name in sorted(np.__all__))
    return tuple(sorted({text for text in found if text}, key=len))


def tone(hertz: float, seconds: float, rate: int = RATE) -> npt.NDArray[np.float32]:
    times = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def encoded_sound(waveform: npt.NDArray[Any], rate: int = RATE, form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waveform, rate, format=form, subtype="PCM_16")
    return file.getvalue()


def write(path: Path, **columns: Any) -> FileRef:
    """A file with an ID column, and its reference as indexing would make it."""
    ids = [f"{path.stem}-{row}" for row in range(len(next(iter(columns.values()))))]
    pq.write_table(pa.table({"sample_id": ids, **columns}), path)
    digest = IDDigest()
    digest.update(as_text(pa.array(ids)))
    return FileRef(path.as_uri(), len(ids), digest.hexdigest())


def save_tokenizer(directory: Path, **given: Any) -> None:
    """A WordPiece tokenizer like BERT's, trained on `texts`."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=special)
    tokenizer.train_from_iterator(texts()[:100], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    made: Any = PreTrainedTokenizerFast
    fast = made(
        tokenizer_object=tokenizer,
        **{"pad_token": "[PAD]", "unk_token": "[UNK]", **given},
    )
    fast.save_pretrained(directory)


def save_config(directory: Path, **content: Any) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps({"model_type": "bert", **content}))
