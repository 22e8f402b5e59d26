"""Columns whose rows have different lengths."""

from typing import Any

import pyarrow as pa
import pytest
import torch

from tests.workers.data.media import RATE, encoded_sound, tone
from workers.data.errors import DatasetError
from workers.data.processing import merge, raw_processing
from workers.data.readers import SoundReader, TextReader
from workers.data.specs import AudioSpec, TextSpec


def where(number: int) -> str:
    return f"Row {number + 40}"


def test_sounds_are_decoded_one_at_a_time() -> None:
    """Decoded, a batch of silence may be a hundred times as large as it is on disk."""
    sounds: Any = raw_processing().sounds
    reader = SoundReader(AudioSpec(kind="audio", column="s", sampling_rate=RATE), sounds)
    column = pa.array([encoded_sound(tone(440, 0.5), form="FLAC"), b"patient-17 was here"])

    decoded = iter(reader.encode(column, where))

    # The second one has not been touched yet.
    assert len(next(decoded)) == RATE / 2
    with pytest.raises(DatasetError, match="Row 41: the sound in s cannot be decoded") as caught:
        next(decoded)
    assert "patient" not in str(caught.value)


def test_a_text_that_is_none_is_told_by_row_and_never_quoted() -> None:
    class Whole:
        def encode(self, texts: list[str]) -> list[Any]:
            return texts

    texts: Any = Whole()
    reader = TextReader(TextSpec(kind="text", column="t"), texts)
    offsets, content = pa.array([0, 2, 13], pa.int32()).buffers()[1], b"ok\xffpatient-17"
    broken = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(content)])

    with pytest.raises(DatasetError, match="Row 41: the text in t cannot be decoded") as caught:
        reader.encode(broken, where)

    assert "patient" not in str(caught.value)
    assert list(reader.encode(pa.array(["ja", "nein"]), where)) == ["ja", "nein"]


def test_two_tensors_of_one_name_are_refused() -> None:
    one = {"attention_mask": torch.ones(1, 1)}

    with pytest.raises(DatasetError, match="Two input columns become attention_mask"):
        merge([one, one])
    assert set(merge([one, {"pixel_values": torch.ones(1)}])) == {"attention_mask", "pixel_values"}
