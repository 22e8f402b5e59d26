"""The gate: may a candidate be published without a person looking at it?"""

from dataclasses import dataclass

from workers.evaluation.utility import Utility

ADVICE = (
    "Approve this version if the change is wanted. Else reject it and retrain without the samples "
    "that the dataset's tombstones name, or name another method."
)


@dataclass(frozen=True)
class Verdict:
    """The decision, one sentence for every check that failed, and what the checks were.

    rule: the rule of the verdict on utility. min_agreement: the floor on remaining data.
    """

    passed: bool
    reasons: tuple[str, ...]
    rule: str
    min_agreement: float


def decide(utility: Utility) -> Verdict:
    """Pass if the candidate is as useful as its parent, with advice for a person if it is not.

    How well was forgotten does not decide: with honest figures it belongs in the report.
    """
    advice = () if utility.kept else (ADVICE,)
    return Verdict(utility.kept, (*utility.reasons, *advice), utility.rule, utility.remaining_floor)
