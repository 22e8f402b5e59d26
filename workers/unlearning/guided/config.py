"""The knobs of a redirection that a student guides: where they are other than redirection's."""

from dataclasses import dataclass
from typing import Any, ClassVar

from workers.unlearning.knobs import knob, parameters_of_another
from workers.unlearning.redirect.config import RedirectConfig


@dataclass(frozen=True)
class GuidedConfig(RedirectConfig):
    TITLE: ClassVar[str] = "Guided redirection"

    # A thousand samples take more steps than a hundred, and a student is often unsure.
    forget_weight: float = knob(0.2, "Weight of forgotten samples beside remaining ones.", 0.0)
    forget_batch: int = knob(128, "Forgotten samples a step, at most.", 1, 65536)
    max_steps: int = knob(300, "Steps that are taken, at most.", 1)
    margin: float = knob(
        0.1, "By how much a turned one's new answer must be likelier than any other.", 0.0, 1.0
    )
    student: dict[str, Any] = parameters_of_another(  # noqa: RUF009 (it makes a field)
        "Parameters of the distillation that makes the guide."
    )
