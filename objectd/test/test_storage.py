"""The object store of a configuration, on memory stores that outlive a process."""

from __future__ import annotations

import contextlib
from pathlib import Path

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from objectd.config import Choice
from objectd.errors import BucketAlreadyOwnedByYou, ObjectdError
from objectd.interfaces import Host, IMetadataStore, IProvider
from objectd.keys.local import FILE_NAME
from objectd.metadata import memory
from objectd.model.records import Scheme
from objectd.objects import ObjectStore
from objectd.objects.classes import StorageClass
from objectd.objects.encryption import CustomerKey, EncryptionWanted
from objectd.objects.opening import run_at_once
from objectd.settings import Configuration, load
from objectd.storage import STORES, opened_store

Found = tuple[dict[str, int], StorageClass]
"""The numbers of the stores, and how a class is kept."""

CONFIGURATION = """
[server]
workers = 0
[blobs]
provider = "memory"
"""


class KeptMetadata(memory.MemoryMetadata):
    """Whose rows outlive the process."""

    async def close(self) -> None:
        pass


@implementer(IProvider)
class Kept:
    """Opens the same rows for one process after the other."""

    kind = "metadata"
    name = "kept"
    help = "For tests of the store"

    def __init__(self) -> None:
        self._store = KeptMetadata()

    def settings_type(self) -> type[memory.Settings]:
        return memory.Settings

    async def open(self, settings: memory.Settings, host: Host) -> IMetadataStore:
        return self._store


class LostKeyring(SynchronousTestCase):
    """What the log says of a store whose keyring is not there."""

    def setUp(self) -> None:
        self.log = EventLoggingObserver()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)
        self.data = Path(self.mktemp())
        self.data.mkdir()
        file = Path(self.mktemp())
        file.write_text(CONFIGURATION)
        metadata = Choice(Kept(), memory.Settings())
        self.configuration: Configuration = attrs.evolve(load(file), metadata=metadata)

    def process(self, wanted: EncryptionWanted | None = None) -> None:
        """One that opens the store, puts an object and ends."""
        self.successResultOf(Deferred.fromCoroutine(self._process(wanted)))

    async def _process(self, wanted: EncryptionWanted | None) -> None:
        host = Host(self.data, Clock(), run_at_once)
        async with opened_store(self.configuration, host) as store:
            await put(store, wanted)

    def errors(self) -> list[str]:
        return [
            event["log_format"].format(**event)
            for event in self.log
            if event["log_level"] is LogLevel.error
        ]

    def test_encrypted(self) -> None:
        """Where something is encrypted, its absence is an error that tells what to do."""
        self.process(EncryptionWanted(Scheme.SSE_S3))
        self.process()
        self.assertEqual([], self.errors())
        keyring = self.data / FILE_NAME
        copy = keyring.rename(self.data / "copy")
        self.process()
        [line] = self.errors()
        self.assertIn(str(keyring), line)
        self.assertIn("restore", line)
        copy.rename(keyring)
        self.process()
        self.assertEqual([line], self.errors())

    def test_nothing_encrypted(self) -> None:
        """Where nothing ever was encrypted, none is needed."""
        self.process()
        self.process()
        self.assertEqual([], self.errors())
        self.assertFalse((self.data / FILE_NAME).exists())

    def test_customers_keys(self) -> None:
        """What is encrypted for customers' keys alone has the same mark: the line says so."""
        self.process(EncryptionWanted(Scheme.SSE_C, customer_key=CustomerKey(b"k" * 32, "md5")))
        self.process()
        [line] = self.errors()
        self.assertIn("SSE-C", line)


class FurtherStores(SynchronousTestCase):
    """Those of a configuration, on drives in the data directory."""

    def setUp(self) -> None:
        self.data = Path(self.mktemp())
        self.data.mkdir()
        self.metadata = Choice(Kept(), memory.Settings())

    def open(self, text: str) -> Deferred[Found]:
        """By a process with these sections."""
        file = Path(self.mktemp())
        file.write_text(text)
        configuration = attrs.evolve(load(file), metadata=self.metadata)
        return Deferred.fromCoroutine(found(configuration, Host(self.data, Clock(), run_at_once)))

    def opened(self, text: str) -> Found:
        return self.successResultOf(self.open(text))

    def refused(self, text: str) -> str:
        return str(self.failureResultOf(self.open(text), ObjectdError).value)

    def test_directories(self) -> None:
        """Each has a directory of its own, in which its relative drives lie, and is the place of
        the classes that name it."""
        self.opened("")
        self.assertFalse((self.data / STORES).exists())
        places, glacier = self.opened(
            "[stores.b]\n[stores.a]\ndrives = ['1', '2']\n[classes.GLACIER]\nstore = 'a'\n"
        )
        self.assertEqual(places, {"": 0, "b": 1, "a": 2})
        self.assertEqual((glacier.place, glacier.is_archive), (2, True))
        for drive in ("blobs", "stores/b/blobs", "stores/a/1", "stores/a/2"):
            self.assertTrue((self.data / drive / "objectd-drive").is_file(), drive)
        places, _ = self.opened("[stores.a]\ndrives = ['1', '2']\n[stores.b]\n[stores.c]\n")
        self.assertEqual(places, {"": 0, "b": 1, "a": 2, "c": 3})

    def test_refused(self) -> None:
        """A section that is taken away, renamed or given another's drives stops the start."""
        self.opened("[stores.a]\n[stores.b]\n")
        self.assertIn("objects may lie in [stores.a], which", self.refused("[stores.b]\n"))
        self.assertIn("[stores.a] and [stores.b], which", self.refused("[stores.c]\n"))
        path = f"{(self.data / STORES / 'a' / 'blobs').absolute()}"
        mistaken = f"[stores.a]\ndrives = ['new']\n[stores.b]\ndrives = ['{path}']\n"
        self.assertIn(
            "is a drive of [stores.a], but is listed in [stores.b]", self.refused(mistaken)
        )
        twice = f"[stores.a]\n[stores.b]\ndrives = ['{path}']\n"
        self.assertIn("in use by another server", self.refused(twice))
        self.opened("[stores.b]\n[stores.a]\n")


async def found(configuration: Configuration, host: Host) -> Found:
    async with opened_store(configuration, host) as store:
        return store.core.blobs.places, store.core.classes.named("GLACIER")


async def put(store: ObjectStore, wanted: EncryptionWanted | None) -> None:
    with contextlib.suppress(BucketAlreadyOwnedByYou):
        await store.buckets.create("photos")
    await store.objects.put("photos", "key", b"data", encryption=wanted)
