"""Networks in the Hugging Face layout, by the classes that `transformers` itself has."""

import copy
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import logging

from workers.architectures.basis import begin_with_basis, has_basis, keep_basis
from workers.architectures.heads.decoders import (
    DecoderClassifier,
    refuse_other_padding,
    score_of,
)
from workers.architectures.heads.labels import first_sets, usual_sets
from workers.architectures.heads.tokens import TokenClassifier
from workers.architectures.layout import read_layout
from workers.architectures.networks import Classifier, Encoder, Network
from workers.architectures.sentences import Part, read_sentences
from workers.artifacts import WEIGHTS, ArtifactError
from workers.data.pretrained import PretrainedTexts
from workers.data.processing import Processing, read_processing
from workers.data.token_samples import TokenSamples, special_ids
from workers.model_references import refuse_references
from workers.quantised import refuse_quantised
from workers.quoting import of_files
from workers.unlearning.base import Samples
from workers.unlearning.copying import built_by
from workers.unlearning.embedding import answer, draw, embed
from workers.unlearning.prototypes import Prototypes, prototypes_of
from workers.unlearning.tap import Tapped, find_tap
from workers.weight_files import load_weights, read_weights, weight_files, write_weights
from workers.weight_kinds import refuse_other_kinds

PREFIX, BEHIND = "network.", "behind."
# Its scores are written out, so they add up in the same order everywhere.
ATTENTION = "eager"
# Remaining samples that prototypes are found among, at most.
READ = 8192
BATCH = 64

logging.set_verbosity_error()
logging.disable_progress_bar()


class Pretrained:
    """The `Blueprint` of the kind `transformers`."""

    def __init__(self, directory: Path) -> None:
        """Raises `ArchitectureError` if the files name no network that can be unlearned."""
        self._directory = directory
        self._layout = read_layout(directory)
        self._sentences = read_sentences(directory, classifies=self._layout.classifies)
        self._skipped = prompt_tokens(directory) if self._sentences.without_prompt else 0
        self._head: Prototypes | None = None
        self._scores_last = False
        self._served: set[torch.dtype] = set()
        labels = self._layout.config.num_labels if self._layout.several_labels else 0
        self._sets = first_sets(labels) if labels else None

    @property
    def decides(self) -> bool:
        return self._layout.classifies

    @property
    def begins_with_basis(self) -> bool:
        return has_basis(self._directory)

    def fresh(self) -> nn.Module:
        made = self._another()
        begin_with_basis(named_for_basis(made), self._directory)
        return made

    def adopt(self, base: Path, directory: Path) -> None:
        network, told = self._open(base)
        new = {*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])}
        found = {name: its for name, its in network.state_dict().items() if name not in new}
        for number, part in enumerate(self._sentences.parts):
            if part.has_weights and (base / part.folder / WEIGHTS).is_file():
                tensors = read_weights(base / part.folder)
                found |= {f"{BEHIND}{number}.{name}": its for name, its in tensors.items()}
        model = self._behind(self._read(directory), directory)
        keep_basis(found, named_for_basis(model), found.keys(), directory)

    @property
    def rounding(self) -> float:
        return max((torch.finfo(kind).eps for kind in self._served), default=0.0)

    def load(self, directory: Path) -> nn.Module:
        network = self._read(directory, as_served=True)
        kinds = {tensor.dtype for tensor in network.state_dict().values()}
        self._served = {kind for kind in kinds if kind.is_floating_point}
        return self._behind(network.float(), directory).eval()

    def as_stored(self, directory: Path) -> nn.Module:
        return self._behind(self._read(directory), directory).eval()

    def complete(
        self, model: nn.Module, remaining: Samples, device: torch.device, seed: int
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        chosen = draw(len(remaining), READ, generator)
        if self._sets is not None and isinstance(model, Classifier):
            model.decide = nn.Identity()
            self._sets = usual_sets(answer(model, remaining, chosen, device, BATCH)).to(device)
            model.decide = copy.deepcopy(self._sets)
        if not isinstance(model, Encoder):
            return
        tap = find_tap(model, remaining.batch(chosen[:2]))
        with Tapped(model, tap) as tapped:
            seen = embed(tapped, remaining, chosen, device, BATCH)
        self._head = prototypes_of(seen.representations, generator).to(device)
        model.head = copy.deepcopy(self._head)

    def write(self, model: nn.Module, parent: Path, target: Path) -> None:
        assert isinstance(model, Network)  # noqa: S101 (made by `fresh` or `load`)
        carrier = self._read(parent)
        # The parent's own way of reading names is the only one that can be reversed.
        carrier.load_state_dict(model.network.state_dict())
        with TemporaryDirectory(dir=target) as scratch:
            carrier.save_pretrained(scratch, max_shard_size="1TB")
            written = load_file(Path(scratch) / WEIGHTS)
        write_weights(constants(parent) | carrier.state_dict() | written, parent, target)
        for part, module in self._parts_of(model):
            write_weights(module.state_dict(), parent / part.folder, target / part.folder)

    def processing(self, kinds: Collection[str]) -> Processing:
        # Versions that were imported by an earlier release were not looked at then.
        refuse_references(self._directory)
        network = self._layout.network
        found = read_processing(self._directory, kinds, network.main_input_name)
        if self._scores_last:
            refuse_other_padding(found, self._layout.config)
        return replace(found, pairs=self.decides and not self._layout.marks_tokens)

    def decisions(self, rows: Samples) -> Samples:
        if not self._layout.marks_tokens:
            return rows
        texts = self.processing({"text"}).texts
        assert isinstance(texts, PretrainedTexts)  # noqa: S101 (it reads nothing else)
        return TokenSamples(rows, special_ids(texts.tokenizer))

    def module(self, name: str) -> str:
        ours = name in ("auto", Encoder.representation) or name.startswith(PREFIX)
        return name if ours else PREFIX + name

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"class": self._layout.network.__name__}
        if self._served:
            facts["served_in"] = sorted(str(kind).removeprefix("torch.") for kind in self._served)
        if not self.decides:
            facts["pooling"] = " + ".join(self._sentences.modes)
            facts["modules"] = [part.kind for part in self._sentences.parts]
        if self._head is not None:
            facts["prototypes"] = len(self._head.centres)
        if self._sets is not None:
            facts["label_sets"], facts["labels"] = self._sets.members.shape
        return facts

    def _behind(self, network: PreTrainedModel, directory: Path | None = None) -> Network:
        """The network behind our interface, with the modules of a directory, or fresh ones."""
        made = self._answering(network)
        if directory is not None:
            for part, module in self._parts_of(made):
                load_weights(module, directory / part.folder, f"the {part.kind} of {part.folder}")
        built_by(made, self._another)
        return made

    def _answering(self, network: PreTrainedModel) -> Network:
        if self._layout.classifies:
            classifier = self._classifier(network)
            if self._sets is not None:
                classifier.decide = copy.deepcopy(self._sets)
            return classifier
        encoder = Encoder(network, self._sentences, self._skipped)
        if self._head is not None:
            encoder.head = copy.deepcopy(self._head)
        return encoder

    def _classifier(self, network: PreTrainedModel) -> Classifier:
        if self._layout.marks_tokens:
            return TokenClassifier(network)
        score = score_of(network)
        if score is None:
            return Classifier(network)
        self._scores_last = True
        return DecoderClassifier(network, score)

    def _another(self) -> Network:
        config = copy.deepcopy(self._layout.config)
        return self._behind(self._layout.network(config, **self._layout.options).float())

    def _parts_of(self, model: Network) -> list[tuple[Part, nn.Module]]:
        """The modules of sentence-transformers that have weights."""
        if not isinstance(model, Encoder):
            return []
        pairs = zip(self._sentences.parts, model.behind, strict=True)
        return [(part, module) for part, module in pairs if part.has_weights]

    def _open(
        self, directory: Path, *, as_served: bool = False
    ) -> tuple[PreTrainedModel, dict[str, Any]]:
        """A network with the weights of a directory, and which of them did not fit.

        What prefix its names have, a head apart, is seen by `transformers`. `as_served` leaves it
        to choose the type of the weights, as it does for everybody who loads the model.
        """
        layout = self._layout
        try:
            load: Any = layout.network.from_pretrained
            found: tuple[PreTrainedModel, dict[str, Any]] = load(
                directory,
                config=copy.deepcopy(layout.config),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                attn_implementation=ATTENTION,
                dtype="auto" if as_served else torch.float32,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **layout.options,
            )
        except Exception as error:
            layout.refuse_what_cannot_be_built(directory)
            raise ArtifactError(
                f"{WEIGHTS} cannot be read: {of_files(error, directory)}"
            ) from error
        return found

    def _read(self, directory: Path, *, as_served: bool = False) -> PreTrainedModel:
        refuse_quantised(directory, by_name=True)
        network, told = self._open(directory, as_served=as_served)
        name_of_class = self._layout.network.__name__
        refuse_what_does_not_fit(name_of_class, told)
        files = [directory / file for file in weight_files(directory)]
        refuse_other_kinds(network.state_dict(), files, name_of_class)
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise ArtifactError(f"{name} in {WEIGHTS} holds numbers that are not finite.")
        return network


def named_for_basis(model: Network) -> dict[str, Tensor]:
    """The state, where the tensors of the network have the names that they have in transformers."""
    return {name.removeprefix(PREFIX): its for name, its in model.state_dict().items()}


def prompt_tokens(directory: Path) -> int:
    """The tokens of a text that are the prompt of sentence-transformers."""
    # It reads the tokenizer, which only models with such a prompt need here.
    texts = read_processing(directory, {"text"}).texts
    return texts.prompt_length if isinstance(texts, PretrainedTexts) else 0


def refuse_what_does_not_fit(network: str, told: dict[str, Any]) -> None:
    """Fresh weights in place of missing ones, and unread ones, would go unnoticed.

    Raises:
        ArtifactError: a tensor is missing, is not asked for, or has another shape.
    """
    missing, extra = sorted(told["missing_keys"]), sorted(told["unexpected_keys"])
    if missing or extra:
        raise ArtifactError(
            f"{WEIGHTS} does not fit {network}: missing {missing[:5]}, unexpected {extra[:5]}."
        )
    wrong = sorted(told["mismatched_keys"])
    if wrong:
        name, found, wanted = wrong[0]
        raise ArtifactError(
            f"{name} has shape {list(found)} in {WEIGHTS}; {network} needs {list(wanted)}."
        )


def constants(directory: Path) -> dict[str, Tensor]:
    """What older files hold and no network learns, such as the numbers of positions."""
    found = read_weights(directory)
    return {name: tensor for name, tensor in found.items() if not tensor.is_floating_point()}
