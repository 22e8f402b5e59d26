"""One unlearning run: plan, data, method, evaluation, artifact."""

from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from torch import nn

from service.core.settings import Settings
from service.core.storage import PROVENANCE
from workers import model_card
from workers.architectures import Blueprint, blueprint_of
from workers.artifacts import (
    CARD,
    ArtifactError,
    seal,
    take_over,
    verify,
    write_json,
)
from workers.data.processing import Processing
from workers.device import choose_compute, choose_device, describe, suited, threads_of_each
from workers.evaluation.audit import audit
from workers.evaluation.gate import Verdict, decide
from workers.evaluation.judge import judged
from workers.evaluation.report import AuditReport
from workers.plan import FORGOTTEN, ProgressLine, UnlearnPlan
from workers.plan import Unlearned as UnlearnedOutcome
from workers.runner.kept import inputs_are_there, kept_folder, note_inputs, savepoints
from workers.runner.loading import Sets, kinds_of, load_sets
from workers.runner.origins import edit_of, load_origin
from workers.runner.readback import answers, write_and_read_back
from workers.runner.validate import refuse_what_decides_nothing
from workers.seeding import seed_everything
from workers.statistics.floors import floor_of
from workers.unlearning.base import Problem, Progress, Tap, Unlearned
from workers.unlearning.compute import Compute
from workers.unlearning.copying import settle_copies
from workers.unlearning.finished import finished
from workers.unlearning.ranks import Ranks
from workers.unlearning.registry import get_method
from workers.unlearning.savepoints import DiskSavepoints
from workers.unlearning.tap import find_tap

Tell = Callable[[ProgressLine], None]
EXAMPLES = 8

log = structlog.get_logger(__name__)


def unlearn(
    plan: UnlearnPlan, work_dir: Path, settings: Settings, tell: Tell, ranks: Ranks
) -> UnlearnedOutcome | None:
    """Unlearn, audit, and write the version into the staging directory.

    With several processes all unlearn, and the first one does the rest; the others return None.

    Raises:
        one of `workers.runner.refusals.REFUSALS`: another attempt would end alike.
    """
    device, threads = choose_device(plan.device, ranks), threads_of_each(settings.threads, ranks)
    seed_everything(plan.seed, threads)
    folder = kept_folder(work_dir, settings, describe(device) | {"threads": threads}, ranks)
    saves = savepoints(folder, settings, ranks)
    chosen = choose_compute(device, ranks, settings.precision, settings.compile, folder)
    if verify(plan.parent) != plan.lineage.parent_digest:
        raise ArtifactError("The parent's files are not those of the version that was published.")
    blueprint = blueprint_of(plan.architecture, settings, plan.parent)
    rows = load(plan, blueprint.processing(kinds_of(plan.data)), work_dir, folder, saves, ranks)
    sets = rows.decided(blueprint.decisions)
    parent = blueprint.load(plan.parent).to(device)
    blueprint.complete(parent, sets.remaining, device, plan.seed)
    examples = sets.remaining.batch(torch.arange(min(EXAMPLES, len(sets.remaining))))
    tap = find_tap(parent, examples, blueprint.module(plan.module))
    refuse_what_decides_nothing(answers(parent, tap, examples)[1], blueprint)
    settle_copies(parent, examples)
    compute = suited(replace(chosen, saves=saves), settings.precision, parent, examples, device)
    if compute.given_up:
        log.warning("the network takes no step in bfloat16", trouble=compute.given_up)
    origin = load_origin(plan.origin, blueprint)
    tell(ProgressLine(phase="loading", fraction=1))

    unlearned = apply_method(plan, blueprint, parent, origin, tap, sets, device, compute, tell)
    compute.settle()
    if not ranks.first:
        return None
    computed = compute.facts()
    if "batch_reduced" in computed:
        log.warning("memory was short", batch_reduced=computed["batch_reduced"])
    tell(ProgressLine(phase="auditing", fraction=0))
    take_over(plan.parent, plan.staging)
    candidate = write_and_read_back(
        blueprint, unlearned.model, tap, plan.parent, plan.staging, examples
    )
    looked_at = sets.audited(plan.seed)
    report = audit(
        parent,
        candidate,
        blueprint.fresh,
        tap,
        remaining=looked_at.remaining,
        forgotten=looked_at.forgotten,
        holdout=looked_at.holdout,
        device=device,
        seed=plan.seed,
        min_agreement=plan.min_agreement,
        encodes=not blueprint.decides,
        done=lambda fraction: tell(ProgressLine(phase="auditing", fraction=fraction)),
    )
    verdict = decide(report.utility)
    representation: dict[str, Any] = {
        "asked": plan.module,
        "module": tap.module,
        "side": tap.side,
    }
    if report.utility.cosine is not None:
        representation["kept"] = asdict(report.utility.cosine)
    tell(ProgressLine(phase="publishing", fraction=0))
    facts = {
        "edit_of": edit_of(plan, edited=unlearned.edited),
        "architecture": plan.architecture.model_dump() | blueprint.facts(),
        "fresh_weights": "base" if blueprint.begins_with_basis else "random",
        "representation": representation,
        "device": describe(device) | {"threads": threads} | computed,
    }
    return write(plan, unlearned, report, verdict, facts)


def load(
    plan: UnlearnPlan,
    processing: Processing,
    work_dir: Path,
    folder: Path,
    saves: DiskSavepoints,
    ranks: Ranks,
) -> Sets:
    """The samples: copied to disk by the first process, and only opened by the others.

    If an earlier attempt has copied them all, they are only opened.
    """
    forgotten, excluded = (
        np.load(work_dir / name, allow_pickle=False) for name in (FORGOTTEN, plan.excluded)
    )
    sets = None
    if ranks.first and not inputs_are_there(saves):
        sets = load_sets(plan.data, forgotten, excluded, folder, processing)
        note_inputs(saves)
    ranks.wait()
    return sets or load_sets(plan.data, forgotten, excluded, folder, processing, copied=True)


def apply_method(
    plan: UnlearnPlan,
    blueprint: Blueprint,
    parent: nn.Module,
    origin: nn.Module | None,
    tap: Tap,
    sets: Sets,
    device: torch.device,
    compute: Compute,
    tell: Tell,
) -> Unlearned:
    def report(progress: Progress) -> None:
        metrics = {name: float(value) for name, value in progress.metrics.items()}
        tell(ProgressLine(phase=progress.phase, fraction=progress.fraction, metrics=metrics))

    problem = judged(
        Problem(
            model=parent,
            fresh=blueprint.fresh,
            tap=tap,
            remaining=sets.remaining,
            forgotten=sets.forgotten,
            holdout=sets.holdout,
            device=device,
            seed=plan.seed,
            min_agreement=floor_of(plan.min_agreement),
            fixed_floor=plan.min_agreement is not None,
            parameters=plan.parameters,
            compute=compute,
            encodes=not blueprint.decides,
            warm=blueprint.begins_with_basis,
            origin=origin,
            target_level=plan.target_level.value,
        )
    )
    return finished(problem, lambda: get_method(plan.method).unlearn(problem, report))


def write(
    plan: UnlearnPlan,
    unlearned: Unlearned,
    report: AuditReport,
    verdict: Verdict,
    facts: dict[str, Any],
) -> UnlearnedOutcome:
    lineage = plan.lineage
    measured = {"target_level": plan.target_level.value, **report.to_dict()}
    provenance = {
        "model": lineage.model,
        "job_id": lineage.job_id,
        "parent": {"version": lineage.parent_version, "digest": lineage.parent_digest},
        "parent_tv": lineage.parent_tv,
        "tv": lineage.tv,
        "excluded_tv": lineage.excluded_tv,
        "forgotten": {"count": lineage.forgotten, "commitment": lineage.commitment},
        "method": {
            "name": unlearned.method,
            "parameters": dict(unlearned.parameters),
            "summary": dict(unlearned.summary),
        },
        "inputs": [asdict(spec) for spec in plan.data.inputs],
        "seed": plan.seed,
        **facts,
        "code": {"unlearnd": package_version("unlearnd")},
        "audit": measured,
        "gate": {
            "rule": verdict.rule,
            "min_agreement": verdict.min_agreement,
            "passed": verdict.passed,
            "reasons": list(verdict.reasons),
        },
    }
    write_json(plan.staging / PROVENANCE, provenance)
    card = model_card.of_version(provenance, plan.parent / CARD)
    (plan.staging / CARD).write_text(card, encoding="utf-8")
    return UnlearnedOutcome(
        written=seal(plan.staging),
        commitment=lineage.commitment,
        audit=measured,
        passed=verdict.passed,
        reasons=list(verdict.reasons),
    )
