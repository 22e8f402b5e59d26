"""Real images, texts and sounds as Parquet columns, and processors in the Hugging Face layout."""

import inspect
import io
import json
from collections import Counter
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
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
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


@cache
def vocabulary(size: int = 500) -> dict[str, int]:
    """Special tokens, all characters of `texts`, and the words there that are the most frequent.

    The trainer of the library visits words in an order that chance gives it, and so two processes
    would number tokens differently, and train different networks.
    """
    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    counted: Counter[str] = Counter()
    for text in texts()[:100]:
        split = splitter.pre_tokenize_str(normalizer.normalize_str(text))
        counted.update(word for word, _span in split)
    characters = sorted(set("".join(counted)))
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters]
    tokens += [f"##{character}" for character in characters if character.isalnum()]
    tokens += sorted(counted, key=lambda word: (-counted[word], word))
    distinct = list(dict.fromkeys(tokens))
    assert len(distinct) >= size
    return {token: number for number, token in enumerate(distinct[:size])}


def save_tokenizer(directory: Path, **given: Any) -> None:
    """A WordPiece tokenizer like BERT's, the same in every process."""
    tokenizer = Tokenizer(models.WordPiece(vocabulary(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
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
