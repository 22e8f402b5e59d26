"""The gate: may a candidate be published without a person looking at it?"""

from dataclasses import dataclass, replace
from typing import Literal

from workers.evaluation.report import AuditReport
from workers.statistics.floors import Floors, floor_of

ADVICE = (
    "Approve this version if the change is wanted. Else reject it and retrain without the samples "
    "that the dataset's tombstones name, or name another method."
)


@dataclass(frozen=True)
class Verdict:
    """The decision, one sentence for every check that failed, and what the checks were.

    rule: "fixed" where an operator has set the floor, "default" where the gate's own rule decides.
    min_agreement: the floor on remaining data.
    """

    passed: bool
    reasons: tuple[str, ...]
    rule: Literal["fixed", "default"]
    min_agreement: float


def decide(report: AuditReport, min_agreement: float | None) -> Verdict:
    """Pass if the candidate still predicts what its parent predicts.

    On remaining data the floor is `min_agreement`, or the gate's own if that is None; on held-out
    data it is lower by the share of the data that was forgotten, because forgetting may rightly
    change those predictions. How well was forgotten does not decide: with honest figures it
    belongs in the report.
    """
    lowest = floor_of(min_agreement)
    checks = [("remaining", report.remaining.agreement, lowest)]
    if report.holdout is not None:
        floor = Floors(lowest, report.forgotten.size, report.remaining.size).on_holdout
        checks.append(("held-out", report.holdout.agreement, floor))
    reasons = tuple(
        f"Agreement with the parent on {name} data is {found:.4f}; at least {floor:.4f} is wanted."
        for name, found, floor in checks
        if found < floor
    )
    rule: Literal["fixed", "default"] = "default" if min_agreement is None else "fixed"
    return Verdict(not reasons, reasons, rule, lowest)


def advised(verdict: Verdict) -> Verdict:
    """The same, with a last sentence on what a person can do about it if it did not pass."""
    return verdict if verdict.passed else replace(verdict, reasons=(*verdict.reasons, ADVICE))
