"""The law of Object Lock, on RocksDB and files that are closed and opened again."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from objectd.blobs import disk
from objectd.interfaces import Host, IBlobStore, IMetadataStore
from objectd.metadata import rocksdb
from objectd.objects.opening import run_at_once
from objectd.test.objects.lock_machine import LockMachine, try_law
from objectd.testing.s3 import result_of


class _DiskMachine(LockMachine):
    @override
    def make_place(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="objectd-locks-"))

    @override
    async def open_place(self) -> tuple[IMetadataStore, IBlobStore]:
        host = Host(self._directory, Clock(), run_at_once)
        metadata = await rocksdb.open_store(rocksdb.Settings(), host)
        return metadata, await disk.open_store(disk.Settings(), host)

    @override
    def shut(self) -> None:
        result_of(self.store.close())

    @override
    def teardown(self) -> None:
        self.shut()
        shutil.rmtree(self._directory)


class LockLawTests(SynchronousTestCase):
    def test_law(self) -> None:
        """It holds there as well."""
        profile = settings.get_current_profile_name()
        examples = 100 if profile == "ci" else 10
        with_fewer = settings(max_examples=examples, deadline=None)
        try_law(_DiskMachine, with_fewer)
