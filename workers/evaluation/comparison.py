"""Forgotten against held-out samples: before, after, and after a rebound."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workers.evaluation.answers import Likeness
from workers.evaluation.baseline import Baseline
from workers.evaluation.examination import FALSE_ALARMS, SINGLE, Examination, Examiner
from workers.evaluation.rebound import trained_on
from workers.evaluation.report import (
    AttackReport,
    KindsReport,
    LikenessReport,
    MemoryReport,
    Power,
    ReboundReport,
    RepresentationReport,
    TwoSample,
    WithinKinds,
    WorstReport,
)
from workers.evaluation.representations import (
    FEWEST,
    FITTED,
    against_shams,
    displacement,
    pairs,
    sham_pairs,
    two_sample,
)
from workers.evaluation.shams import draw_unseen
from workers.statistics.agreement import agreement
from workers.statistics.intervals import clopper_pearson, wilson
from workers.unlearning.base import UnlearningError
from workers.unlearning.embedding import Embedded, draw

# Of what a training on remaining samples can bring back, these speak of memory.
COMES_BACK = ("contradiction", SINGLE)

Answers = Mapping[str, Embedded]


@dataclass(frozen=True)
class Comparison:
    """What was found; None, with a reason in `not_measured`, is what could not be measured."""

    after: Examination
    likeness: LikenessReport
    kinds: KindsReport
    membership: dict[str, AttackReport]
    contradiction: MemoryReport
    per_sample: WorstReport | None
    representation: RepresentationReport | None
    rebound: ReboundReport | None
    power: Power
    not_measured: dict[str, str]


def compare(
    candidate: nn.Module, after: Answers, baseline: Baseline, like: Likeness, *, resamples: int
) -> Comparison:
    """`after` is what the candidate says, `baseline` what the parent does, `like` what is alike.

    Raises:
        UnlearningError: the candidate's answers cannot be used.
    """
    before, seed = baseline.answers, baseline.seed
    examiner = Examiner(like, seed, resamples)
    first, second = examiner.examine(before), examiner.examine(after)
    generator = torch.Generator().manual_seed(seed)
    not_measured: dict[str, str] = {}

    single = per_sample_of(first, second)
    if single is None:
        not_measured["per_sample"] = "It needs 100 held-out samples."
    representation = _representation(before, after, like, draw_unseen(second.matched, seed), seed)
    if representation is None:
        not_measured["representation"] = "Too few held-out samples are like forgotten ones."
    rebound: ReboundReport | None = None
    try:
        rebound = _rebound(baseline, examiner, candidate, after, generator)
    except UnlearningError as error:
        # What breaks a copy in further training says nothing of the candidate.
        not_measured["rebound"] = str(error)
    if rebound is not None and not baseline.floors.allow(rebound.agreement):
        rebound = None
        not_measured["rebound"] = "Predictions on remaining samples did not survive the training."
    return Comparison(
        after=second,
        likeness=likeness_of(like),
        kinds=kinds_of(second),
        membership={
            name: AttackReport(
                before=first.attacks[name],
                after=second.attacks[name],
                within_kinds=_within(first, second, name),
                band=second.within.bands[name],
                passed=name not in second.told_by,
            )
            for name in first.attacks
            if name != "memory"
        },
        contradiction=contradiction_of(first, second),
        per_sample=single,
        representation=representation,
        rebound=rebound,
        power=examiner.power(first, second),
        not_measured=not_measured,
    )


def likeness_of(like: Likeness) -> LikenessReport:
    """In which space samples were taken to be alike."""
    return LikenessReport(like.by, dict(like.contradicted))


def kinds_of(second: Examination) -> KindsReport:
    """With whom forgotten samples were compared, in the candidate."""
    return KindsReport(len(second.matched.sizes["forgotten"]), second.matched.merged)


def _within(first: Examination, second: Examination, name: str) -> WithinKinds:
    return WithinKinds(first.within.figures[name], second.within.figures[name])


def contradiction_of(first: Examination, second: Examination) -> MemoryReport:
    """How far neighbours contradict, before and after."""
    return MemoryReport(
        before=first.contradiction,
        after=second.contradiction,
        within_kinds=_within(first, second, "contradiction"),
        band=second.within.bands["contradiction"],
        passed="contradiction" not in second.told_by,
    )


def per_sample_of(first: Examination, second: Examination) -> WorstReport | None:
    """Single samples, before and after; None with fewer than 100 held-out ones."""
    if first.worst is None or second.worst is None:
        return None
    return WorstReport(
        before=first.worst,
        after=second.worst,
        within_kinds=_within(first, second, "memory"),
        band=second.within.bands["memory"],
        passed=SINGLE not in second.told_by,
    )


def _representation(
    before: Answers, after: Answers, like: Likeness, unseen: Tensor, seed: int
) -> RepresentationReport | None:
    alike = (one.squeeze(1) for one in like.alike)
    rows = dict(zip(("forgotten", "holdout"), pairs(*alike), strict=True))
    if len(rows["forgotten"]) < FEWEST:
        return None

    # Not the first ones: a dataset may lie class by class.
    count = len(before["remaining"])
    fitted = draw(count, FITTED, torch.Generator().manual_seed(seed))

    usual = [sham_pairs(like.unseen, members) for members in unseen]

    def test(answers: Answers) -> TwoSample:
        first, second = (displacement(answers, like, name, rows[name], fitted) for name in rows)
        # The same swaps before and after.
        swapped = two_sample(first, second, torch.Generator().manual_seed(seed))
        everyone = torch.arange(len(answers["holdout"]))
        unseen = displacement(answers, like, "holdout", everyone, fitted).squeeze(1)
        held = against_shams(first.squeeze(1), second.squeeze(1), usual, unseen)
        # Kinds are coarse, and swaps know nothing of who is nearest to many.
        return TwoSample(swapped.distance, max(swapped.p, held.p))

    found = test(before), test(after)
    return RepresentationReport(
        pairs=len(rows["forgotten"]),
        before=found[0],
        after=found[1],
        passed=found[1].p >= FALSE_ALARMS,
    )


def _rebound(
    baseline: Baseline,
    examiner: Examiner,
    candidate: nn.Module,
    after: Answers,
    generator: torch.Generator,
) -> ReboundReport:
    before, reader = baseline.answers, baseline.reader
    wanted = before["remaining"].logits.softmax(dim=1)
    trained = trained_on(
        candidate,
        reader.sets["remaining"],
        before["remaining"].positions,
        wanted,
        reader.device,
        generator,
        reader.count,
    )
    again = reader.read(trained)
    found = examiner.examine(again)
    decided = [one["forgotten"].logits.argmax(dim=1) for one in (before, after, again)]
    changed = decided[0] != decided[1]
    back = (decided[0] == decided[2])[changed]
    # Confidence is not asked again: it is lower near forgotten samples in the parent, which teaches
    # that to any network, to one that never knew them as well.
    telling = [name for name in found.told_by if name in COMES_BACK]
    agreed = agreement(before["remaining"].logits, again["remaining"].logits, baseline.known)
    low, high = wilson(agreed, len(before["remaining"]))
    returned = clopper_pearson(int(back.sum()), len(back)) if len(back) else (None, None)
    return ReboundReport(
        agreement=agreed,
        agreement_low=low,
        agreement_high=high,
        returned=float(back.double().mean()) if len(back) else None,
        returned_low=returned[0],
        returned_high=returned[1],
        contradiction=found.contradiction,
        within_kinds=found.within.figures["contradiction"],
        worst=found.worst,
        told_by=telling,
        passed=not telling,
    )
