"""Which level an audit has reached, and what that says in plain words.

`none`: predictions on remaining or held-out data have changed. `utility`: they are kept.
`membership`: and neither attacks on confidence nor a look at neighbours tell forgotten samples from
held-out ones. `robust`: and nor does the memory of single samples, nor their representations, nor
any of these after a copy of the model was trained on remaining samples for a while.
"""

from collections.abc import Sequence

from workers.evaluation.comparison import Comparison
from workers.evaluation.examination import POPULATION
from workers.evaluation.report import Power
from workers.evaluation.utility import Utility


def level_of(utility: Utility, compared: Comparison | None, reason: str | None) -> tuple[str, str]:
    """The level and its statement; `reason` says why nothing was compared."""
    kept = utility.statement
    if not utility.kept:
        return "none", kept
    if compared is None:
        return "utility", f"{kept} Membership was not measured: {reason}"
    told_by = compared.after.told_by
    if telling := [name for name in told_by if name in POPULATION]:
        by = named(telling)
        return "utility", (
            f"{kept} Forgotten samples can still be told from held-out ones, by {by}."
        )
    passed = (
        f"{kept} Three population attacks and a look at neighbours detected no difference between "
        "forgotten and held-out samples."
    )
    failed = [*(name for name in told_by if name not in POPULATION), *_failed(compared)]
    missing = [name for name in ROBUST if getattr(compared, name) is None]
    if failed:
        level, more = "membership", f"They can still be told by {named(failed)}."
    elif missing:
        names = named([ROBUST[name] for name in missing])
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


def _failed(compared: Comparison) -> list[str]:
    representation, rebound = compared.representation, compared.rebound
    failed = []
    if representation is not None and not representation.passed:
        failed.append("representations")
    if rebound is not None and not rebound.passed:
        failed.append(f"what training on remaining samples brings back ({named(rebound.told_by)})")
    return failed


def _worth(power: Power) -> str:
    """What it says that nothing was detected."""
    auc, share = power.detectable["auc"], power.detectable["contradiction"]
    noticed = (
        f"Four in five times, an AUC of {auc:.2f} or {100 * share:.0f} % more contradicted samples "
        "would be noticed."
    )
    if power.parent_told_by:
        return f"In the parent they are told by {named(power.parent_told_by)}. {noticed}"
    return (
        "The parent passes as well: no memory of these samples was seen before, so that none is "
        f"seen after says little. {noticed}"
    )


def named(names: Sequence[str]) -> str:
    """What tells samples apart, in words."""
    words = ["what their neighbours are" if name == "contradiction" else name for name in names]
    return ", ".join(words)
