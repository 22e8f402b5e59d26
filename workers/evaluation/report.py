"""What an audit reports: plain numbers, for the JSON of a version. No sample can be found in it."""

from dataclasses import asdict, dataclass
from typing import Any

from workers.evaluation.contradiction import Contradiction
from workers.evaluation.utility import Utility


@dataclass(frozen=True)
class SetReport:
    """Parent against candidate on one set; `samples` were measured, drawn from `size`.

    Each figure with its 95 % interval, as if `size` were large: Wilson's of the agreement, the
    bootstrap's of the mean KL, the infinitesimal jackknife's of the CKA.
    """

    size: int
    samples: int
    agreement: float
    agreement_low: float
    agreement_high: float
    kl: float
    kl_low: float
    kl_high: float
    cka: float | None
    cka_low: float | None
    cka_high: float | None


@dataclass(frozen=True)
class Band:
    """Where a figure lies if the forgotten samples are nothing special.

    It is of figures within kinds, and holds for all figures of an audit together: where it is drawn
    anew within each kind which samples count as forgotten, at most one draw in twenty has any
    figure outside of its band.
    """

    low: float
    high: float


@dataclass(frozen=True)
class LikenessReport:
    """In which space samples that are alike were looked for, for whatever asks their neighbours.

    by: "network" with fresh weights, "inputs" themselves, or "network and inputs". contradicted: of
    each space that was tried, the share of remaining samples that the parent decides otherwise than
    their neighbours there. Both are taken unless one alone is clearly better.
    """

    by: str
    contradicted: dict[str, float]


@dataclass(frozen=True)
class Interval:
    """An AUC, and the true positive rate at 1 % false positives, with 95 % intervals.

    The rate is None where there are fewer than 100 held-out samples.
    """

    auc: float
    low: float
    high: float
    tpr_at_1_percent_fpr: float | None
    tpr_low: float | None
    tpr_high: float | None


@dataclass(frozen=True)
class KindsReport:
    """With whom forgotten samples are compared: held-out samples of their kind.

    The kind of a sample is what this version decides it as, or its neighbours, see
    `workers.evaluation.kinds`.
    strata: how many groups are compared apart. merged: of how many kinds together one of these is,
    because few held-out samples are of each.
    """

    strata: int
    merged: int


@dataclass(frozen=True)
class WithinKinds:
    """A figure before and after, of forgotten samples against held-out ones of their own kind.

    The mean over kinds, each counting by its share of the forgotten samples: the AUC, or the excess
    contradicted. If forgotten samples are nothing special it is about 0.5, or 0, whatever their
    kinds.
    """

    before: float
    after: float


@dataclass(frozen=True)
class AttackReport:
    """One score of a membership attack, forgotten against held-out, before and after.

    `before` and `after` are of all against all. `band` is for `within_kinds.after`. `passed`: it is
    in there, so that after unlearning no difference was detected.
    """

    before: Interval
    after: Interval
    within_kinds: WithinKinds
    band: Band
    passed: bool


@dataclass(frozen=True)
class MemoryReport:
    """How far neighbours contradict the model on forgotten samples, before and after.

    `before` and `after` are of all against all. `band` is for `within_kinds.after`. `passed`: it is
    in there, so that no more is detected of forgotten samples than of held-out ones.
    """

    before: Contradiction
    after: Contradiction
    within_kinds: WithinKinds
    band: Band
    passed: bool


@dataclass(frozen=True)
class Worst:
    """Single forgotten samples by their memory score, in nats, against held-out ones.

    attack: the score as a membership attack. quantiles: of the score, by their percentage.
    worst: the highest scores, in descending order. smallest_p: the smallest of the conformal
    p-values, for which held-out samples are weighted to the mix of kinds of the forgotten ones.
    discoveries: how many samples stand out at a false discovery rate of 5 %. beyond: how many lie
    beyond the held-out 99 % quantile, as a number, a share with its exact 95 % interval, and the
    chance of so many if forgotten samples are nothing special for their kind.
    """

    attack: Interval
    quantiles: dict[str, float]
    holdout_quantiles: dict[str, float]
    worst: list[float]
    smallest_p: float
    discoveries: int
    beyond: int
    beyond_share: float
    beyond_low: float
    beyond_high: float
    beyond_p: float


@dataclass(frozen=True)
class WorstReport:
    """Before and after. `passed`: after unlearning, no sample stands out, nor do they together.

    `within_kinds` is the AUC of the score, and `band` is for its value after.
    """

    before: Worst
    after: Worst
    within_kinds: WithinKinds
    band: Band
    passed: bool


@dataclass(frozen=True)
class TwoSample:
    """Energy distance of forgotten and alike held-out samples' representations, and its p-value."""

    distance: float
    p: float


@dataclass(frozen=True)
class RepresentationReport:
    """Of `pairs` of a forgotten sample and the held-out one that is most like it.

    The distances are held against swaps within the pairs and against sham sets: the p-value is the
    larger of the two.
    """

    pairs: int
    before: TwoSample
    after: TwoSample
    passed: bool


@dataclass(frozen=True)
class WeightReport:
    """How far the candidate is from the parent, in weights and on the way between the two.

    distance: norm of the difference over the parent's norm; of all weights, and by module.
    fresh_distance: that of a network with fresh weights. barrier: how far the KL from the parent
    rises on the straight line to the candidate above the line between its ends, in nats, at most.
    midpoint_agreement: with the parent, of the network half-way. These two have 95 % intervals
    (bootstrap, Wilson); distances are no estimates.
    """

    distance: float
    fresh_distance: float
    by_module: dict[str, float]
    barrier: float
    barrier_low: float
    barrier_high: float
    midpoint_agreement: float
    midpoint_low: float
    midpoint_high: float


@dataclass(frozen=True)
class ReboundReport:
    """What comes back when a copy of the candidate is trained on remaining samples for a while.

    agreement: with the parent on remaining samples, afterwards, with Wilson's interval. returned:
    of the forgotten samples that the candidate decides otherwise than the parent, the share that
    is decided as by the parent again, with its exact 95 % interval; None if there are none.
    contradiction: of all against all; within_kinds: the excess that decides. told_by: what tells
    forgotten samples from held-out ones afterwards.
    """

    agreement: float
    agreement_low: float
    agreement_high: float
    returned: float | None
    returned_low: float | None
    returned_high: float | None
    contradiction: Contradiction
    within_kinds: float
    worst: Worst | None
    told_by: list[str]
    passed: bool


@dataclass(frozen=True)
class Power:
    """What this audit could have seen.

    parent_told_by: what tells forgotten samples from held-out ones in the parent. known_told: of
    sets of remaining samples of the same number and kinds, the share that the parent is seen to
    know, with its 95 % interval. detectable: the smallest AUC above 0.5 and the smallest excess of
    contradicted samples, within kinds, that four in five audits of these sizes would notice in
    this version.
    """

    parent_told_by: list[str]
    known_told: float | None
    known_low: float | None
    known_high: float | None
    detectable: dict[str, float]


@dataclass(frozen=True)
class AuditReport:
    """What was measured, with no labels. None, with a reason, is what could not be measured.

    `utility` is the verdict on whether the candidate is as useful as its parent.
    `level` is the highest that was reached, see `workers.evaluation.levels`. No level says that
    anything was erased; `statement` says in a few sentences what the level says here.
    emptied_classes: outputs of the network of which nothing remains; where the parent decides for
    one of them, its next decision counts as agreement on remaining and held-out samples as well.
    label_noise: by output, the share of wrong labels that forgotten samples had among those that
    look like it; what the parent would decide without them counts as agreement as well.
    """

    level: str
    statement: str
    min_agreement: float
    utility: Utility
    remaining: SetReport
    forgotten: SetReport
    holdout: SetReport | None
    likeness: LikenessReport | None
    kinds: KindsReport | None
    membership: dict[str, AttackReport] | None
    contradiction: MemoryReport | None
    per_sample: WorstReport | None
    representation: RepresentationReport | None
    rebound: ReboundReport | None
    weights: WeightReport
    power: Power | None
    emptied_classes: list[int]
    label_noise: dict[str, float]
    not_measured: dict[str, str]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, without NaN."""
        return asdict(self)
