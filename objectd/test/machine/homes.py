"""Where the machine's store lives: what of it outlives a restart, and how it is opened."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from twisted.internet.task import Clock

from objectd.blobs import disk
from objectd.blobs.memory import MemoryBlobs
from objectd.interfaces import Host
from objectd.metadata import rocksdb
from objectd.metadata.memory import MemoryMetadata
from objectd.objects import ObjectSettings, ObjectStore, open_store
from objectd.objects.opening import run_at_once
from objectd.objects.store import wall_clock_us
from objectd.testing.s3 import result_of

SETTINGS = ObjectSettings(inline_bytes_max=8, part_bytes_min=1)
"""So that a few bytes are a row, some more a blob, and any part a part."""


class Home(Protocol):
    def open(self) -> ObjectStore:
        """Open the store, which is new or was closed."""

    def shut(self, store: ObjectStore) -> None:
        """The process is over."""

    def remove(self) -> None:
        """Leave nothing behind."""


class MemoryHome:
    """Rows and blobs in memory; a restart finds them as they were."""

    def __init__(self, now_us: Callable[[], int] = wall_clock_us) -> None:
        self._now_us = now_us
        self._metadata = MemoryMetadata()
        self._blobs = MemoryBlobs()

    def open(self) -> ObjectStore:
        return result_of(
            open_store(
                self._metadata,
                self._blobs,
                clock=Clock(),
                run_in_thread=run_at_once,
                now_us=self._now_us,
                settings=SETTINGS,
            )
        )

    def shut(self, store: ObjectStore) -> None:
        """What is in memory stays open."""

    def remove(self) -> None:
        """Nothing is anywhere else."""


class DiskHome:
    """RocksDB and files, without threads: every call is over when it returns."""

    def __init__(self, now_us: Callable[[], int] = wall_clock_us) -> None:
        self._now_us = now_us
        self._directory = Path(tempfile.mkdtemp(prefix="objectd-machine-"))

    def open(self) -> ObjectStore:
        return result_of(self._open())

    def shut(self, store: ObjectStore) -> None:
        result_of(store.close())

    def remove(self) -> None:
        shutil.rmtree(self._directory)

    async def _open(self) -> ObjectStore:
        host = Host(self._directory, Clock(), run_at_once)
        metadata = await rocksdb.open_store(rocksdb.Settings(), host)
        blobs = await disk.open_store(disk.Settings(), host)
        return await open_store(
            metadata,
            blobs,
            clock=host.clock,
            run_in_thread=run_at_once,
            now_us=self._now_us,
            settings=SETTINGS,
        )
