"""Files that are not Parquet, whatever their name, and folders that would be read in part."""

import bz2
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.orc as pa_orc
import pyarrow.parquet as pq
import pytest

from tests.workers.data.media import encoded_sound, pngs, tone
from workers.data.errors import DatasetError
from workers.data.parquet import list_files, open_parquet

TABLE = pa.table({"sample_id": ["a"]})


def orc() -> bytes:
    file = io.BytesIO()
    pa_orc.write_table(TABLE, file)
    return file.getvalue()


def stream() -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_stream(file, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("a.csv", "a")
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


FORMS = {
    "compressed by bzip2; unpack it": bz2.compress(b"a"),
    "compressed by xz; unpack it": lzma.compress(b"a"),
    "compressed by Zstandard; unpack it": pa.compress(b"a", "zstd", asbytes=True),
    "a ZIP archive; export it": archive(),
    "a tar archive; export it": tar(),
    "an ORC file; export it": orc(),
    "an Arrow stream; write it with `Dataset.to_parquet`": stream(),
    "a NumPy array; write it as a column of lists": array(),
    "a picture; put the bytes of such files into a column": pngs(1)[0],
    "a sound or a picture; put the bytes": encoded_sound(tone(440, 0.01)),
    "JSON; export it": b'\xef\xbb\xbf\n  [{"a": "\xc3\xa4"}]',
    "text, such as CSV; export it": ("sample_id,text\n" + "ä" * 300).encode(),
}


def refuse(path: Path) -> None:
    with open_parquet(path.as_uri()):
        pytest.fail("it was opened")


@pytest.mark.parametrize("what", FORMS)
def test_another_form_is_told_by_how_it_begins(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(FORMS[what])

    with pytest.raises(DatasetError, match=rf"a\.parquet is not Parquet: it is {what}"):
        refuse(path)


def test_what_is_no_known_form_is_called_unreadable(tmp_path: Path) -> None:
    for content, sentence in {
        bytes(range(256)): "cannot be read as Parquet",
        b"PAR1 and no footer": "cannot be read as Parquet",
        b"": "is empty: it has no bytes",
    }.items():
        (tmp_path / "a.parquet").write_bytes(content)
        with pytest.raises(DatasetError, match=sentence):
            refuse(tmp_path / "a.parquet")


def test_a_page_that_is_not_what_its_checksum_says_is_damage(tmp_path: Path) -> None:
    path, table = tmp_path / "a.parquet", pa.table({"number": [1.5, 2.5, 3.5]})
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    stored = path.read_bytes()
    number = np.float64(2.5).tobytes()
    # Neither the least nor the most: statistics would hold it as well.
    assert stored.count(number) == 1
    path.write_bytes(stored.replace(number, np.float64(2.25).tobytes()))

    with (
        pytest.raises(DatasetError, match="a page of it is damaged"),
        open_parquet(path.as_uri()) as file,
    ):
        list(file.iter_batches())


LEFT_OUT = [
    ("b.pq", "holds b.pq, which would be left out"),
    ("b.parquet.gzip", "holds b.parquet.gzip, which would be left out"),
    ("b.csv", "holds b.csv, which would be left out"),
    ("b.CSV.gz", "holds b.CSV.gz, which would be left out"),
    ("b.parquet.zst", "holds b.parquet.zst, which would be left out"),
    ("rows.json.gz", "holds rows.json.gz, which would be left out"),
    ("year=2026/b.parquet", "is partitioned into year=…: name its files by the pattern"),
]


@pytest.mark.parametrize(("name", "sentence"), LEFT_OUT)
def test_a_folder_of_which_a_part_would_be_left_out_is_refused(
    tmp_path: Path, name: str, sentence: str
) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"a")

    with pytest.raises(DatasetError, match=sentence):
        list_files(tmp_path.as_uri())
    assert len(list_files(f"{tmp_path.as_uri()}/*.parquet")) == 1


def test_what_only_describes_the_rows_may_lie_in_the_folder(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    for name in ("README.md", "dataset_info.json", "_SUCCESS", ".a.parquet.crc", "LICENSE"):
        (tmp_path / name).write_bytes(b"a")
    (tmp_path / "images").mkdir()

    assert len(list_files(tmp_path.as_uri())) == 1


def test_a_folder_of_folders_says_which_pattern_finds_their_files(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    pq.write_table(TABLE, tmp_path / "train" / "a.parquet")

    with pytest.raises(DatasetError, match=r"holds no Parquet files, only folders: .*/\*\*/\*\.p"):
        list_files(tmp_path.as_uri())
    assert len(list_files(f"{tmp_path.as_uri()}/**/*.parquet")) == 1
