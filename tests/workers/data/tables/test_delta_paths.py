"""What a Delta log says of files beside it leads nowhere else."""

import json
import shutil
from pathlib import Path

import pytest

from tests.workers.data.tables.reading import Indexed
from tests.workers.data.tables.test_delta import WITH_VECTOR, edited
from tests.workers.data.tables.written import delta, rows
from workers.data.errors import DatasetError


def test_a_key_with_letters_as_numbers_hides_no_vector_from_elsewhere(tmp_path: Path) -> None:
    (file,) = WITH_VECTOR.glob("*.bin")
    entry = {"storageType": "p", "pathOrInlineDv": file.as_uri(), "offset": 1, "sizeInBytes": 36}
    uri = edited(tmp_path / "pets", 1, "add", deletionVector=entry | {"cardinality": 2})
    log = tmp_path / "pets" / "_delta_log" / f"{1:020}.json"
    log.write_text(log.read_text().replace("deletionVector", "deletionVe\\u0063tor"))

    with pytest.raises(DatasetError, match=r"1\.json names a file by an absolute path"):
        Indexed("delta", uri, id_column="value", inputs=[])


@pytest.mark.parametrize(
    "folder", ["file:{outside}", "file:\\{outside}", "\\{outside}", "..\\outside"]
)
def test_the_folder_of_a_vector_leads_nowhere_else(tmp_path: Path, folder: str) -> None:
    (tmp_path / "outside").mkdir()
    (file,) = WITH_VECTOR.glob("*.bin")
    shutil.copy(file, tmp_path / "outside")
    log = (WITH_VECTOR / "_delta_log" / f"{1:020}.json").read_text()
    (vector,) = {
        action["add"]["deletionVector"]["pathOrInlineDv"]
        for action in map(json.loads, log.splitlines())
        if "add" in action
    }
    path = folder.format(outside=tmp_path / "outside") + vector
    entry = {"storageType": "u", "pathOrInlineDv": path, "offset": 1, "sizeInBytes": 36}

    uri = edited(tmp_path / "pets", 1, "add", deletionVector=entry | {"cardinality": 2})

    (tmp_path / "pets" / file.name).unlink()
    with pytest.raises(DatasetError, match="names a deletion vector that no file can have"):
        Indexed("delta", uri, id_column="value", inputs=[])


def test_a_part_of_a_checkpoint_leads_nowhere_else(tmp_path: Path) -> None:
    delta(tmp_path / "pets", rows(["a"]))
    log = tmp_path / "pets" / "_delta_log" / f"{0:020}.json"
    outside = str(tmp_path / "part.parquet").replace("/", "\\")
    sidecar = {"path": f"file:{outside}", "sizeInBytes": 9, "modificationTime": 0}
    log.write_text(log.read_text() + "\n" + json.dumps({"sidecar": sidecar}))

    with pytest.raises(DatasetError, match=r"0\.json names a file by an absolute path"):
        Indexed("delta", (tmp_path / "pets").as_uri())
