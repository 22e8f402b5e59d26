"""Every knob of LAF, with its default, its range and what it is for."""

from dataclasses import dataclass
from typing import ClassVar

from workers.unlearning.base import ParameterError
from workers.unlearning.knobs import Knobs, choice, knob


@dataclass(frozen=True)
class LafConfig(Knobs):
    """The knobs of LAF. Numbers of samples are capped, so that time and memory are, too."""

    TITLE: ClassVar[str] = "LAF"

    learning_rate: float = knob(2e-3, "Step size of Adam.", 1e-8, 1.0)
    forget_batch: int = knob(64, "Forgotten samples a step, at most.", 1, 65536)
    remaining_batch: int = knob(128, "Remaining samples a step, at most.", 1, 65536)
    epochs: int = knob(10, "Passes over the forgotten samples, before clamping.", 1, 10000)
    min_steps: int = knob(600, "The step budget is never smaller than this.", 1)
    max_steps: int = knob(3000, "The step budget is never larger than this.", 1)
    earliest_stop: int = knob(100, "Earlier checkpoints are kept only if no later is useful.", 1)
    check_every: int = knob(50, "Steps between two looks at parity and agreement.", 1)
    patience: int = knob(6, "Looks without a better checkpoint before the run ends.", 1)
    max_rewinds: int = knob(
        6, "Times forget weight and step size are halved to keep agreement.", 0, 100
    )
    clip_norm: float = knob(1.0, "Largest norm of the gradient.", 1e-6)
    forget_weight: float = knob(1.0, "Weight of everything said of forgotten samples.", 0.0)
    keep_weight: float = knob(0.3, "Weight of remaining samples under their own density.", 0.0)
    align_weight: float = knob(0.3, "Weight of keeping remaining representations in place.", 0.0)
    output_weight: float = knob(1.0, "Weight of keeping remaining softmax outputs.", 0.0)
    distance_weight: float = knob(1.0, "Squared distance in the alignment, beside the cosine.", 0.0)
    train_head: bool = knob(False, "Also train what lies behind the representation.")
    forgotten_density: str = choice(
        "auto", "Forgotten density: auto, neighbour or vae.", "neighbour", "vae"
    )
    latent: int = knob(
        0, "Latent width of a VAE; 0 means a sixteenth of the width, 2 to 64.", 0, 4096
    )
    kl_weight: float = knob(0.1, "Weight of the KL term while a VAE is fitted.", 0.0)
    density_steps: int = knob(1000, "Steps of fitting a VAE, batches of 128.", 1, 1000000)
    density_samples: int = knob(10000, "Representations that a VAE is fitted on, at most.", 1)
    embedded_samples: int = knob(50000, "Remaining samples that are read at all, at most.", 1)
    check_samples: int = knob(1000, "Samples of each set in a look, at most.", 1)
    embed_batch: int = knob(
        512, "Batch size where no gradients are needed; on a CPU 64 at most.", 1, 65536
    )
    parity_band: float = knob(0.02, "Distance of an AUC from 0.5 that is parity.", 0.0, 0.5)
    confidence_slack: float = knob(0.05, "How far below held-out confidence is fine.", 0.0, 1.0)
    agreement_reserve: float = knob(0.25, "Share of the allowed disagreement not used.", 0.0, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_steps < self.min_steps:
            raise ParameterError('"max_steps" must not be smaller than "min_steps".')
