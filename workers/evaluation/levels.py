"""Which level an audit has reached, and what that says in plain words.

`none`: predictions on remaining or held-out data have changed. `utility`: they are kept.
`membership`: and neither attacks on confidence nor a look at neighbours tell forgotten samples from
held-out ones. `robust`: and nor does the memory of single samples, nor their representations, nor
any of these after a copy of the model was trained on remaining samples for a while.
"""

from collections.abc import Mapping

from workers.evaluation.comparison import Comparison
from workers.evaluation.examination import POPULATION
from workers.evaluation.report import Power, SetReport
from workers.statistics.floors import Floors

LEVELS = ("none", "utility", "membership", "robust")

KEPT = "Predictions on data that were not forgotten are kept."


def level_of(
    measured: Mapping[str, SetReport],
    compared: Comparison | None,
    reason: str | None,
    min_agreement: float,
) -> tuple[str, str]:
    """The level and its statement; `reason` says why nothing was compared."""
    if not _useful(measured, min_agreement):
        return "none", "Predictions on data that were not forgotten have changed."
    if compared is None:
        return "utility", f"{KEPT} Membership was not measured: {reason}"
    told_by = compared.after.told_by
    if telling := [name for name in told_by if name in POPULATION]:
        named = _listed(telling)
        return "utility", (
            f"{KEPT} Forgotten samples can still be told from held-out ones, by {named}."
        )
    passed = (
        f"{KEPT} Three population attacks and a look at neighbours detected no difference between "
        "forgotten and held-out samples."
    )
    failed = [*(name for name in told_by if name not in POPULATION), *_failed(compared)]
    missing = [name for name in ROBUST if getattr(compared, name) is None]
    if failed:
        level, more = "membership", f"They can still be told by {_listed(failed)}."
    elif missing:
        names = _listed([ROBUST[name] for name in missing])
        level, more = "membership", f"Not measured: {names}."
    else:
        level, more = (
            "robust",
            (
                "Nor did the memory of single samples, or representations, or all of it again "
                "after a copy was trained on remaining samples for a while."
            ),
        )
    return level, f"{passed} {more} {_worth(compared.power)}"


# What has to be measured and passed for the highest level.
ROBUST = {
    "per_sample": "memory of single samples",
    "representation": "representations",
    "rebound": "the rebound",
}


def _useful(measured: Mapping[str, SetReport], min_agreement: float) -> bool:
    """Whether the candidate still predicts what its parent predicts, by the gate's floors."""
    remaining, holdout = measured["remaining"], measured.get("holdout")
    floors = Floors(min_agreement, measured["forgotten"].size, remaining.size)
    return floors.allow(remaining.agreement, None if holdout is None else holdout.agreement)


def _failed(compared: Comparison) -> list[str]:
    representation, rebound = compared.representation, compared.rebound
    failed = []
    if representation is not None and not representation.passed:
        failed.append("representations")
    if rebound is not None and not rebound.passed:
        failed.append(
            f"what training on remaining samples brings back ({_listed(rebound.told_by)})"
        )
    return failed


def _worth(power: Power) -> str:
    """What it says that nothing was detected."""
    auc, share = power.detectable["auc"], power.detectable["contradiction"]
    noticed = (
        f"Four in five times, an AUC of {auc:.2f} or {100 * share:.0f} % more contradicted samples "
        "would be noticed."
    )
    if power.parent_told_by:
        return f"In the parent they are told by {_listed(power.parent_told_by)}. {noticed}"
    return (
        "The parent passes as well: no memory of these samples was seen before, so that none is "
        f"seen after says little. {noticed}"
    )


def _listed(names: list[str]) -> str:
    words = ["what their neighbours are" if name == "contradiction" else name for name in names]
    return ", ".join(words)
