"""What libraries save that are not installed here: files that they wrote, in tests/data."""

import shutil
from pathlib import Path

from tests.workers.pretrained.tools.case import DATA, Case
from workers.model_forms import NOT_OF_TIMM


def peft_adapter(directory: Path) -> None:
    shutil.copytree(DATA / "peft" / "adapter", directory)


def setfit_model(directory: Path) -> None:
    shutil.copytree(DATA / "setfit" / "trained", directory)


def timm_network(directory: Path) -> None:
    shutil.copytree(DATA / "timm" / "saved", directory)


def sentence_model(directory: Path) -> None:
    shutil.copytree(DATA / "sentence-transformers" / "trained", directory)


def cross_encoder(directory: Path) -> None:
    shutil.copytree(DATA / "sentence-transformers" / "cross-encoder", directory)


def check_that_its_modules_are_there(directory: Path, first: Path) -> None:
    for name in ("2_Dense", "3_LayerNorm"):
        weights = Path(name, "model.safetensors")
        assert (first / weights).read_bytes() == (directory / weights).read_bytes()


CASES = [
    Case(
        "sentence-transformers",
        "6.2.0",
        "`Transformer`, `Pooling`, `Dense`, `LayerNorm`, `Normalize`, prompts, and a card",
        "read, with all modules and the default prompt; the text of its card is left out",
        sentence_model,
        check=check_that_its_modules_are_there,
    ),
    Case(
        "sentence-transformers",
        "6.2.0",
        "a `CrossEncoder` of several labels",
        "read as a classifier, with its default prompt",
        cross_encoder,
    ),
    Case(
        "peft",
        "0.21.2",
        "an adapter",
        "refused: merge it into its base with `merge_and_unload`",
        peft_adapter,
        refusal="This is an adapter of PEFT: adapter_config.json. Merge it into its base",
    ),
    Case(
        "setfit",
        "1.2.0",
        "an encoder with a head in a pickle",
        "refused: register the encoder alone, and fit the head again on each version",
        setfit_model,
        refusal="This is a SetFit model, whose head is a pickle: config_setfit.json.",
    ),
    Case(
        "timm",
        "1.0.31",
        "a classifier of images, by `save_for_hf` or `push_to_hub`",
        "refused: copy its weights into transformers' own network, with `save_pretrained`",
        timm_network,
        given="images",
        refusal=NOT_OF_TIMM,
    ),
]
