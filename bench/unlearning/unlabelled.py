"""What is measured of a network without labels: the audit of a job, and agreement."""

from typing import Any

import torch
from torch import nn

from bench.unlearning.training import Cost, Stopwatch
from workers.evaluation.audit import audit_of
from workers.statistics.agreement import agreement
from workers.unlearning.base import Problem
from workers.unlearning.embedding import answer, draw

SAMPLES = 5000
BATCH = 512


def audited(problem: Problem, model: nn.Module) -> tuple[dict[str, Any], Cost]:
    """The label-free audit, as a job runs it, of all that was deleted, and what it cost."""
    watch = Stopwatch(problem.device)
    report = audit_of(problem, model)
    return report.to_dict(), watch.read()


def agreements(problem: Problem, model: nn.Module) -> dict[str, float]:
    """Shares (0 to 1) of remaining and held-out samples that `model` decides as the parent does.

    On at most `SAMPLES` of each set, the same ones for all networks of a task and seed. Decisions
    count as they are, also those that the parent owes to forgotten samples.
    """
    sets = {"remaining": problem.remaining, "holdout": problem.holdout}
    found = {}
    for name, samples in sets.items():
        if samples is None:
            continue
        drawn = draw(len(samples), SAMPLES, torch.Generator().manual_seed(0))
        before, after = (
            answer(network.eval(), samples, drawn, problem.device, BATCH)
            for network in (problem.model, model)
        )
        found[name] = agreement(before, after)
    return found
