"""What pyarrow and the commands of the system write: files and folders."""

import gzip
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from tests.workers.data.tools.arrow import TOOL
from tests.workers.data.tools.case import IDS, Case, pixels

NUMBERS = pixels(2)
TABLE = pa.table(
    {"sample_id": list(IDS), "pixels": NUMBERS.reshape(2, 6).tolist(), "label": [3, 4]}
)
ROW = '{"sample_id": "s-0", "pixels": [1, 2, 3, 4, 5, 6]}\n'


class Keys(pe.KmsClient):  # type: ignore[misc]
    """Wraps keys by writing the name of the master key before them."""

    def __init__(self, _config: Any) -> None:
        super().__init__()

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return f"{master_key_identifier}:{b64encode(key_bytes).decode()}".encode()

    def unwrap_key(self, wrapped_key: bytes, _master_key_identifier: str) -> bytes:
        return b64decode(wrapped_key.partition(b":")[2])


def encrypted(**how: Any) -> Callable[[Path], str]:
    def write(directory: Path) -> str:
        factory = pe.CryptoFactory(Keys)
        properties = factory.file_encryption_properties(
            pe.KmsConnectionConfig(), pe.EncryptionConfiguration(footer_key="master", **how)
        )
        path = directory / "a.parquet"
        with pq.ParquetWriter(path, TABLE.schema, encryption_properties=properties) as writer:
            writer.write_table(TABLE)
        return directory.as_uri()

    return write


def partitioned(directory: Path) -> str:
    pq.write_to_dataset(TABLE, directory, partition_cols=["label"])
    return directory.as_uri()


def named(name: str, write: Callable[[Path], Any], uri: str = "") -> Callable[[Path], str]:
    """A file of this name, alone or as part of what the `uri` matches."""

    def written(directory: Path) -> str:
        write(directory / name)
        return f"{directory.as_uri()}/{uri or name}"

    return written


def beside(name: str, write: Callable[[Path], Any]) -> Callable[[Path], str]:
    """A folder with Parquet and a file of this name."""

    def written(directory: Path) -> str:
        pq.write_table(TABLE, directory / "a.parquet")
        write(directory / name)
        return directory.as_uri()

    return written


def with_what_spark_leaves(directory: Path) -> str:
    pq.write_table(TABLE, directory / "part-00000-c000.snappy.parquet")
    for name in ("_SUCCESS", "._SUCCESS.crc", ".part-00000-c000.snappy.parquet.crc"):
        (directory / name).write_bytes(b"")
    return directory.as_uri()


def packed(path: Path) -> None:
    plain = path.with_suffix("")
    pq.write_table(TABLE, plain)
    with plain.open("rb") as source, gzip.open(path, "wb") as target:
        shutil.copyfileobj(source, target)
    plain.unlink()


def csv(path: Path) -> None:
    pa_csv.write_csv(TABLE.select(["sample_id", "label"]), path)


def text(path: Path) -> None:
    path.write_text(ROW, encoding="utf-8")


def feather(path: Path) -> None:
    pa_feather.write_feather(TABLE, path)


GZIP, SHELL = ("gzip", "any"), ("any tool", "any")


def refused(
    tool: tuple[str, str], what: str, why: str, write: Callable[[Path], str], refusal: str
) -> Case:
    return Case(*tool, what, f"refused: {why}", write, refusal=refusal)


KEPT = "is encrypted Parquet, and the service has no keys"
CASES = [
    refused(
        TOOL, "encrypted files, footer and columns", "the service has no keys",
        encrypted(column_keys={"column": ["pixels.list.element"]}), KEPT,
    ),
    refused(
        TOOL, "encrypted files with a readable footer", "the service has no keys",
        encrypted(column_keys={"column": ["label"]}, plaintext_footer=True), KEPT,
    ),
    refused(
        TOOL, "files encrypted by one key", "the service has no keys",
        encrypted(uniform_encryption=True), KEPT,
    ),
    refused(
        TOOL, "`write_to_dataset` with partitions", "a pattern must say which files",
        partitioned, "is partitioned into label=… and 1 more",
    ),
    Case(
        *TOOL, "a folder with what Spark leaves beside its files", "read without it",
        with_what_spark_leaves, ids=IDS, expected=NUMBERS,
    ),
    refused(
        TOOL, "an Arrow file that is called `.parquet`", "it is not Parquet",
        named("a.parquet", feather), "is not Parquet: it is an Arrow file",
    ),
    refused(
        TOOL, "`.feather` beside Parquet in a folder", "it would be left out",
        beside("b.feather", feather), "holds b.feather, which would be left out",
    ),
    refused(
        TOOL, "CSV beside Parquet in a folder", "it would be left out",
        beside("b.csv", csv), "holds b.csv, which would be left out",
    ),
    refused(
        TOOL, "CSV by a pattern", "it is not Parquet",
        named("a.csv", csv, "*"), "a.csv is not Parquet: it is text, such as CSV",
    ),
    refused(
        SHELL, "JSON lines beside Parquet in a folder", "they would be left out",
        beside("b.jsonl", text), "holds b.jsonl, which would be left out",
    ),
    refused(
        SHELL, "JSON lines that are called `.parquet`", "they are not Parquet",
        named("a.parquet", text), "is not Parquet: it is JSON",
    ),
    refused(
        GZIP, "`.parquet.gz` beside Parquet in a folder", "it would be left out; unpack it",
        beside("b.parquet.gz", packed), "holds b.parquet.gz, which would be left out",
    ),
    refused(
        GZIP, "`.parquet.gz` by its name", "unpack it",
        named("b.parquet.gz", packed), "is not Parquet: it is compressed by gzip; unpack it",
    ),
]  # fmt: skip
