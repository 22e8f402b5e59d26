"""A tokenizer and a network that are not of one model."""

from pathlib import Path

import numpy as np
import pytest

from tests.workers.data.media import save_config, save_tokenizer, texts, write
from workers.data.copying import copy_ragged
from workers.data.errors import DatasetError
from workers.data.processing import read_processing
from workers.data.readers import TextReader
from workers.data.specs import TextSpec


@pytest.mark.parametrize("vocabulary", [20, 500])
def test_a_token_beyond_those_that_the_network_knows_is_refused(
    tmp_path: Path, vocabulary: int
) -> None:
    """In a text, or the padding, which is the 501st token here: the network is not of its size."""
    save_tokenizer(tmp_path, pad_token="[PAD]" if vocabulary < 500 else "[MORE]")
    save_config(tmp_path, vocab_size=vocabulary)
    read = read_processing(tmp_path, {"text"}).texts
    assert read is not None

    with pytest.raises(DatasetError, match=f"does not know, which knows {vocabulary} by vocab"):
        read.encode(["a", texts()[0]])
    with pytest.raises(DatasetError, match=f"does not know, which knows {vocabulary} by vocab"):
        read.encode_pairs(["a"], [texts()[0]])


def test_a_text_that_comes_later_is_refused_by_its_file_and_not_by_its_id(tmp_path: Path) -> None:
    """Only the second file has it: the first batch of a registration does not."""
    save_tokenizer(tmp_path)
    tokenizer = read_processing(tmp_path, {"text"}).texts
    assert tokenizer is not None
    highest = max(int(row.max()) for row in tokenizer.encode([texts()[-1]]))
    save_config(tmp_path, vocab_size=highest)
    processing = read_processing(tmp_path, {"text"})
    short = next(one for one in texts() if tokenizer.encode([one])[0].max() < highest)
    files = [
        write(tmp_path / "a.parquet", said=[short] * 3),
        write(tmp_path / "b.parquet", said=[short, texts()[-1]]),
    ]
    spec = TextSpec("said")
    (reader,) = processing.readers([spec])
    assert isinstance(reader, TextReader)

    with pytest.raises(DatasetError) as caught:
        copy_ragged(
            files,
            spec,
            "sample_id",
            tmp_path / "copy.bin",
            lambda column, _row: reader.encode(column, lambda number: f"Row {number}"),
            np.int32,
        )

    told = str(caught.value)
    assert told.startswith(f"{files[1].uri} has a text with such a token: ")
    assert "save the tokenizer with which it was trained" in told
    assert "s-" not in told.replace(files[1].uri, "")
