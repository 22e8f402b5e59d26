"""What tools have written into `tests/data`; the scripts there say how."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.workers.data.tools.case import IDS, Case, pixels
from workers.data.specs import ArraySpec, AudioSpec, ImageSpec, InputSpec, TextSpec

DATA = Path(__file__).parents[3] / "data"
POLARS, PANDAS, FASTPARQUET = ("Polars", "2.1.0"), ("pandas", "3.1.1"), ("fastparquet", "2026.9.0")
DUCKDB, DATASETS, WEBDATASET = ("DuckDB", "2.0.1"), ("datasets", "5.2.0"), ("webdataset", "1.0.2")
NUMBERS = pixels(2)
EVEN = NUMBERS % 2 == 0
LARGE = ("18446744073709551615", "7")
TEXTS = ("to be", "or not")


def at(path: str) -> Callable[[Path], str]:
    return lambda _: f"{DATA.as_uri()}/{path}"


def array(column: str, *shape: int) -> tuple[InputSpec, ...]:
    return (ArraySpec(column, shape or (2, 3)),)


def read(
    tool: tuple[str, str], what: str, path: str, inputs: Any, expected: Any, answer: str = "read"
) -> Case:
    return Case(*tool, what, answer, at(path), inputs, IDS, expected)


def ids(tool: tuple[str, str], what: str, path: str, column: str, found: Any, other: str) -> Case:
    """IDs in a column of this name, beside any other input that is right."""
    inputs = (TextSpec("text"),) if other == "text" else array(other)
    expected = TEXTS if other == "text" else NUMBERS
    return Case(*tool, what, "read", at(path), inputs, found, expected, id_column=column)


def refused(
    tool: tuple[str, str], what: str, why: str, path: str, inputs: Any, part: str, **more: Any
) -> Case:
    return Case(*tool, what, f"refused: {why}", at(path), inputs, refusal=part, **more)


P, D, U, H = (f"{tool}/columns.parquet" for tool in ("polars", "pandas", "duckdb", "fastparquet"))
A = "datasets/arrays.parquet"
EMBED = "embed_table_storage"
IMAGES = (b"\x89PNG-0", b"\x89PNG-1")
PNGS = tuple((DATA / "datasets" / f"s-{row}.png").read_bytes() for row in range(2))

CASES = [
    ids(POLARS, "IDs as `Categorical`", P, "id_category", IDS, "array"),
    ids(POLARS, "IDs as `Enum`", P, "id_enum", IDS, "array"),
    ids(POLARS, "IDs as `UInt64`", P, "id_uint64", LARGE, "array"),
    ids(POLARS, "IDs as `Int8`", P, "id_int8", ("-7", "7"), "array"),
    ids(POLARS, "IDs as `Decimal` of scale 0", P, "id_decimal", (f"1{'0' * 20}", "7"), "array"),
    read(POLARS, "`Array(Int16, (2, 3))`", P, array("array"), NUMBERS),
    read(POLARS, "`Array` of `Float16`", P, array("array_float16"), NUMBERS),
    read(POLARS, "`Array` of `Boolean`", P, array("array_bool"), EVEN, "read as 0 and 1"),
    read(POLARS, "`List(List(Int64))`", P, array("lists"), NUMBERS),
    read(POLARS, "`List(Float32)`, flat", P, array("flat"), NUMBERS),
    read(POLARS, "`sink_parquet`", "polars/sunk.parquet", array("lists"), NUMBERS),
    read(POLARS, "text as `Categorical`", P, (TextSpec("text"),), TEXTS),
    read(POLARS, "images as a struct of `bytes` and `path`", P, (ImageSpec("image"),), IMAGES),
    refused(
        POLARS, "an array of another shape", "both shapes are named", P, array("array", 3, 2),
        "arrays of the shape [2, 3]; the dataset was registered with the shape [3, 2]",
    ),
    refused(
        POLARS, "lists of another shape", "both shapes are named", P, array("lists", 1, 2, 3),
        "numbers of the shape [1, 2, 3] in lists, but of the shape [2, 3]",
    ),
    refused(
        POLARS, "a struct as an array", "its fields are no list", P, array("struct"),
        "The column struct of",
    ),
    refused(
        POLARS, "any column as `Int128`", "pyarrow reads no such file; cast it, or leave it out",
        "polars/int128.parquet", array("lists"), "has a column of a type that pyarrow",
    ),
    refused(
        POLARS, "`write_ipc`", "an Arrow file is not Parquet", "polars/feather.parquet",
        array("flat"), "is not Parquet: it is an Arrow file",
    ),
    ids(PANDAS, "IDs as categories", D, "id_category", IDS, "lists"),
    ids(PANDAS, "IDs as categories of integers", D, "id_int_category", ("8", "7"), "lists"),
    ids(PANDAS, "IDs as `uint64`", D, "id_uint64", LARGE, "lists"),
    ids(PANDAS, "IDs as nullable `Int64`", D, "id_nullable", ("8", "7"), "lists"),
    read(PANDAS, "lists of lists", D, array("lists"), NUMBERS),
    read(PANDAS, "lists of NumPy arrays", D, array("lists_of_arrays"), NUMBERS),
    read(PANDAS, "NumPy arrays, flat", D, array("flat"), NUMBERS),
    read(PANDAS, "text as categories", D, (TextSpec("text"),), TEXTS),
    read(
        PANDAS, "`.parquet.gzip`, by its name", "pandas/columns.parquet.gzip", array("flat"),
        NUMBERS, "read: it is compressed inside",
    ),
    refused(
        PANDAS, "integers with gaps as IDs", "they became floating-point numbers, with no one "
        "spelling", "pandas/float_ids.parquet", array("flat"), "holds double: it must hold text",
    ),
    refused(
        PANDAS, "integers in one file, fractions in the next", "no type holds both unchanged",
        "pandas/mixed/[ab].parquet", array("flat"),
        f"holds float64 in {DATA.as_uri()}/pandas/mixed/b.parquet, and int64 in ",
    ),
    refused(
        PANDAS, "IDs `07` in one file, 7 in the next", "one sample could have two IDs",
        "pandas/mixed/[ac].parquet", array("flat"),
        f"holds integers in {DATA.as_uri()}/pandas/mixed/c.parquet, and text in ",
    ),
    refused(
        PANDAS, "NaN in a list", "pandas writes it as null", "pandas/nan.parquet", array("flat"),
        "Row 1 does not hold 6 numbers in flat",
    ),
    refused(
        PANDAS, "an index that is a column in one file alone", "the file that lacks it is named",
        "pandas/index", array("flat"), "/index/b.parquet has no column __index_level_0__. ",
        id_column="__index_level_0__",
    ),
    refused(
        PANDAS, "IDs that are a range of the index", "pandas does not write it as a column",
        "pandas/range", array("flat"), "pandas has kept it as a range in the file's metadata",
    ),
    ids(FASTPARQUET, "IDs as text", H, "sample_id", IDS, "text"),
    ids(FASTPARQUET, "IDs as categories", H, "id_category", IDS, "text"),
    ids(FASTPARQUET, "IDs as `uint64`", H, "id_uint64", LARGE, "text"),
    read(
        FASTPARQUET, "partitions, by `hive/**/*.parquet`", "fastparquet/hive/**/*.parquet",
        (TextSpec("text"),), TEXTS, "read without the columns in the folders' names",
    ),
    refused(
        FASTPARQUET, "partitions, by their folder", "a pattern must say which files",
        "fastparquet/hive", (TextSpec("text"),), "is partitioned into label=… and 1 more",
    ),
    refused(
        FASTPARQUET, "`_metadata`", "it describes the rows of other files",
        "fastparquet/hive/_metadata", (TextSpec("text"),),
        "describes the rows of other files and holds none itself",
    ),
    refused(
        FASTPARQUET, "lists", "fastparquet writes them as JSON text; pyarrow writes lists",
        "fastparquet/lists.parquet", array("lists"), "holds JSON, not lists",
    ),
    refused(
        FASTPARQUET, 'IDs with `object_encoding="json"`',
        'they stand in quotes; write them as `"utf8"`', "fastparquet/json_ids.parquet",
        (TextSpec("text"),),
        "json_ids.parquet holds JSON: it must hold text, integers or UUIDs. Its values stand in",
    ),
    refused(
        FASTPARQUET, 'text with `object_encoding="json"`',
        'it stands in quotes; write it as `"utf8"`', "fastparquet/json_text.parquet",
        (TextSpec("text"),),
        "json_text.parquet holds JSON, not text. Its values stand in",
    ),
    ids(
        DUCKDB, "IDs as `UUID`", U, "id_uuid",
        [f"0000000{n}-0000-4000-8000-00000000abcd" for n in range(2)], "lists",
    ),
    ids(
        DUCKDB, "IDs as `UBIGINT`", U, "id_ubigint", [str(2**64 - 1), str(2**64 - 2)], "lists"
    ),
    ids(DUCKDB, "IDs as `ENUM`", U, "id_enum", IDS, "lists"),
    ids(DUCKDB, "IDs as `DECIMAL(18, 0)`", U, "id_decimal", ("7", "8"), "lists"),
    read(DUCKDB, "`INTEGER[][]`", U, array("lists"), NUMBERS),
    read(DUCKDB, "`FLOAT[3][2]`", U, array("arrays"), NUMBERS),
    read(DUCKDB, "`UTINYINT[6]`", U, array("flat"), NUMBERS),
    read(
        DUCKDB, "`BOOLEAN[]`", U, array("booleans"),
        [[[1, 0, 1], [0, 1, 0]], [[0, 1, 1], [0, 1, 0]]], "read as 0 and 1",
    ),
    read(DUCKDB, "images as `BLOB`", U, (ImageSpec("image"),), IMAGES),
    read(DUCKDB, "images as a struct of `bytes` and `path`", U, (ImageSpec("struct"),), IMAGES),
    read(
        DUCKDB, "`PARTITION_BY`, by `**/*.parquet`", "duckdb/partitioned/**/*.parquet",
        array("flat"), NUMBERS, "read without the columns in the folders' names",
    ),
    refused(
        DUCKDB, "`PARTITION_BY`, by its folder", "a pattern must say which files",
        "duckdb/partitioned", array("flat"), "is partitioned into label=… and 1 more",
    ),
    refused(
        DUCKDB, "a partition's column as input", "it stands in folders' names alone",
        "duckdb/partitioned/**/*.parquet", (TextSpec("label"),),
        "has no column label. Its values are in the names of folders",
    ),
    refused(
        DUCKDB, "IDs as `HUGEINT`", "DuckDB writes them as floating-point numbers; cast them",
        U, array("lists"), "holds double: it must hold text", id_column="id_hugeint",
    ),
    read(DATASETS, "`Array2D`", A, array("array2d"), NUMBERS),
    read(DATASETS, "`Array3D`", A, array("array3d", 1, 2, 3), NUMBERS[:, None]),
    read(DATASETS, "`Array4D`", A, array("array4d", 1, 1, 2, 3), NUMBERS[:, None, None]),
    read(
        DATASETS, "`Array5D`", A, array("array5d", 1, 1, 1, 2, 3), NUMBERS[:, None, None, None]
    ),
    read(DATASETS, "`Array2D` of `bool`", A, array("booleans"), EVEN, "read as 0 and 1"),
    read(DATASETS, "`List` of `float16` with a length", A, array("flat"), NUMBERS),
    read(DATASETS, "`List` in `List`", A, array("lists"), NUMBERS),
    read(DATASETS, "`LargeList`", A, array("large"), NUMBERS),
    read(
        DATASETS, "`to_polars`, and from there to Parquet", "datasets/to_polars.parquet",
        array("array4d", 1, 1, 2, 3), NUMBERS[:, None, None],
    ),
    read(DATASETS, "shards", "datasets/shards", array("array2d"), NUMBERS),
    read(
        DATASETS, "images, embedded by `embed_table_storage`", "datasets/images.parquet",
        (ImageSpec("image"),), PNGS,
    ),
    refused(
        DATASETS, "images from files, by `to_parquet`", "it writes the files' names alone; embed "
        "them", "datasets/images_named.parquet", (ImageSpec("image"),),
        "Row 0, 1 names a file in image, which is never opened: embed what",
    ),
    refused(
        DATASETS, "the same, by `to_pandas`", "it writes the files' names alone; embed them",
        "datasets/images_pandas.parquet", (ImageSpec("image"),), EMBED,
    ),
    refused(
        DATASETS, "sounds from files, by `to_parquet`", "it writes the files' names alone; embed "
        "them", "datasets/sounds_named.parquet", (AudioSpec("sound", 8000),), EMBED,
    ),
    refused(
        DATASETS, "`save_to_disk`", "Arrow streams are not Parquet", "datasets/saved",
        array("array2d"), "holds data-00000-of-00001.arrow, which would be left out",
    ),
    refused(
        WEBDATASET, "archives", "they are not Parquet", "webdataset/train-000000.tar",
        (TextSpec("txt"),), "is not Parquet: it is a tar archive",
    ),
]  # fmt: skip
