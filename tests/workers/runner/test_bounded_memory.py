"""A dataset ten times as large as the memory that a run may use."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from tests.workers.runner.little_memory import like, strided_cnn
from tests.workers.runner.plans import first_step, indexed
from workers.artifacts import seal
from workers.data.specs import ArraySpec
from workers.plan import FORGOTTEN, Architecture, UnlearnPlan

ROOT = Path(__file__).parents[3]
MIB_ALLOWED = 64
ROWS = 215_040
AT_ONCE = 16_384
SPEC = ArraySpec("pixels", (1, 56, 56), 1 / 16)


def write_images(path: Path, count: int, generator: torch.Generator) -> None:
    """Row groups as large as writers make them by default, in one file."""
    digits = torch.tensor(load_digits().images.astype(np.uint8))
    kind = pa.list_(pa.uint8(), 56 * 56)
    schema = pa.schema({"sample_id": pa.string(), "pixels": kind})
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
        for start in range(0, count, AT_ONCE):
            size = min(AT_ONCE, count - start)
            flat = pa.array(like(size, digits, generator).numpy().reshape(-1))
            pixels = pa.FixedSizeListArray.from_arrays(flat, type=kind)
            ids = pa.array([f"sample-{row}" for row in range(start, start + size)])
            writer.write_table(pa.table([ids, pixels], schema=schema))


@pytest.fixture
def plan(tmp_path: Path) -> UnlearnPlan:
    generator = torch.Generator().manual_seed(0)
    write_images(tmp_path / "train.parquet", ROWS, generator)
    write_images(tmp_path / "holdout.parquet", 1000, generator)
    parent, staging, work = (tmp_path / name for name in ("parent", "staging", "work"))
    for folder in (parent, staging, work):
        folder.mkdir()
    torch.manual_seed(0)
    save_file(strided_cnn().state_dict(), parent / "model.safetensors")
    digest = seal(parent).digest
    rows = np.arange(ROWS // 10)
    np.save(work / FORGOTTEN, rows)
    np.save(work / "excluded.npy", rows)
    return UnlearnPlan(
        lineage=first_step(digest, len(rows)),
        parent=parent,
        architecture=Architecture(
            kind="module", factory="tests.workers.runner.little_memory:strided_cnn", kwargs={}
        ),
        module="auto",
        method="distil",
        parameters={"passes": 0.1, "max_passes": 0.1, "min_steps": 50, "learning_rate": 0.02},
        min_agreement=0.0,
        seed=7,
        device="cpu",
        data=indexed(
            (tmp_path / "train.parquet").as_uri(), (tmp_path / "holdout.parquet").as_uri(), [SPEC]
        ),
        staging=staging,
    )


def test_a_dataset_ten_times_as_large_as_memory(
    plan: UnlearnPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Load, embed, distil and audit 640 MiB of inputs with 64 MiB for all that is not imported."""
    for name, value in {"THREADS": "1", "DEVICE": "cpu", "MODULE_FACTORIES": "tests."}.items():
        monkeypatch.setenv(f"UNLEARND_{name}", value)
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "system")
    work = tmp_path / "work"
    (work / "plan.json").write_text(plan.model_dump_json(), encoding="utf-8")
    assert ROWS * SPEC.size >= 10 * MIB_ALLOWED * 2**20

    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.workers.runner.little_memory"),
            *(str(work / "plan.json"), str(MIB_ALLOWED)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    first, last = done.stdout.splitlines()
    assert first == "the limit holds"
    outcome = json.loads(last)
    assert outcome["audit"]["remaining"]["size"] == ROWS - ROWS // 10
    # What grows with the rows lay in the scratch space, which goes when the job ends.
    kept = work / "kept"
    assert (kept / "inputs-0.npy").stat().st_size > 10 * MIB_ALLOWED * 2**20
    assert (kept / "targets.f32").stat().st_size == (ROWS - ROWS // 10) * 10 * 4
