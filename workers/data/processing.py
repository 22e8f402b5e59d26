"""How the inputs of a dataset become the batches that a model takes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.data.errors import DatasetError
from workers.data.raw import RawImages, RawSounds
from workers.data.readers import (
    ArrayReader,
    ImageReader,
    Images,
    Named,
    PairReader,
    Reader,
    SoundReader,
    Sounds,
    TextReader,
    Texts,
)
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, InputSpec, PairSpec, TextSpec
from workers.unlearning.inputs import Inputs

# The name of the one tensor that a network from a factory takes: it goes in without a name.
BARE = ""


@dataclass(frozen=True)
class Processing:
    """What a model's inputs go through. A part that is None is one that the model lacks.

    `array_name` is the name of an array among the model's arguments. `pairs` says that it reads two
    texts as one.
    """

    images: Images | None = None
    texts: Texts | None = None
    sounds: Sounds | None = None
    array_name: str = BARE
    pairs: bool = False

    def readers(self, specs: Sequence[InputSpec]) -> list[ArrayReader | Reader]:
        """What reads each of these columns.

        Raises:
            DatasetError: the model has no part for a kind, or takes one column only.
        """
        if len(specs) > 1 and self.array_name == BARE:
            raise DatasetError(
                f"The dataset has {len(specs)} input columns, and a network from a factory takes "
                "one tensor: register a model of the kind transformers."
            )
        texts = [spec for spec in specs if isinstance(spec, TextSpec)]
        if len(texts) == 2 and self.texts is not None:
            return [self._pair(texts[0], texts[1], self.texts)]
        return [self._reader(spec) for spec in specs]

    def _pair(self, first: TextSpec, second: TextSpec, texts: Texts) -> PairReader:
        if not self.pairs:
            raise DatasetError(
                f"The columns {first.column} and {second.column} are a pair of texts, which a "
                "classifier reads as one; this model reads one text: name one column."
            )
        return PairReader(PairSpec(first.column, second=second.column), texts)

    def _reader(self, spec: InputSpec) -> ArrayReader | Reader:
        match spec:
            case ArraySpec():
                return ArrayReader(spec, self.array_name)
            case ImageSpec() if self.images is not None:
                return ImageReader(spec, self.images)
            case TextSpec() if self.texts is not None:
                return TextReader(spec, self.texts)
            case AudioSpec() if self.sounds is not None:
                return SoundReader(spec, self.sounds)
        raise DatasetError(
            f"The model has nothing that reads {spec.kind}, which the column {spec.column} holds."
        )


def raw_processing() -> Processing:
    """For a network from a factory, which has no processors of its own: see `workers.data.raw`."""
    return Processing(images=RawImages(BARE), sounds=RawSounds(BARE))


def read_processing(
    directory: Path, kinds: Collection[str], main_input_name: str = "pixel_values"
) -> Processing:
    """Read a model's own tokenizer, image processor and feature extractor, as `kinds` need them.

    `directory` is in the Hugging Face layout; nothing else is read, and no code in it is run. An
    array goes into the model under its `main_input_name`.

    Raises:
        DatasetError: a file is missing or cannot be used; the message says what to add.
    """
    # transformers takes seconds to import, and most networks from factories need nothing of it.
    from workers.data import pretrained

    return Processing(
        images=pretrained.read_images(directory) if "image" in kinds else None,
        texts=pretrained.read_texts(directory) if "text" in kinds else None,
        sounds=pretrained.read_sounds(directory) if "audio" in kinds else None,
        array_name=main_input_name,
    )


def merge(parts: Sequence[Named]) -> Inputs:
    """One batch of the tensors of all columns.

    Raises:
        DatasetError: two columns become tensors of the same name.
    """
    merged: Named = {}
    for part in parts:
        twice = sorted(merged.keys() & part.keys())
        if twice:
            raise DatasetError(f"Two input columns become {twice[0]}: the model cannot take both.")
        merged |= part
    return merged.get(BARE, merged)
