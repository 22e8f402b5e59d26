"""Neither the reason nor the log of a failed registration repeats a number of a row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from safetensors.torch import save_file

from service.core.settings import Settings
from tests.workers.data.media import write
from tests.workers.runner.plans import registration
from tests.workers.runner.quoting_networks import quoting
from workers.data.specs import ArraySpec
from workers.plan import OUTCOME, Architecture, DataFile, DataPlan
from workers.quoting import of_registration, of_rows
from workers.runner.process import fulfil
from workers.unlearning.ranks import Ranks

# A number that no shape, line or version has.
MARK = 471147
SILENT: Any = type("Silent", (), {"tell": staticmethod(lambda _line: None)})


@pytest.mark.parametrize("when", ["always", "alone", "gradients", "training"])
def test_no_number_of_a_row_comes_out(
    when: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("source", "work", "staging"):
        (tmp_path / name).mkdir()
    save_file(quoting(when).state_dict(), tmp_path / "source" / "model.safetensors")
    flat = pa.array(np.full(32 * 64, MARK, np.int32))
    column = pa.FixedSizeListArray.from_arrays(flat, 64)
    written = write(tmp_path / "rows.parquet", pixels=column)
    file = DataFile(uri=written.uri, rows=written.rows, digest=written.digest)
    data = DataPlan(
        files=[file],
        holdout_files=[],
        id_column="sample_id",
        inputs=[ArraySpec("pixels", (1, 8, 8), None)],
    )
    factory = "tests.workers.runner.quoting_networks:quoting"
    architecture = Architecture(kind="module", factory=factory, kwargs={"when": when})
    source = (tmp_path / "source").as_uri()
    plan = registration(source, architecture, data, tmp_path / "staging")
    settings = Settings(device="cpu", threads=1, module_factories=["tests."])
    fulfil(tmp_path / "work", plan, settings, SILENT, Ranks())

    outcome = json.loads((tmp_path / "work" / OUTCOME).read_text(encoding="utf-8"))
    assert outcome["kind"] == "refused", outcome
    assert "ValueError" in outcome["reason"]
    logged = "".join(capfd.readouterr())
    # It says where, and not what the network was given.
    assert "quoting_networks.py:" in logged
    assert str(MARK) not in outcome["reason"] + logged


def test_what_torch_says_of_shapes_is_passed_on() -> None:
    import torch

    with pytest.raises(RuntimeError) as caught:
        torch.nn.Linear(3, 4)(torch.ones(2, 5))

    told = "RuntimeError (mat1 and mat2 shapes cannot be multiplied (2x5 and 3x4))"
    assert of_rows(caught.value) == told
    longer = RuntimeError(f"{caught.value} of row 17")
    assert of_rows(longer) == "RuntimeError"
    assert of_registration(longer).endswith("of row 17")
