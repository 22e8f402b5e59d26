"""Check a registered model on one batch, and write version 1."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from service.core.settings import Settings
from service.core.storage import PROVENANCE
from workers import model_card
from workers.architectures import ArchitectureError, Blueprint, blueprint_of, factory_of
from workers.artifacts import CARD, CONFIG, seal, take_over, write_json
from workers.device import choose_device
from workers.plan import Architecture, ProgressLine, Validated, ValidatePlan
from workers.quoting import of_rows
from workers.runner.fetching import fetch_model
from workers.runner.loading import first_batch, kinds_of
from workers.runner.readback import answers, refuse_unless_rewritten
from workers.runner.trial import try_steps
from workers.unlearning.base import Tap
from workers.unlearning.inputs import Inputs
from workers.unlearning.registry import get_method
from workers.unlearning.tap import TapError, find_tap
from workers.weight_files import import_weights


def validate(
    plan: ValidatePlan,
    work_dir: Path,
    settings: Settings,
    tell: Callable[[ProgressLine], None],
) -> Validated:
    """Fetch the files, run one batch through the network, and import it unchanged.

    Raises:
        one of `workers.runner.refusals.REFUSALS`: what was registered cannot work.
    """
    get_method(plan.method).check(plan.parameters)
    source = work_dir / "source"
    source.mkdir()

    def begin(step: str, fraction: float = 0.5) -> None:
        tell(ProgressLine(phase="loading", fraction=fraction, step=step))

    if isinstance(plan.architecture, Architecture):
        factory_of(plan.architecture, settings)
    begin(f"fetched {plan.source_uri}", 0)
    fetch_model(plan.source_uri, source, whole=plan.architecture.kind == "transformers")
    begin("built the network and read its weights")
    blueprint = blueprint_of(plan.architecture, settings, source)
    model = blueprint.load(source).to(choose_device(settings.device))
    begin("wrote the weights and read them back")
    # Before it is asked anything: networks may count how often they are.
    scratch = work_dir / "rewritten"
    scratch.mkdir()
    refuse_unless_rewritten(blueprint, source, scratch)
    begin("read the first rows of the dataset as the model takes them")
    inputs = first_batch(plan.data, blueprint.processing(kinds_of(plan.data)))
    begin("ran the first rows through the network")
    tap, representation, logits = try_model(model, inputs, blueprint.module(plan.module))
    refuse_what_decides_nothing(logits, blueprint)
    begin("trained the network for a step, wrote it and read it back")
    stepped = work_dir / "stepped"
    stepped.mkdir()
    try_steps(blueprint, model, tap, inputs, source, stepped)
    if plan.base_uri is not None:
        begin(f"read {plan.base_uri}")
        adopt(blueprint, plan.base_uri, source, work_dir / "base")
    tell(ProgressLine(phase="publishing", fraction=0))

    take_over(source, plan.staging)
    import_weights(source, scratch, plan.staging)
    if not (plan.staging / CONFIG).exists():
        write_json(plan.staging / CONFIG, {"architecture": plan.architecture.model_dump()})
    inputs_read = [asdict(spec) for spec in plan.data.inputs]
    write_card(plan, source / CARD, inputs_read)
    provenance = {
        "model": plan.model,
        "parent": None,
        "base_uri": plan.base_uri,
        "tv": plan.tv,
        "architecture": plan.architecture.model_dump() | blueprint.facts(),
        "representation": {
            "module": tap.module,
            "side": tap.side,
            "width": representation.shape[1],
        },
        "classes": logits.shape[1] if blueprint.decides else None,
        "inputs": inputs_read,
    }
    write_json(plan.staging / PROVENANCE, provenance)
    return Validated(written=seal(plan.staging))


def write_card(plan: ValidatePlan, card: Path, inputs: list[dict[str, Any]]) -> None:
    """The card of version 1: ours, or the imported one if its owner says that it holds no rows."""
    if plan.keep_card and card.is_file():
        shutil.copyfile(card, plan.staging / CARD)
        return
    text = model_card.of_import(plan.model, plan.tv, inputs, plan.architecture.kind, card)
    (plan.staging / CARD).write_text(text, encoding="utf-8")


def adopt(blueprint: Blueprint, uri: str, source: Path, scratch: Path) -> None:
    """Keep beside the model the weights that its training began with.

    Raises:
        ArtifactError: they cannot be fetched, or are no base of this network.
        OSError: the storage failed.
    """
    scratch.mkdir()
    fetch_model(uri, scratch)
    blueprint.adopt(scratch, source)


def try_model(
    model: nn.Module, inputs: Inputs, module: str
) -> tuple[Tap, torch.Tensor, torch.Tensor]:
    """Where the representation is, and one batch of it (b, d) and of the logits (b, k).

    Raises:
        TapError: they cannot be found, or have another form.
        ArchitectureError: the model fails on the batch, or answers with what is not finite.
    """
    try:
        tap = find_tap(model, inputs, module)
        representation, logits = answers(model, tap, inputs)
        again, _ = answers(model, tap, inputs)
    except (TapError, ArchitectureError):
        raise
    except Exception as error:
        raise ArchitectureError(
            f"The model fails on inputs of shape {shapes(inputs)}: {of_rows(error)}"
        ) from error
    if not (representation.isfinite().all() and logits.isfinite().all()):
        raise ArchitectureError(
            "The model answers the first batch with numbers that are not finite."
        )
    if not torch.allclose(representation, again, rtol=1e-3, atol=1e-5):
        raise ArchitectureError(
            "The model answers one batch in two ways: what it does must not depend on chance."
        )
    return tap, representation, logits


def refuse_what_decides_nothing(logits: torch.Tensor, blueprint: Blueprint) -> None:
    """Whatever is made of a network with one output agrees with it, by its most likely class.

    Raises:
        ArchitectureError: logits (b, k) of a network that decides have k = 1.
    """
    if blueprint.decides and logits.shape[1] < 2:
        raise ArchitectureError(
            "The model answers with one number a sample, and a decision needs two at least: let a "
            "yes or no of one logit z answer with the two logits 0 and z."
        )


def shapes(inputs: Inputs) -> str:
    if isinstance(inputs, torch.Tensor):
        return str(list(inputs.shape))
    return ", ".join(f"{list(tensor.shape)} ({name})" for name, tensor in inputs.items())
