"""Every knob of the redirection, with its default, its range and what it is for."""

from dataclasses import dataclass
from typing import ClassVar

from workers.unlearning.knobs import Knobs, knob


@dataclass(frozen=True)
class RedirectConfig(Knobs):
    TITLE: ClassVar[str] = "Redirection"

    neighbours: int = knob(
        10, "Remaining samples that say what a forgotten one should be.", 1, 1000
    )
    references: int = knob(20000, "Remaining samples that are read at all, at most.", 2)
    holdout_samples: int = knob(2000, "Held-out samples that are read, at most.", 1)
    learning_rate: float = knob(
        1e-3, "First step size of Adam; it falls to nothing at max_steps.", 1e-8, 1.0
    )
    doubt: float = knob(
        0.05,
        "Chance of as many contradictions, from which on steps of a third are tried first.",
        0.0,
        1.0,
    )
    forget_weight: float = knob(0.1, "Weight of forgotten samples beside remaining ones.", 0.0)
    odds_weight: float = knob(
        0.3, "Weight of how sure a forgotten sample's decision is, beside its answer.", 0.0
    )
    forget_batch: int = knob(64, "Forgotten samples a step, at most.", 1, 65536)
    remaining_batch: int = knob(256, "Remaining samples a step, at most.", 1, 65536)
    near_share: float = knob(
        0.5, "Share of the remaining samples that the parent finds like forgotten ones.", 0.0, 1.0
    )
    near: int = knob(50, "Remaining samples that count as alike, for each forgotten one.", 1, 1000)
    hold_to_origin: bool = knob(
        True, "What remains is answered as the origin of a lineage of edits does, not the parent."
    )
    averaging: float = knob(
        0.8,
        "How much of the average of weights stays at each step; 0 averages nothing.",
        0.0,
        0.999,
    )
    max_steps: int = knob(100, "Steps that are taken, at most.", 1)
    check_every: int = knob(10, "Steps between two looks.", 1)
    settle: int = knob(4, "Looks in a row at which enough must be turned.", 1)
    lost_looks: int = knob(6, "Looks in a row without agreement that end an attempt.", 1)
    patience: int = knob(2, "Looks at which confidence comes no nearer, before it ends.", 1)
    max_rewinds: int = knob(
        3, "Further attempts, with steps so small that agreement is kept.", 0, 100
    )
    guard_samples: int = knob(
        1000, "Remaining samples that are watched and not trained on, at most.", 1
    )
    unseen_samples: int = knob(1000, "Held-out samples that are looked at again and again.", 1)
    turned_share: float = knob(
        0.97,
        "Share of those to be turned that must be; never more than held-out samples show.",
        0.0,
        1.0,
    )
    margin: float = knob(
        0.3, "By how much a turned one's new answer must be likelier than any other.", 0.0, 1.0
    )
    confidence_slack: float = knob(
        0.1, "How far from 0.5 the AUC of the others' confidence against held-out may be.", 0.0, 0.5
    )
    agreement_reserve: float = knob(0.1, "Share of the allowed disagreement not used.", 0.0, 1.0)
    clip_norm: float = knob(1.0, "Largest norm of the gradient.", 1e-6)
    embed_batch: int = knob(
        512, "Batch size where no gradients are needed; on a CPU 64 at most.", 1, 65536
    )
