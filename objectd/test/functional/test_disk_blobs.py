"""The blob store on a real disk, in real directories."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs import layout
from objectd.blobs.disk import Settings, open_store
from objectd.errors import DamagedBlob, FormatUnsupported, StoreFailed, StoreFull
from objectd.interfaces import Host, IBlobStore
from objectd.test.blobs.places import at_once
from objectd.testing._blob_case import begun, blob_id, put, result, sealed_file
from objectd.testing.blobs import make_blob_store_tests


class DiskPlace:
    """A data directory of its own."""

    settings = Settings(reserve_bytes=1 << 20)

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="objectd-test-"))

    def open(self) -> IBlobStore:
        return result(open_store(self.settings, Host(self.directory, Clock(), at_once)))

    def close(self) -> None:
        shutil.rmtree(self.directory)


class UnsyncedPlace(DiskPlace):
    settings = Settings(reserve_bytes=1 << 20, fsync=False, drives=("one", "two/three"))


DiskBlobsTests = make_blob_store_tests(f"{__name__}.DiskBlobsTests", DiskPlace)
UnsyncedTests = make_blob_store_tests(f"{__name__}.UnsyncedTests", UnsyncedPlace)


class DirectoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.place = DiskPlace()
        self.addCleanup(self.place.close)

    def open(self, *drives: str) -> IBlobStore:
        host = Host(self.place.directory, Clock(), at_once)
        store = result(open_store(Settings(drives=drives), host))
        self.addCleanup(lambda: result(store.close()))
        return store

    def test_layout(self) -> None:
        """Drives lie in the data directory, and files on them where the format says."""
        store = result(begun(self.place))
        self.addCleanup(lambda: result(store.close()))
        location = result(put(store, blob_id(1), b"data"))
        drive = self.place.directory / "blobs"
        file = drive / layout.path_of(sealed_file(location))
        self.assertTrue(file.read_bytes().startswith(b"data"))
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(
            {path.name for path in drive.iterdir()},
            {"objectd-drive", "objectd-lock", "incoming", f"{location.digest[0]:02x}"},
        )

    def test_absolute_drive_must_exist(self) -> None:
        """An absolute directory is not created: a disk may not be mounted there."""
        absent = self.place.directory / "mnt" / "objectd"
        with self.assertRaisesRegex(StoreFailed, f"drive {absent} failed"):
            self.open(str(absent))
        absent.mkdir(parents=True)
        self.assertEqual(self.open(str(absent)).drives, (0,))

    def test_foreign_directory(self) -> None:
        """A directory with something else in it is refused and left as it is."""
        (self.place.directory / "photo.jpg").touch()
        with self.assertRaises(FormatUnsupported):
            self.open(".")
        self.assertEqual(os.listdir(self.place.directory), ["photo.jpg"])

    def test_lock(self) -> None:
        """Of two stores on one drive the second is refused."""
        self.open("blobs")
        with self.assertRaisesRegex(StoreFailed, "in use by another server"):
            self.open("blobs")

    def test_symbolic_link(self) -> None:
        """A sealed file that became a symbolic link is damaged, even to its own bytes."""
        store = result(begun(self.place))
        self.addCleanup(lambda: result(store.close()))
        location = result(put(store, blob_id(1), b"data"))
        file = self.place.directory / "blobs" / layout.path_of(sealed_file(location))
        file.rename(file.with_suffix(".moved"))
        file.symlink_to(file.with_suffix(".moved"))
        with self.assertRaises(DamagedBlob):
            result(store.open(location))

    def test_full_disk(self) -> None:
        """A drive whose reserve is used up takes no blobs."""
        host = Host(self.place.directory, Clock(), at_once)
        store = result(open_store(Settings(reserve_bytes=1 << 60), host))
        self.addCleanup(lambda: result(store.close()))
        result(store.begin(b"u" * 16, bytes(32), 1))
        with self.assertRaises(StoreFull):
            result(store.create(blob_id(1), size_bytes=None))
