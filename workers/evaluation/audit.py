"""The label-free audit: what changed since the parent, and what an attacker can see."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from workers.evaluation.baseline import Baseline
from workers.evaluation.cka import linear_cka
from workers.evaluation.comparison import compare
from workers.evaluation.levels import level_of
from workers.evaluation.reading import Reader
from workers.evaluation.rebound import WORK
from workers.evaluation.report import AuditReport, SetReport
from workers.evaluation.singles import compare_singles
from workers.evaluation.utility import utility_of
from workers.evaluation.weights import weights
from workers.statistics.agreement import agreement, divergences
from workers.statistics.floors import Floors, floor_of
from workers.statistics.hindsight import Hindsight
from workers.statistics.intervals import ends, resampled_means, wilson
from workers.unlearning.base import Problem, Samples, Tap
from workers.unlearning.embedding import Embedded, draw
from workers.unlearning.isolation import isolated
from workers.unlearning.layout import copied

COMPARED = (
    "likeness",
    "kinds",
    "membership",
    "contradiction",
    "per_sample",
    "representation",
    "rebound",
    "power",
)


def audit(
    parent: nn.Module,
    candidate: nn.Module,
    fresh: Callable[[], nn.Module],
    tap: Tap,
    *,
    remaining: Samples,
    forgotten: Samples,
    holdout: Samples | None,
    device: torch.device,
    seed: int,
    min_agreement: float | None = None,
    encodes: bool = False,
    max_samples: int = 5000,
    resamples: int = 200,
    batch_size: int = 512,
    done: Callable[[float], None] = lambda _fraction: None,
) -> AuditReport:
    """Measure `candidate` against `parent`. Neither is changed, nor is any global state.

    `fresh` builds the same network with fresh weights: it says which samples are alike, having seen
    none. Of each set at most `max_samples` are measured, drawn with `seed`: at 5,000 the standard
    error of an agreement of 0.97 is 0.0024. The same samples and bootstrap draws serve before and
    after. `min_agreement` is a floor that an operator has set; None is the default rule. `encodes`
    says that the representation is what the networks are used for. `done` hears the fraction that
    is finished.

    Raises:
        ValueError: there are no remaining or no forgotten samples.
        TapError, UnlearningError: a model's answers cannot be used.
    """
    if not len(remaining) or not len(forgotten):
        raise ValueError("An audit needs remaining and forgotten samples.")
    sets = {"remaining": remaining, "forgotten": forgotten}
    if holdout is not None and len(holdout):
        sets["holdout"] = holdout
    with isolated(device, seed):
        generator = torch.Generator().manual_seed(seed)
        chosen = {name: draw(len(found), max_samples, generator) for name, found in sets.items()}
        # Three networks are read, and the candidate again after its rebound.
        work = 4 * sum(len(positions) for positions in chosen.values()) + WORK
        reader = Reader(sets, chosen, tap, device, batch_size, done, work)
        # The method may have looked at neighbours with the same seed: take another view.
        torch.manual_seed(seed + 1)
        networks = tuple(copied(model, device) for model in (parent, candidate, fresh()))
        floors = Floors(floor_of(min_agreement), len(forgotten), len(remaining))
        baseline = Baseline(
            reader,
            networks[0],
            networks[2],
            floors,
            fixed=min_agreement is not None,
            encodes=encodes,
            seed=seed,
        )
        before, after = baseline.answers, reader.read(networks[1])
        known, reason, like = baseline.known, baseline.unmeasured, baseline.like
        utility = utility_of(after, baseline)
        measured = {
            name: _measure(
                len(found),
                before[name],
                after[name],
                known if name != "forgotten" else None,
                resamples=resamples,
                seed=seed,
            )
            for name, found in sets.items()
        }
        moved = weights(
            networks[0],
            networks[1],
            networks[2],
            partial(reader.some_logits, seed=seed),
            resamples=resamples,
            seed=seed,
        )
        compared, singles = None, None
        if like is not None and reason is not None:
            singles = compare_singles(before, after, like, resamples=resamples, seed=seed)
        elif like is not None:
            compared = compare(networks[1], after, baseline, like, resamples=resamples)
    done(1.0)
    not_measured = {} if reason is None else dict.fromkeys(COMPARED, reason)
    if compared is not None:
        not_measured |= compared.not_measured
    constant = [name for name, report in measured.items() if report.cka is None]
    not_measured |= {f"{name}.cka": "The representations are constant." for name in constant}
    level, statement = level_of(utility, compared, reason)
    if singles is not None and level != "none":
        statement = f"{statement} {singles.sentence()}"
    found: dict[str, Any] = {name: getattr(compared or singles, name, None) for name in COMPARED}
    for name in COMPARED if singles is not None else ():
        if found[name] is not None:
            del not_measured[name]
    return AuditReport(
        level=level,
        statement=statement,
        min_agreement=floors.min_agreement,
        utility=utility,
        remaining=measured["remaining"],
        forgotten=measured["forgotten"],
        holdout=measured.get("holdout"),
        weights=moved,
        emptied_classes=known.emptied.nonzero().flatten().tolist(),
        label_noise={
            str(label): float(known.noise.shares[label])
            for label in known.noise.shares.nonzero().flatten().tolist()
        },
        not_measured=not_measured,
        seed=seed,
        **found,
    )


def audit_of(problem: Problem, candidate: nn.Module, **options: Any) -> AuditReport:
    """`audit` of a candidate by a problem's networks, sets, seed and floor.

    `options` are further arguments of `audit`, or others in place of the problem's.
    """
    given: dict[str, Any] = {
        "remaining": problem.remaining,
        "forgotten": problem.forgotten,
        "holdout": problem.holdout,
        "device": problem.device,
        "seed": problem.seed,
        "min_agreement": problem.min_agreement if problem.fixed_floor else None,
        "encodes": problem.encodes,
    }
    return audit(problem.model, candidate, problem.fresh, problem.tap, **(given | options))


def _measure(
    size: int,
    before: Embedded,
    after: Embedded,
    known: Hindsight | None,
    *,
    resamples: int,
    seed: int,
) -> SetReport:
    agreed = agreement(before.logits, after.logits, known)
    low, high = wilson(agreed, len(before))
    moved = divergences(before.logits, after.logits)
    least, most = ends(resampled_means(moved.unsqueeze(1), resamples, seed).squeeze(1))
    alike = linear_cka(before.representations, after.representations) or (None, None, None)
    return SetReport(
        size=size,
        samples=len(before),
        agreement=agreed,
        agreement_low=low,
        agreement_high=high,
        kl=float(moved.mean()),
        kl_low=least,
        kl_high=most,
        cka=alike[0],
        cka_low=alike[1],
        cka_high=alike[2],
    )
