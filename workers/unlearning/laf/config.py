"""Every knob of LAF, with its default, its range and what it is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from workers.unlearning.base import ParameterError

DENSITIES = ("auto", "neighbour", "vae")


def _knob(default: Any, text: str, low: float = 0.0, high: float = 1e12) -> Any:
    return field(default=default, metadata={"help": text, "low": low, "high": high})


@dataclass(frozen=True)
class LafConfig:
    """The knobs of LAF. Numbers of samples are capped, so that time and memory are, too."""

    learning_rate: float = _knob(2e-3, "Step size of Adam.", 1e-8, 1.0)
    forget_batch: int = _knob(64, "Forgotten samples a step, at most.", 1, 65536)
    remaining_batch: int = _knob(128, "Remaining samples a step, at most.", 1, 65536)
    epochs: int = _knob(10, "Passes over the forgotten samples, before clamping.", 1, 10000)
    min_steps: int = _knob(600, "The step budget is never smaller than this.", 1)
    max_steps: int = _knob(3000, "The step budget is never larger than this.", 1)
    earliest_stop: int = _knob(100, "Earlier checkpoints are kept only if no later is useful.", 1)
    check_every: int = _knob(50, "Steps between two looks at parity and agreement.", 1)
    patience: int = _knob(6, "Looks without a better checkpoint before the run ends.", 1)
    max_rewinds: int = _knob(
        6, "Times forget weight and step size are halved to keep agreement.", 0, 100
    )
    clip_norm: float = _knob(1.0, "Largest norm of the gradient.", 1e-6)
    forget_weight: float = _knob(1.0, "Weight of everything said of forgotten samples.", 0.0)
    keep_weight: float = _knob(0.3, "Weight of remaining samples under their own density.", 0.0)
    align_weight: float = _knob(0.3, "Weight of keeping remaining representations in place.", 0.0)
    output_weight: float = _knob(1.0, "Weight of keeping remaining softmax outputs.", 0.0)
    distance_weight: float = _knob(
        1.0, "Squared distance in the alignment, beside the cosine.", 0.0
    )
    train_head: bool = _knob(False, "Also train what lies behind the representation.")
    forgotten_density: str = _knob("auto", "Forgotten density: auto, neighbour or vae.")
    latent: int = _knob(
        0, "Latent width of a VAE; 0 means a sixteenth of the width, 2 to 64.", 0, 4096
    )
    kl_weight: float = _knob(0.1, "Weight of the KL term while a VAE is fitted.", 0.0)
    density_steps: int = _knob(1000, "Steps of fitting a VAE, batches of 128.", 1, 1000000)
    density_samples: int = _knob(10000, "Representations that a VAE is fitted on, at most.", 1)
    embedded_samples: int = _knob(50000, "Remaining samples that are read at all, at most.", 1)
    check_samples: int = _knob(1000, "Samples of each set in a look, at most.", 1)
    embed_batch: int = _knob(512, "Batch size where no gradients are needed.", 1, 65536)
    parity_band: float = _knob(0.02, "Distance of an AUC from 0.5 that is parity.", 0.0, 0.5)
    confidence_slack: float = _knob(0.05, "How far below held-out confidence is fine.", 0.0, 1.0)
    agreement_reserve: float = _knob(0.25, "Share of the allowed disagreement not used.", 0.0, 1.0)

    def __post_init__(self) -> None:
        for knob in fields(self):
            _check(knob.name, getattr(self, knob.name), knob.default, knob.metadata)
        if self.forgotten_density not in DENSITIES:
            raise ParameterError(
                f'"forgotten_density" is auto, neighbour or vae, not {self.forgotten_density!r}.'
            )
        if self.max_steps < self.min_steps:
            raise ParameterError('"max_steps" must not be smaller than "min_steps".')

    @classmethod
    def read(cls, parameters: Mapping[str, Any]) -> Self:
        """The configuration with `parameters` in place of defaults.

        Raises:
            ParameterError: a name is unknown, or a value has the wrong type or lies out of range.
        """
        known = [knob.name for knob in fields(cls)]
        unknown = sorted(set(parameters) - set(known))
        if unknown:
            raise ParameterError(
                f"LAF has no parameter {', '.join(map(repr, unknown))}. It has: {', '.join(known)}."
            )
        return cls(**parameters)


def _check(name: str, value: object, default: object, limits: Mapping[str, Any]) -> None:
    wanted = type(default)
    # An integer is a fine float in JSON; True is a fine integer in Python only.
    fits = type(value) is wanted or (wanted is float and type(value) is int)
    if not fits:
        raise ParameterError(f'"{name}" must be {wanted.__name__}, not {type(value).__name__}.')
    if isinstance(value, int | float) and not limits["low"] <= value <= limits["high"]:
        raise ParameterError(
            f'"{name}" must lie between {limits["low"]} and {limits["high"]}, not {value}.'
        )
