"""DuckDB with its extension httpfs, of which PyPI has a wheel."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import duckdb

from objectd.test.functional.clients.programs import ACCESS_KEY, REGION, SECRET_KEY, ClientTests


class PlainTests(ClientTests):
    def setUp(self) -> None:
        super().setUp()
        self.database = duckdb.connect(config={"home_directory": str(self.home)})
        self.addCleanup(self.database.close)
        [extension] = files("duckdb_extension_httpfs").joinpath("extensions").iterdir()
        self.query(f"LOAD '{extension / 'httpfs.duckdb_extension'}'")
        self.query(f"SET ca_cert_file = '{self.certificate}'")
        self.query(
            f"""
            CREATE SECRET (
                TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}', REGION '{REGION}',
                ENDPOINT '{self.host}', URL_STYLE 'path', USE_SSL {self.secure}
            )
            """
        )
        self.here = f"s3://{self.bucket}"

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        return self.database.execute(statement).fetchall()

    def test_parquet(self) -> None:
        """A table is written as Parquet, in parts, and read back in ranges."""
        self.query("SET s3_uploader_max_filesize = '50GB'")  # so parts are of 5 MB, not of 80
        rows = 2_000_000
        self.query(
            f"COPY (SELECT range AS n, hash(range) AS h FROM range({rows}))"
            f" TO '{self.here}/table.parquet'"
        )
        self.assertGreater(self.part_count("table.parquet"), 1)
        table = f"read_parquet('{self.here}/table.parquet')"
        [found] = self.query(f"SELECT count(*), sum(n), bool_and(h = hash(n)) FROM {table}")
        self.assertEqual(found, (rows, rows * (rows - 1) // 2, True))
        self.assertEqual(self.query(f"SELECT n FROM {table} WHERE n = 1234567"), [(1234567,)])

    def test_partitions(self) -> None:
        """A table in partitions is found by patterns, and overwritten in place."""
        numbers = "SELECT range AS n, range % 3 AS k FROM range(3000)"
        copy = f"COPY ({numbers}) TO '{self.here}/numbers' (FORMAT parquet, PARTITION_BY k"
        self.query(f"{copy})")
        self.query(f"{copy}, OVERWRITE_OR_IGNORE)")
        found = self.query(
            "SELECT k, count(*) FROM"
            f" read_parquet('{self.here}/numbers/*/*.parquet', hive_partitioning = true)"
            " GROUP BY k ORDER BY k"
        )
        self.assertEqual(found, [(0, 1000), (1, 1000), (2, 1000)])
        listed = self.query(f"SELECT file FROM glob('{self.here}/**') ORDER BY file")
        self.assertEqual(listed, [(f"{self.here}/{key}",) for key in self.keys()])

    def test_csv(self) -> None:
        """Objects of other programs are read, whatever their keys."""
        self.put("ü +/numbers.csv", b"n,k\n1,one\n2,two\n")
        found = self.query(f"SELECT * FROM read_csv('{self.here}/ü +/*.csv') ORDER BY n")
        self.assertEqual(found, [(1, "one"), (2, "two")])


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True
