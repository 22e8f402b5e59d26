"""Inputs that claim, or come to, far more than they should, where they are decoded."""

import io
import struct
import wave
import zlib
from pathlib import Path

import pytest

from tests.workers.data.media import save_tokenizer
from workers.data import decoding, long_texts
from workers.data.decoding import UndecodableError, to_image, to_waveform
from workers.data.errors import DatasetError
from workers.data.pretrained import PretrainedTexts, read_texts


def png(width: int, height: int) -> bytes:
    """A header that claims so much, and one line of zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(width + 1)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(100_000, 100_000), (10_000, 10_000)])
def test_an_image_that_claims_too_many_pixels_is_never_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(UndecodableError, match="too many pixels"):
        to_image(png(*size))


def test_a_sound_that_claims_hours_is_as_long_as_it_is() -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    sound = bytearray(buffer.getvalue())
    place = sound.index(b"data") + 4
    sound[place : place + 4] = struct.pack("<I", 2 * 8000 * 3600 * 30)

    assert len(to_waveform(bytes(sound), 8000)) == 800


def test_a_sound_of_minutes_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_SECONDS", 1)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(4 * 8000 * 90))

    assert len(to_waveform(buffer.getvalue(), 8000)) == 8000


@pytest.fixture
def tokenizer(tmp_path: Path) -> PretrainedTexts:
    save_tokenizer(tmp_path)
    return read_texts(tmp_path)


def test_only_the_read_end_of_a_long_text_is_tokenised(
    tokenizer: PretrainedTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "a cat sat " * 2000
    whole = tokenizer.encode(["a mat", long, "the cat"])
    monkeypatch.setattr(long_texts, "LONGEST", 9_000)
    monkeypatch.setattr(long_texts, "CHARACTERS_AT_ONCE", 9_001)

    cut = tokenizer.encode(["a mat", long, "the cat"])

    assert [row.tolist() for row in cut] == [row.tolist() for row in whole]


def test_a_long_text_of_few_tokens_is_refused(
    tokenizer: PretrainedTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_texts, "LONGEST", 9_000)

    with pytest.raises(DatasetError, match="split it"):
        tokenizer.encode(["x" * 20_000])
