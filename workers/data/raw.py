"""Inputs of a network from a factory, which brings no processors."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from workers.data.decoding import Where
from workers.data.errors import DatasetError
from workers.data.readers import Named, Rows


@dataclass(frozen=True)
class RawImages:
    """Pixels from 0 to 1 under `name`."""

    name: str

    def batch(self, images: Iterable[Image.Image], where: Where) -> Named:
        """Images in RGB -> (b, 3, h, w) float32.

        Raises:
            DatasetError: they are not all of one size.
        """
        pixels: list[npt.NDArray[np.uint8]] = []
        for number, image in enumerate(images):
            pixels.append(np.asarray(image))
            (height, width, _), (high, wide, _) = pixels[0].shape, pixels[-1].shape
            if (high, wide) != (height, width):
                raise DatasetError(
                    f"{where(number)} holds an image of {wide} x {high} pixels, and another has "
                    f"{width} x {height}: a network from a factory takes images of one size."
                )
        stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
        return {self.name: stacked.contiguous().float().div_(255)}


@dataclass(frozen=True)
class RawSounds:
    """Waveforms at the dataset's sampling rate, with zeros behind them, under `name`."""

    name: str
    sampling_rate: None = None

    def batch(self, waveforms: Rows, longest: int) -> Named:
        """Waveforms -> (b, longest) float32, so that any two batches can be joined."""
        padded = torch.zeros(len(waveforms), longest)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = torch.from_numpy(np.array(waveform))
        return {self.name: padded}
