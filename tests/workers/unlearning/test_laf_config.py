from dataclasses import fields
from typing import Any

import pytest

from workers.unlearning.base import ParameterError
from workers.unlearning.laf.config import LafConfig


def test_parameters_replace_defaults() -> None:
    assert LafConfig.read({"epochs": 3, "clip_norm": 2}) == LafConfig(epochs=3, clip_norm=2)


def test_every_knob_has_a_help_text() -> None:
    assert all(knob.metadata["help"] for knob in fields(LafConfig))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"tau": 5}, "no parameter 'tau'"),
        ({"epochs": 0}, '"epochs" must lie between 1'),
        ({"epochs": 2.0}, '"epochs" must be int, not float'),
        ({"epochs": True}, '"epochs" must be int, not bool'),
        ({"train_head": 1}, '"train_head" must be bool'),
        ({"learning_rate": float("nan")}, '"learning_rate" must lie between'),
        ({"forgotten_density": "flow"}, "auto, neighbour or vae"),
        ({"max_steps": 10}, '"max_steps" must not be smaller'),
    ],
)
def test_what_is_unknown_or_out_of_range_is_refused(
    parameters: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ParameterError, match=r"parameter|must|is auto") as caught:
        LafConfig.read(parameters)
    assert sentence in str(caught.value)
