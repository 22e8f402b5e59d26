"""The gate: may a candidate be published without a person looking at it?"""

from dataclasses import dataclass

from workers.evaluation.report import AuditReport
from workers.statistics.floors import Floors

ADVICE = (
    "Approve this version if the change is wanted. Else reject it and retrain without the samples "
    "that the dataset's tombstones name, or name another method."
)


@dataclass(frozen=True)
class Verdict:
    """The decision, and one sentence for every check that failed."""

    passed: bool
    reasons: tuple[str, ...]


def decide(report: AuditReport, min_agreement: float) -> Verdict:
    """Pass if the candidate still predicts what its parent predicts.

    On remaining data the floor is `min_agreement`; on held-out data it is lower by the share of
    the data that was forgotten, because forgetting may rightly change those predictions. How well
    was forgotten does not decide: with honest figures it belongs in the report.
    """
    checks = [("remaining", report.remaining.agreement, min_agreement)]
    if report.holdout is not None:
        floor = Floors(min_agreement, report.forgotten.size, report.remaining.size).on_holdout
        checks.append(("held-out", report.holdout.agreement, floor))
    reasons = tuple(
        f"Agreement with the parent on {name} data is {found:.4f}; at least {floor:.4f} is wanted."
        for name, found, floor in checks
        if found < floor
    )
    return Verdict(not reasons, reasons)


def advised(verdict: Verdict) -> Verdict:
    """The same, with a last sentence on what a person can do about it if it did not pass."""
    return verdict if verdict.passed else Verdict(False, (*verdict.reasons, ADVICE))
