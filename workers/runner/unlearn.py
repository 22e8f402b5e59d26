"""One unlearning run: plan, data, method, evaluation, artifact."""

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import torch
from torch import nn

from service.core.settings import Settings
from workers import model_card
from workers.architectures import build
from workers.artifacts import (
    CARD,
    PROVENANCE,
    ArtifactError,
    load_weights,
    seal,
    take_over,
    verify,
    write_json,
    write_weights,
)
from workers.data.processing import raw_processing
from workers.device import choose_compute, choose_device, describe, threads_of_each
from workers.evaluation.audit import audit
from workers.evaluation.gate import Verdict, decide
from workers.evaluation.report import AuditReport
from workers.plan import FORGOTTEN, ProgressLine, UnlearnPlan
from workers.plan import Unlearned as UnlearnedOutcome
from workers.runner.loading import Sets, load_sets
from workers.seeding import seed_everything
from workers.unlearning.base import Problem, Progress, Tap, Unlearned
from workers.unlearning.compute import Compute
from workers.unlearning.ranks import Ranks
from workers.unlearning.registry import get_method
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
    compute = choose_compute(device, ranks, settings.precision, settings.compile, work_dir)
    if verify(plan.parent) != plan.lineage.parent_digest:
        raise ArtifactError("The parent's files are not those of the version that was published.")
    sets = load(plan, work_dir, ranks)
    parent = build(plan.architecture, settings).eval()
    load_weights(parent, plan.parent)
    parent.to(device)
    tap = find_tap(
        parent, sets.remaining.batch(torch.arange(min(EXAMPLES, len(sets.remaining)))), plan.module
    )
    tell(ProgressLine(phase="loading", fraction=1))

    unlearned = apply_method(plan, settings, parent, tap, sets, device, compute, tell)
    compute.settle()
    if not ranks.first:
        return None
    facts = compute.facts()
    if "batch_reduced" in facts:
        log.warning("memory was short", batch_reduced=facts["batch_reduced"])
    tell(ProgressLine(phase="auditing", fraction=0))
    report = audit(
        parent,
        unlearned.model,
        lambda: build(plan.architecture, settings),
        tap,
        remaining=sets.remaining,
        forgotten=sets.forgotten,
        holdout=sets.holdout,
        device=device,
        seed=plan.seed,
        min_agreement=plan.min_agreement,
        done=lambda fraction: tell(ProgressLine(phase="auditing", fraction=fraction)),
    )
    verdict = decide(report, plan.min_agreement)
    tell(ProgressLine(phase="publishing", fraction=0))
    return write(
        plan, unlearned, tap, report, verdict, describe(device) | {"threads": threads} | facts
    )


def load(plan: UnlearnPlan, work_dir: Path, ranks: Ranks) -> Sets:
    """The samples: copied to disk by the first process, and only opened by the others."""
    forgotten, excluded = (
        np.load(work_dir / name, allow_pickle=False) for name in (FORGOTTEN, plan.excluded)
    )
    processing = raw_processing()
    sets = load_sets(plan.data, forgotten, excluded, work_dir, processing) if ranks.first else None
    ranks.wait()
    return sets or load_sets(plan.data, forgotten, excluded, work_dir, processing, copied=True)


def apply_method(
    plan: UnlearnPlan,
    settings: Settings,
    parent: nn.Module,
    tap: Tap,
    sets: Sets,
    device: torch.device,
    compute: Compute,
    tell: Tell,
) -> Unlearned:
    def report(progress: Progress) -> None:
        metrics = {name: float(value) for name, value in progress.metrics.items()}
        tell(ProgressLine(phase=progress.phase, fraction=progress.fraction, metrics=metrics))

    problem = Problem(
        model=parent,
        fresh=lambda: build(plan.architecture, settings),
        tap=tap,
        remaining=sets.remaining,
        forgotten=sets.forgotten,
        holdout=sets.holdout,
        device=device,
        seed=plan.seed,
        min_agreement=plan.min_agreement,
        parameters=plan.parameters,
        compute=compute,
    )
    return get_method(plan.method).unlearn(problem, report)


def write(
    plan: UnlearnPlan,
    unlearned: Unlearned,
    tap: Tap,
    report: AuditReport,
    verdict: Verdict,
    device: dict[str, Any],
) -> UnlearnedOutcome:
    lineage, measured = plan.lineage, report.to_dict()
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
        "architecture": plan.architecture.model_dump(),
        "inputs": [asdict(spec) for spec in plan.data.inputs],
        "representation": {"module": tap.module, "side": tap.side},
        "seed": plan.seed,
        "device": device,
        "code": {"unlearnd": package_version("unlearnd")},
        "audit": measured,
        "gate": {
            "min_agreement": plan.min_agreement,
            "passed": verdict.passed,
            "reasons": list(verdict.reasons),
        },
    }
    take_over(plan.parent, plan.staging)
    write_weights(unlearned.model, plan.parent, plan.staging)
    write_json(plan.staging / PROVENANCE, provenance)
    card = model_card.of_version(provenance)
    (plan.staging / CARD).write_text(card, encoding="utf-8")
    return UnlearnedOutcome(
        written=seal(plan.staging),
        commitment=lineage.commitment,
        audit=measured,
        passed=verdict.passed,
        reasons=list(verdict.reasons),
    )
