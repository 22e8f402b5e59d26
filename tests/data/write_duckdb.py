"""Writes `duckdb/`; run in an environment with duckdb alone, from the repository's root."""

from pathlib import Path

import duckdb

PLACE = Path("tests/data/duckdb")
COLUMNS = """
    SELECT 's-' || n AS sample_id,
           ('0000000' || n || '-0000-4000-8000-00000000ABCD')::UUID AS id_uuid,
           (18446744073709551615 - n)::UBIGINT AS id_ubigint,
           n::HUGEINT AS id_hugeint,
           ('s-' || n)::ids AS id_enum,
           (7 + n)::DECIMAL(18, 0) AS id_decimal,
           [[6 * n + 1, 6 * n + 2, 6 * n + 3], [6 * n + 4, 6 * n + 5, 6 * n + 6]] AS lists,
           [[6 * n + 1, 6 * n + 2, 6 * n + 3], [6 * n + 4, 6 * n + 5, 6 * n + 6]]::FLOAT[3][2]
               AS arrays,
           [n = 0, n = 1, true, false, true, false] AS booleans,
           [6 * n + 1, 6 * n + 2, 6 * n + 3, 6 * n + 4, 6 * n + 5, 6 * n + 6]::UTINYINT[6] AS flat,
           ('\\x89PNG-' || n)::BLOB AS image,
           {'bytes': ('\\x89PNG-' || n)::BLOB, 'path': NULL::VARCHAR} AS struct,
           'to be ' || n AS text,
           3 + n AS label
    FROM (SELECT unnest([0, 1]) AS n)
"""


def main() -> None:
    """Each file has one or two rows."""
    PLACE.mkdir(exist_ok=True)
    database = duckdb.connect()
    database.execute("CREATE TYPE ids AS ENUM ('s-0', 's-1')")
    database.execute(f"CREATE TABLE rows AS {COLUMNS}")
    database.execute(f"COPY rows TO '{PLACE}/columns.parquet' (FORMAT parquet)")
    database.execute("CREATE TABLE parts AS SELECT sample_id, flat, label FROM rows")
    database.execute(f"COPY parts TO '{PLACE}/partitioned' (FORMAT parquet, PARTITION_BY (label))")


if __name__ == "__main__":
    main()
