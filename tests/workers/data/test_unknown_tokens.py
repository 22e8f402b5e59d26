"""A tokenizer and a network that are not of one model."""

from pathlib import Path

import pytest

from tests.workers.data.media import save_config, save_tokenizer, texts
from workers.data.errors import DatasetError
from workers.data.processing import read_processing


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
