"""Pixels out of encoded images, and waveforms out of encoded sounds."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import sklearn.datasets
import soundfile
from PIL import Image, UnidentifiedImageError
from scipy.io import wavfile

from tests.workers.data.media import RATE, digits, encoded_sound, png, pngs, saved, tone
from workers.data.decoding import (
    FORMATS,
    MAX_SECONDS,
    UndecodableError,
    each,
    from_numbers,
    to_image,
    to_waveform,
)
from workers.data.errors import DatasetError

PHOTO = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"


def where(number: int) -> str:
    return f"Row {number + 40}"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "LA"])
def test_images_of_every_mode_become_rgb(mode: str) -> None:
    image = Image.fromarray(digits()[0]).convert("RGB").convert(mode)

    decoded = to_image(saved(image, "PNG"))

    assert (decoded.mode, decoded.size) == ("RGB", (8, 8))
    assert np.array_equal(np.asarray(decoded), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_grey_values_of_16_bits_keep_their_shades(form: str) -> None:
    """Pillow's own conversion makes nearly all of them white."""
    grey = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)

    decoded = np.asarray(to_image(saved(Image.fromarray(grey), form)))

    assert np.array_equal(decoded[..., 0], np.round(grey / 257).astype(np.uint8))
    assert np.array_equal(decoded[..., 0], decoded[..., 2])


@pytest.mark.parametrize("mode", ["I", "F"])
def test_grey_values_whose_range_nothing_says_are_refused(mode: str) -> None:
    encoded = saved(Image.new(mode, (8, 8), 3), "TIFF")
    with pytest.raises(DatasetError, match="32 bits; save them with 8 or 16"):
        list(each([encoded], to_image, "image in x", where))


@pytest.mark.parametrize("form", FORMATS)
def test_these_formats_are_read(form: str) -> None:
    decoded = to_image(saved(Image.new("RGB", (16, 9), "red"), form))

    assert (decoded.mode, decoded.size) == ("RGB", (16, 9))
    assert abs(np.asarray(decoded)[4, 8].astype(int) - [255, 0, 0]).max() < 8


def test_other_formats_are_not_tried() -> None:
    with pytest.raises(UnidentifiedImageError):
        to_image(saved(Image.new("RGB", (16, 16)), "EPS"))


def test_a_photograph_is_decoded_as_it_is() -> None:
    decoded = to_image(PHOTO.read_bytes())

    with Image.open(PHOTO) as photo:
        assert np.array_equal(np.asarray(decoded), np.asarray(photo))


def test_a_turned_camera_is_turned_back() -> None:
    image = Image.fromarray(digits()[0][:5])
    exif = Image.Exif()
    exif[274] = 6  # A quarter turn to the right.

    decoded = to_image(saved(image, "PNG", exif=exif))

    assert np.array_equal(np.asarray(decoded.convert("L")), np.rot90(np.asarray(image), -1))


BROKEN: dict[str, bytes] = {
    "cut": PHOTO.read_bytes()[:5000],
    "text": b"patient-17 was here",
    "damaged": pngs(1)[0][:40] + b"patient-17" + pngs(1)[0][50:],
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_image_is_told_by_row_and_never_quoted(how: str) -> None:
    encoded = [*pngs(2), BROKEN[how]]

    with pytest.raises(DatasetError, match="Row 42: the image in x cannot be decoded") as refused:
        list(each(encoded, to_image, "image in x", where))

    assert "patient" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("most", [20, 40])
def test_an_image_of_too_many_pixels_is_refused(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Pillow refuses twice its limit, and only warns before."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)

    with pytest.raises(DatasetError, match=r"too many pixels|DecompressionBombError"):
        list(each(pngs(1), to_image, "image in x", where))


def test_a_full_memory_is_no_fault_of_the_image() -> None:
    def decode(_: bytes) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        list(each(pngs(1), decode, "image in x", where))


@pytest.mark.parametrize("form", ["WAV", "FLAC"])
def test_sounds_are_decoded(form: str) -> None:
    waveform = tone(440, 0.5)

    decoded = to_waveform(encoded_sound(waveform, form=form), RATE)

    assert decoded.dtype == np.float32
    assert np.abs(decoded - waveform).max() < 1e-4


def test_a_recording_is_read_as_scipy_reads_it() -> None:
    recording = Path(scipy.io.__file__).parent / "tests/data/test-44100Hz-2ch-32bit-float-le.wav"
    rate, channels = wavfile.read(recording)

    decoded = to_waveform(recording.read_bytes(), rate)

    assert len(decoded) == len(channels) > 0
    assert np.allclose(decoded, channels.mean(axis=1), atol=1e-6)


def test_channels_are_averaged() -> None:
    left, right = tone(440, 0.5), tone(880, 0.5)

    decoded = to_waveform(encoded_sound(np.stack([left, right], axis=1)), RATE)

    assert np.abs(decoded - (left + right) / 2).max() < 1e-4


@pytest.mark.parametrize("rate", [4000, 16000, 44100])
def test_a_tone_keeps_its_pitch_and_length_at_another_rate(rate: int) -> None:
    decoded = to_waveform(encoded_sound(tone(440, 1.0)), rate)

    assert len(decoded) == rate
    assert int(np.abs(np.fft.rfft(decoded)).argmax()) == 440
    inner = slice(rate // 10, -rate // 10)
    assert np.abs(decoded - tone(440, 1.0, rate))[inner].max() < 1e-2


def test_long_sounds_are_cut() -> None:
    silence = np.zeros((MAX_SECONDS + 2) * 1000, np.float32)

    assert len(to_waveform(encoded_sound(silence, 1000), 1000)) == MAX_SECONDS * 1000
    assert len(from_numbers(silence, 1000, 2000)) == MAX_SECONDS * 2000


@pytest.mark.parametrize("kind", ["int16", "int32", "float32", "float64"])
def test_waveforms_are_numbers_from_minus_one_to_one(kind: str) -> None:
    waveform = tone(440, 0.1)
    peak = 1 if kind.startswith("float") else -float(np.iinfo(kind).min)

    decoded = from_numbers((waveform * peak).astype(kind), RATE, RATE)

    assert decoded.dtype == np.float32
    assert np.abs(decoded - waveform).max() < 1e-4


def test_a_single_number_is_a_sound_at_any_rate() -> None:
    assert len(from_numbers(np.array([0.5], np.float32), 48000, 1000)) == 1


SILENT: dict[str, Any] = {
    "empty": (encoded_sound(np.zeros(0, np.float32)), "it is empty"),
    "text": (b"patient-17 was here", "LibsndfileError"),
    "an image": (png(digits()[0]), "LibsndfileError"),
}


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300])
def test_a_sound_that_is_not_finite_is_refused(number: float) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.array([0.1, number]), RATE, format="WAV", subtype="DOUBLE")

    with pytest.raises(UndecodableError, match="infinite"):
        to_waveform(file.getvalue(), RATE)


@pytest.mark.parametrize("how", SILENT)
def test_a_broken_sound_is_told_by_row_and_never_quoted(how: str) -> None:
    encoded, reason = SILENT[how]

    with pytest.raises(DatasetError, match=f"Row 40: the sound in x .*{reason}") as refused:
        list(each([encoded], lambda one: to_waveform(one, RATE), "sound in x", where))

    assert "patient" not in str(refused.value)
