"""A tiny sentence model with every file that such a model may have."""

import json
from pathlib import Path

from tests.workers.data.media import save_tokenizer
from tests.workers.pretrained.data import texts
from tests.workers.pretrained.families import bert_encoder, seeded
from tests.workers.pretrained.parents import PRETRAINED
from tests.workers.runner.plans import registration
from workers.plan import ValidatePlan

POOLING = "1_Pooling/config.json"
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]
JSON = (
    "config.json",
    "generation_config.json",
    "modules.json",
    POOLING,
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


def whole_model(folder: Path) -> tuple[Path, ValidatePlan]:
    """Its directory, and the plan of its registration over a dataset of texts."""
    directory = folder / "model"
    seeded(bert_encoder).save_pretrained(directory)
    described = texts()
    described.save_processors(directory)
    assert described.tokenizer is not None
    save_tokenizer(directory, **described.tokenizer)
    (directory / "1_Pooling").mkdir()
    (directory / POOLING).write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (directory / "modules.json").write_text(json.dumps(MODULES))
    for name in JSON:
        if not (directory / name).exists():
            (directory / name).write_text("{}")
    data, staging = described.plan(folder / "data"), folder / "staging"
    return directory, registration(directory.as_uri(), PRETRAINED, data, staging)
