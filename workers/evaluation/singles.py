"""A few forgotten samples, one by one: too few for what compares populations."""

from collections.abc import Mapping
from dataclasses import dataclass

from workers.evaluation.answers import Likeness
from workers.evaluation.comparison import (
    contradiction_of,
    kinds_of,
    likeness_of,
    per_sample_of,
)
from workers.evaluation.examination import Examiner
from workers.evaluation.report import (
    KindsReport,
    LikenessReport,
    MemoryReport,
    WorstReport,
)
from workers.unlearning.embedding import Embedded


@dataclass(frozen=True)
class Singles:
    """Of fewer than 20 forgotten samples, what can be measured."""

    likeness: LikenessReport
    kinds: KindsReport
    contradiction: MemoryReport
    per_sample: WorstReport

    def sentence(self) -> str:
        """Which of them stand out, before and after."""
        before, after = self.per_sample.before.discoveries, self.per_sample.after.discoveries
        stand = "stands" if after < 2 else "stand"
        return (
            f"One by one, {after or 'none'} of them {stand} out by how much surer the model is than"
            f" their neighbours make it; in the parent, {before or 'none'} did. A single sample is "
            "noticed only if hardly a held-out one is like it."
        )


def compare_singles(
    before: Mapping[str, Embedded],
    after: Mapping[str, Embedded],
    like: Likeness,
    *,
    resamples: int,
    seed: int,
) -> Singles | None:
    """What the parent and the candidate say of each; None with fewer than 100 held-out samples."""
    examiner = Examiner(like, seed, resamples)
    first, second = examiner.examine(before), examiner.examine(after)
    single = per_sample_of(first, second)
    if single is None:
        return None
    return Singles(likeness_of(like), kinds_of(second), contradiction_of(first, second), single)
