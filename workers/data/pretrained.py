"""A model's own tokenizer, image processor and feature extractor, in the Hugging Face layout."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers.normalizers import Lowercase, Sequence
from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoTokenizer
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor

from workers.data.decoding import Where
from workers.data.errors import DatasetError
from workers.data.long_texts import refuse_long, token_ids
from workers.data.readers import Named, Rows
from workers.data.sentences import read_settings
from workers.data.token_limits import known_tokens, text_config, token_limit
from workers.model_references import NO_FILES
from workers.quoting import of_files

LOCAL = {"local_files_only": True, "trust_remote_code": False}
TOKENIZER = "tokenizer.json"
# What a tokenizer without that file is made from: a list of words, or a model of sentencepiece.
VOCABULARIES = (
    "vocab.txt",
    "vocab.json",
    "bpe.codes",
    "spiece.model",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "spm.model",
    "tokenizer.model",
)
PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")
# These read a text at its last position, which in training was padding or a text's last token.
OF_ONE_LENGTH = "siglip"
# Of decoded images that wait for the processor, beside a first one of any size: 3 MiB of RGB.
PIXELS_AT_ONCE = 2**20


@dataclass(frozen=True)
class PretrainedImages:
    processor: Any

    def batch(self, images: Iterable[Image.Image], where: Where) -> Named:
        """Images in RGB -> `pixel_values` (b, c, h, w) float32.

        Raises:
            DatasetError: the processor leaves them in different sizes, or fails on one.
        """
        made: list[torch.Tensor] = []
        first = 0
        for group in of_one_size(images):
            made.append(self._pixels(group, where, first))
            if made[-1].shape[1:] != made[0].shape[1:]:
                raise DatasetError(
                    f"{where(first)}: its image is {list(made[-1].shape[1:])} behind the model's "
                    f"image processor, and another is {list(made[0].shape[1:])}: have it resize or "
                    "crop all images to one size, in preprocessor_config.json."
                )
            first += len(group)
        return {"pixel_values": torch.cat(made).float()}

    def _pixels(self, group: list[Image.Image], where: Where, first: int) -> torch.Tensor:
        """Images of one size, the first of which is at that place of its batch -> (g, c, h, w)."""
        failed: ValueError | None = None
        try:
            pixels: torch.Tensor = self.processor(images=group, return_tensors="pt")["pixel_values"]
            if len(pixels) == len(group):
                return pixels
        except ValueError as error:
            failed = error
        if len(group) > 1:
            # One after the other: it fails on one of them, or takes several for one.
            alone = [self._pixels([one], where, first + at) for at, one in enumerate(group)]
            return torch.cat(alone)
        (image,) = group
        raise DatasetError(
            f"{where(first)}: the model's image processor fails on its image of {image.width} "
            f"x {image.height} pixels, or makes something else than one input of it."
        ) from failed


def of_one_size(images: Iterable[Image.Image]) -> Iterator[list[Image.Image]]:
    """Images in their order, together where they have one size and are small.

    A processor's call takes longer than its work on a small image. What it pads to the largest of
    a call, as some do, would depend on the others if those had other sizes.
    """
    group: list[Image.Image] = []
    for image in images:
        pixels = image.width * image.height
        if group and (image.size != group[0].size or (len(group) + 1) * pixels > PIXELS_AT_ONCE):
            yield group
            group = []
        group.append(image)
    if group:
        yield group


@dataclass(frozen=True)
class PretrainedTexts:
    """`limit` counts all tokens of a text, also special ones and those of the `prompt`.

    `of_one_length`: the network wants texts padded to that. `known`: see `known_tokens`.
    """

    tokenizer: Any
    limit: int
    of_one_length: bool = False
    prompt: str = ""
    known: object = None

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt, with a special one before it and without one behind it."""
        if not self.prompt:
            return 0
        (tokens,) = self.tokenizer([self.prompt], truncation=True, max_length=self.limit).input_ids
        return len(tokens) - (len(tokens) > 0 and tokens[-1] in self.tokenizer.all_special_ids)

    def encode(self, texts: list[str]) -> Rows:
        """Texts -> token IDs, cut off at the limit.

        Raises:
            DatasetError: the tokenizer gives several token types, or a token beyond the known.
        """
        made = token_ids(self.tokenizer, [self.prompt + text for text in texts], self.limit)
        return [np.array(row, np.int32) for row in known_tokens(self.tokenizer, made, self.known)]

    def encode_pairs(self, first: list[str], second: list[str]) -> Rows:
        """Pairs of texts -> token IDs, cut off at the limit, and the token types behind them."""
        prompted = [self.prompt + text for text in first]
        how: dict[str, Any] = {"truncation": True, "max_length": self.limit, "padding": False}
        refuse_long([*prompted, *second])
        made = self.tokenizer(prompted, second, **how)
        ids = known_tokens(self.tokenizer, made["input_ids"], self.known)
        types = made.get("token_type_ids") or [[0] * len(row) for row in ids]
        return [np.array([*row, *kinds], np.int32) for row, kinds in zip(ids, types, strict=True)]

    def batch(self, tokens: Rows, longest: int, types: Rows | None = None) -> Named:
        """Token IDs -> `input_ids`, `attention_mask` and token types (b, t) int64.

        t is the longest of the batch, or the limit if the network wants texts of one length.
        Batches are joined with zeros behind the shorter one: where padding is anything else, t is
        `longest`. There is a mask, and are token types, where the tokenizer gives the network such.
        """
        tokenizer = self.tokenizer
        lengths = [len(row) for row in tokens]
        joinable = tokenizer.padding_side == "right" and tokenizer.pad_token_id == 0
        width = max(1, max(lengths) if joinable else longest)
        width = self.limit if self.of_one_length else width
        ids = torch.full((len(tokens), width), tokenizer.pad_token_id, dtype=torch.int64)
        mask, kinds = torch.zeros_like(ids), torch.zeros_like(ids)
        for number, row in enumerate(tokens):
            start = 0 if tokenizer.padding_side == "right" else width - len(row)
            place = slice(start, start + len(row))
            ids[number, place] = torch.from_numpy(row.astype(np.int64))
            mask[number, place] = 1
            if types is not None:
                kinds[number, place] = torch.from_numpy(types[number].astype(np.int64))
        named = {"input_ids": ids}
        # A network of texts of one length may take padding for a part of them.
        if not self.of_one_length or "attention_mask" in tokenizer.model_input_names:
            named["attention_mask"] = mask
        if "token_type_ids" in tokenizer.model_input_names:
            named["token_type_ids"] = kinds
        return named


@dataclass(frozen=True)
class PretrainedSounds:
    """`shortest`: numbers that a waveform needs for the network to make one frame of it."""

    extractor: Any
    shortest: int = 1

    @property
    def sampling_rate(self) -> int:
        return int(self.extractor.sampling_rate)

    def batch(self, waveforms: Rows, longest: int) -> Named:  # noqa: ARG002
        """Waveforms -> the extractor's input names, normalised, and the mask if it makes one.

        Padding is the extractor's: to the longest of the batch, or to the length that its
        configuration fixes. A waveform that is too short for one frame has silence behind it.

        Raises:
            DatasetError: the extractor fails on one.
        """
        padding = inspect.signature(self.extractor.__call__).parameters.get("padding")
        more = {"padding": True} if padding is not None and padding.default is False else {}
        missing = [max(0, self.shortest - len(waveform)) for waveform in waveforms]
        heard = [np.pad(row, (0, less)) for row, less in zip(waveforms, missing, strict=True)]
        try:
            made = self.extractor(
                heard, sampling_rate=self.sampling_rate, return_tensors="pt", **more
            )
        except ValueError as error:
            raise self._fault(heard) from error
        names = [*self.extractor.model_input_names, "attention_mask"]
        named = {name: _as_input(made[name]) for name in names if name in made}
        if not all(tensor.numel() for tensor in named.values()):
            raise self._fault(heard)
        return named

    def _fault(self, waveforms: Rows) -> DatasetError:
        shortest = min(len(waveform) for waveform in waveforms)
        return DatasetError(
            "The model's feature extractor makes nothing of sounds, the shortest of which has "
            f"{shortest} numbers at {self.sampling_rate} Hz: it may be too short."
        )


def _as_input(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor.long()


def read_texts(directory: Path) -> PretrainedTexts:
    """Raises `DatasetError`: there is no usable tokenizer."""
    if not any((directory / name).is_file() for name in (TOKENIZER, *VOCABULARIES)):
        raise DatasetError(
            f"The model's directory has no {TOKENIZER}, which texts need: save the tokenizer there "
            "with save_pretrained."
        )
    tokenizer: Any = _read(AutoTokenizer.from_pretrained, directory, "tokenizer", **NO_FILES)
    if tokenizer.pad_token_id is None:
        raise DatasetError(
            "The model's tokenizer has no padding token: name one as pad_token in "
            "tokenizer_config.json."
        )
    settings, text = read_settings(directory), text_config(directory)
    if settings.lower:
        _lower(tokenizer)
    of_one_length = str(text.get("model_type")).startswith(OF_ONE_LENGTH)
    limit = token_limit(tokenizer, text, settings.longest)
    return PretrainedTexts(tokenizer, limit, of_one_length, settings.prompt, text.get("vocab_size"))


def _lower(tokenizer: Any) -> None:
    """Have a tokenizer bring texts to small letters before all else, as `do_lower_case` asks."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise DatasetError(
            "do_lower_case is set, and the tokenizer has no tokenizer.json: save it with one."
        )
    before = [] if backend.normalizer is None else [backend.normalizer]
    backend.normalizer = Sequence([Lowercase(), *before])


def read_images(directory: Path) -> PretrainedImages:
    """Raises `DatasetError`: there is no usable image processor."""
    _refuse_without_preprocessor(directory, "images", "image processor")
    # The other backend is torchvision.
    read: Any = AutoImageProcessor.from_pretrained
    return PretrainedImages(_read(read, directory, "image processor", backend="pil"))


def read_sounds(directory: Path) -> PretrainedSounds:
    """Raises `DatasetError`: there is no usable feature extractor."""
    _refuse_without_preprocessor(directory, "audio", "feature extractor")
    extractor = _read(AutoFeatureExtractor.from_pretrained, directory, "feature extractor")
    if not isinstance(extractor, SequenceFeatureExtractor):
        raise DatasetError(f"The model's {type(extractor).__name__} extracts nothing from audio.")
    return PretrainedSounds(extractor, _field_of_view(directory))


def _field_of_view(directory: Path) -> int:
    """Numbers that become one frame of a network that convolves waveforms; 1 for any other."""
    config = directory / "config.json"
    given = json.loads(config.read_text("utf-8")) if config.is_file() else {}
    kernels, strides = given.get("conv_kernel"), given.get("conv_stride")
    if not isinstance(kernels, list) or not isinstance(strides, list):
        return 1
    needed = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=False):
        needed = (needed - 1) * stride + kernel
    return needed


def _refuse_without_preprocessor(directory: Path, what: str, part: str) -> None:
    if not any((directory / name).is_file() for name in PREPROCESSORS):
        raise DatasetError(
            f"The model's directory has no {PREPROCESSORS[0]}, which {what} need: save the {part} "
            "there with save_pretrained."
        )


def _read(read: Callable[..., Any], directory: Path, part: str, **more: Any) -> Any:
    try:
        return read(str(directory), **LOCAL, **more)
    except Exception as error:
        told = of_files(error, directory)
        raise DatasetError(f"The model's {part} cannot be read: {told}") from error
