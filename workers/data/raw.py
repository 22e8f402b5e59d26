"""Inputs of a network from a factory, which brings no processors."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from workers.data.decoding import Where
from workers.data.errors import DatasetError
from workers.data.readers import Named, Rows


@dataclass(frozen=True)
class RawImages:
    """Pixels from 0 to 1 under `name`."""

    name: str

    def batch(self, images: list[Image.Image], where: Where) -> Named:
        """Images in RGB -> (b, 3, h, w) float32.

        Raises:
            DatasetError: they are not all of one size.
        """
        size = images[0].size
        for number, image in enumerate(images):
            if image.size != size:
                raise DatasetError(
                    f"{where(number)} holds an image of {image.width} x {image.height} pixels, and "
                    f"another has {size[0]} x {size[1]}: a network from a factory takes images of "
                    "one size."
                )
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
        return {self.name: pixels.permute(0, 3, 1, 2).contiguous().float().div_(255)}


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
