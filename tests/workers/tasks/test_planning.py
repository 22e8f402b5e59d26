"""Plans from what is stored."""

from service.core.tables import Dataset
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, TextSpec
from workers.plan import DataPlan
from workers.tasks.planning import data_plan_of

STORED = [
    {"column": "pixels", "kind": "array", "shape": [1, 2], "scale": None},
    {"column": "photo", "kind": "image"},
    {"column": "review", "kind": "text"},
    {"column": "sound", "kind": "audio", "sampling_rate": 16000},
]


def test_a_plan_names_every_input_and_no_label() -> None:
    dataset = Dataset(
        id_column="sample_id", label_column="label", inputs=STORED, files=[], holdout_files=None
    )

    plan = data_plan_of(dataset)

    assert plan.inputs == [
        ArraySpec("pixels", (1, 2), None),
        ImageSpec("photo"),
        TextSpec("review"),
        AudioSpec("sound", 16000),
    ]
    assert DataPlan.model_validate_json(plan.model_dump_json()) == plan
    assert "label" not in plan.model_dump_json()
