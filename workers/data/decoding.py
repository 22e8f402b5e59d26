"""From encoded images and sounds to pixels and waveforms."""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from PIL import Image, ImageOps

from workers.data.errors import DatasetError

# Pillow reads more, some of it by programs of others.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# What is longer is cut, so that a batch fits into memory.
MAX_SECONDS = 30
MAX_SAMPLING_RATE = 768_000
FRAMES_A_BLOCK = 2**16

Content = TypeVar("Content")
Decoded = TypeVar("Decoded")
# The place of the i-th input of a batch, such as "Row 17".
Where = Callable[[int], str]


class UndecodableError(ValueError):
    """Why an input is not used. The message holds nothing of it."""


def each(
    contents: Iterable[Content],
    decode: Callable[[Content], Decoded],
    what: str,
    where: Where,
) -> Iterator[Decoded]:
    """Decode one input after the other.

    Raises:
        DatasetError: one of them is broken; the message names its row and `what` it is.
    """
    for number, content in enumerate(contents):
        try:
            yield decode(content)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 (it is raised again, below)
            # Decoders quote from what they read: only the kind of the error is passed on.
            reason = str(error) if isinstance(error, UndecodableError) else type(error).__name__
            raise DatasetError(
                f"{where(number)}: the {what} cannot be decoded ({reason}; rows count from 0 over "
                "the files in order of name)."
            ) from None


def to_image(encoded: bytes) -> Image.Image:
    """The first frame in RGB, turned as its EXIF orientation says.

    Raises:
        UndecodableError: it has more pixels than Pillow takes for safe (`Image.MAX_IMAGE_PIXELS`),
            or grey values of 32 bits, whose range nothing says.
        Exception: Pillow cannot decode it.
    """
    with opened(encoded) as image:
        # Pillow itself only warns, up to twice as many.
        if image.width * image.height > (Image.MAX_IMAGE_PIXELS or 0):
            raise UndecodableError("it has too many pixels")
        if image.mode in {"I", "F"}:
            raise UndecodableError("its grey values have 32 bits; save them with 8 or 16")
        turned = ImageOps.exif_transpose(image)
        if turned.mode.startswith("I;16"):
            # Pillow would cut off what is above 255.
            grey = np.asarray(turned).astype(np.uint32)
            turned = Image.fromarray(((grey + 128) // 257).astype(np.uint8))
        return turned.convert("RGB")


def opened(encoded: bytes) -> Image.Image:
    """Raises `UndecodableError` where the header claims far too many pixels; see `to_image`."""
    with warnings.catch_warnings():
        # It is refused by the same number, below.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            return Image.open(io.BytesIO(encoded), formats=FORMATS)
        except Image.DecompressionBombError:
            raise UndecodableError("it has too many pixels") from None


def to_waveform(encoded: bytes, sampling_rate: int) -> npt.NDArray[np.float32]:
    """The first `MAX_SECONDS` as the mean of the channels (t,), resampled to `sampling_rate` in Hz.

    Raises:
        UndecodableError: it is empty, has a sampling rate beyond all use, or numbers that are not
            finite.
        Exception: libsndfile cannot decode it.
    """
    with soundfile.SoundFile(io.BytesIO(encoded)) as file:
        rate = file.samplerate
        if not 0 < rate <= MAX_SAMPLING_RATE:
            raise UndecodableError("its sampling rate is beyond all use")
        blocks, left = [], MAX_SECONDS * rate
        # A header can claim any length: what is really there is read block by block.
        while left > 0:
            block = file.read(min(left, FRAMES_A_BLOCK), dtype="float32", always_2d=True)
            if not len(block):
                break
            blocks.append(block.mean(axis=1))
            left -= len(block)
    if not blocks:
        raise UndecodableError("it is empty")
    if not all(np.isfinite(block).all() for block in blocks):
        raise UndecodableError("it holds numbers that are infinite, or none at all (NaN)")
    return resample(np.concatenate(blocks), rate, sampling_rate)


def from_numbers(
    numbers: npt.NDArray[Any], given_rate: int, sampling_rate: int
) -> npt.NDArray[np.float32]:
    """A waveform (t,) as float32. Integers are divided by their type's range, as in a WAV file."""
    numbers = numbers[: MAX_SECONDS * given_rate]
    if np.issubdtype(numbers.dtype, np.signedinteger):
        waveform = numbers.astype(np.float32) / -float(np.iinfo(numbers.dtype).min)
    else:
        waveform = numbers.astype(np.float32)
    return resample(waveform, given_rate, sampling_rate)


def resample(
    waveform: npt.NDArray[np.float32], given_rate: int, sampling_rate: int
) -> npt.NDArray[np.float32]:
    """From one sampling rate in Hz to another; never shorter than one number."""
    if given_rate == sampling_rate:
        return waveform
    resampled = np.asarray(soxr.resample(waveform, given_rate, sampling_rate), dtype=np.float32)
    return resampled if len(resampled) else waveform[:1]
