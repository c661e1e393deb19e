"""The S3 file system of Apache Arrow, which brings AWS's SDK for C++."""

from __future__ import annotations

import pyarrow as arrow
from pyarrow import dataset, fs, parquet

from objectd.test.functional.clients.programs import (
    ACCESS_KEY,
    MIB,
    REGION,
    SECRET_KEY,
    ClientTests,
    content,
)


class PlainTests(ClientTests):
    def setUp(self) -> None:
        super().setUp()
        self.files = fs.S3FileSystem(
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            region=REGION,
            scheme="https" if self.secure else "http",
            endpoint_override=self.host,
            tls_ca_file_path=str(self.certificate) if self.secure else None,
        )

    def table(self, rows: int) -> arrow.Table:
        numbers = list(range(rows))
        return arrow.table({"n": numbers, "k": [number % 3 for number in numbers]})

    def test_parquet(self) -> None:
        """A table is written as Parquet, and read back whole or by columns."""
        table = self.table(200_000)
        path = f"{self.bucket}/deep/table.parquet"
        parquet.write_table(table, path, filesystem=self.files)
        self.assertEqual(parquet.read_table(path, filesystem=self.files), table)
        column = parquet.read_table(path, columns=["k"], filesystem=self.files)
        self.assertEqual(column, table.select(["k"]))

    def test_dataset(self) -> None:
        """A partitioned dataset is written, found, and read with a filter."""
        path = f"{self.bucket}/numbers"
        parts = dataset.partitioning(arrow.schema([("k", arrow.int64())]), flavor="hive")
        where = {"partitioning": parts, "filesystem": self.files}
        dataset.write_dataset(self.table(3000), path, format="parquet", **where)
        found = dataset.dataset(path, **where)
        self.assertEqual(len(found.files), 3)
        self.assertEqual(found.count_rows(), 3000)
        self.assertEqual(found.to_table(filter=dataset.field("k") == 1).num_rows, 1000)

    def test_streams(self) -> None:
        """A long stream goes up in parts; it is read in order and at any place."""
        data = content(21 * MIB)
        path = f"{self.bucket}/stream"
        with self.files.open_output_stream(path, metadata={"Content-Type": "x/y"}) as out:
            for start in range(0, len(data), MIB):
                out.write(data[start : start + MIB])
        self.assertGreater(self.part_count("stream"), 1)
        with self.files.open_input_stream(path) as stream:
            self.assertEqual(stream.read(), data)
            self.assertEqual(stream.metadata()["Content-Type"], b"x/y")
        with self.files.open_input_file(path) as file:
            self.assertEqual(file.read_at(1000, 15 * MIB), data[15 * MIB : 15 * MIB + 1000])

    def test_files(self) -> None:
        """Directories and files are made, told apart, copied, moved and deleted."""
        here = self.bucket
        self.files.create_dir(f"{here}/d/e")
        with self.files.open_output_stream(f"{here}/d/e/ü +") as out:
            out.write(b"data")
        self.files.copy_file(f"{here}/d/e/ü +", f"{here}/d/copied")
        self.files.move(f"{here}/d/e/ü +", f"{here}/d/e/moved")
        infos = self.files.get_file_info([f"{here}/d/e", f"{here}/d/e/moved", f"{here}/d/x"])
        kinds = [fs.FileType.Directory, fs.FileType.File, fs.FileType.NotFound]
        self.assertEqual([info.type for info in infos], kinds)
        below = self.files.get_file_info(fs.FileSelector(f"{here}/d", recursive=True))
        self.assertEqual(
            sorted(info.path for info in below),
            [f"{here}/d/{name}" for name in ("copied", "e", "e/moved")],
        )
        self.files.delete_file(f"{here}/d/copied")
        self.files.delete_dir(f"{here}/d")
        self.assertEqual(self.keys("d/"), [])


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True
