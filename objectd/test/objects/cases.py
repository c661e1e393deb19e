"""What the tests of the object store share: a store in memory, and streams that are slow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import StoreFailed
from objectd.interfaces import (
    BlobFile,
    Commit,
    Entry,
    IBlobStore,
    IKeyManager,
    Row,
    Scan,
    ScanPage,
)
from objectd.metadata.memory import MemoryMetadata
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import Format
from objectd.objects import ListedPart, ObjectSettings, ObjectStore, open_store
from objectd.objects.checking import Check, Finding
from objectd.objects.classes import ClassSettings
from objectd.objects.locks import KeyLocks
from objectd.objects.opening import run_at_once
from objectd.objects.store import assemble
from objectd.objects.uptime import Uptime
from objectd.objects.writer import Batch

_T = TypeVar("_T")
_E = TypeVar("_E", bound=Exception)

Act = Callable[[], Awaitable[object]]

SETTINGS = ObjectSettings(inline_bytes_max=16, part_bytes_min=4)
LARGE = b"more than is kept in a row of the metadata"
NOON_US = 1_700_000_000_000_000


class InterposedMetadata(MemoryMetadata):
    """A store in memory in which something happens just before a request arrives, as it may
    where there are other processes."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[bytes, Act] = {}
        self._after: dict[bytes, Act] = {}
        self._after_scan: dict[bytes, Act] = {}
        self.changes_left: int | None = None
        """After so many changes the process is dead."""

    def before(self, prefix: bytes, act: Act) -> None:
        """Have `act` done once, before the next `get` of a key with this prefix."""
        self._before[prefix] = act

    def after(self, prefix: bytes, act: Act) -> None:
        """Have it done once after that `get`, and before its caller goes on."""
        self._after[prefix] = act

    def after_second(self, prefix: bytes, act: Act) -> None:
        """Have it done after the second such `get`: many look once before they decide."""

        async def arm() -> None:
            self.after(prefix, act)

        self.after(prefix, arm)

    def after_scan(self, prefix: bytes, act: Act) -> None:
        """Have it done once after the next `scan` that starts at a key with this prefix."""
        self._after_scan[prefix] = act

    def calm(self) -> None:
        """Have nothing done any more of what was not reached."""
        for acts in (self._before, self._after, self._after_scan):
            acts.clear()

    async def begin_incarnation(self, above: int = 0) -> int:
        self._change()
        return await super().begin_incarnation(above)

    async def commit(self, commit: Commit) -> int:
        self._change()
        return await super().commit(commit)

    def _change(self) -> None:
        if self.changes_left is not None:
            if not self.changes_left:
                raise StoreFailed("the process is dead")
            self.changes_left -= 1

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        await _act(self._before, keys)
        rows = await super().get(keys)
        await _act(self._after, keys)
        return rows

    def known(self, keys: Sequence[bytes]) -> list[Row | None] | None:
        """Where something is to happen around a `get`, there has to be one."""
        return None if self._before or self._after else super().known(keys)

    async def scan(self, scan: Scan) -> ScanPage:
        page = await super().scan(scan)
        await _act(self._after_scan, [scan.start])
        return page


async def _act(acts: dict[bytes, Act], keys: Sequence[bytes]) -> None:
    due = [prefix for prefix in acts if any(key.startswith(prefix) for key in keys)]
    for prefix in due:
        await acts.pop(prefix)()


class StoreCase(SynchronousTestCase):
    """A store that is opened anew for each test, with a bucket `photos` in it."""

    settings = SETTINGS
    key_manager: IKeyManager | None = None
    classes: Mapping[str, ClassSettings] = MappingProxyType({})
    further: Mapping[str, IBlobStore] = MappingProxyType({})

    def setUp(self) -> None:
        self.metadata = self.make_metadata()
        self.blobs = MemoryBlobs()
        self.clock = Clock()
        self.now_us = NOON_US
        self.uptime = Uptime("boot", 0)
        self.store = self.opened()
        self.ok(self.store.buckets.create("photos"))

    def make_metadata(self) -> InterposedMetadata:
        return InterposedMetadata()

    def opened(self) -> ObjectStore:
        """What the next process finds."""
        return self.ok(self.opening())

    def beside(self) -> ObjectStore:
        """The same store as another process beside this one sees it: with its own locks."""
        core = attrs.evolve(self.store.core, locks=KeyLocks())
        return assemble(core, self.store.format)

    def opening(self) -> Coroutine[Deferred[Any], Any, ObjectStore]:
        return open_store(
            self.metadata,
            self.blobs,
            clock=self.clock,
            run_in_thread=run_at_once,
            now_us=lambda: self.now_us,
            uptime=lambda: self.uptime,
            settings=self.settings,
            key_manager=self.key_manager,
            classes=self.classes,
            stores=self.further,
        )

    def ok(self, work: Awaitable[_T]) -> _T:
        """The result of work that is done at once."""
        result: _T = self.successResultOf(begin(work))
        return result

    def refused(self, error: type[_E], work: Awaitable[object]) -> _E:
        """The error of work that fails at once."""
        failed: _E = self.failureResultOf(begin(work), error).value
        return failed

    def read(self, key: str, bucket: str = "photos") -> bytes:
        return self.ok(self.ok(self.store.objects.get(bucket, key)).read())

    def upload(self, key: str, *parts: bytes, algorithm: str = "", kind: str = "") -> str:
        """Begin an upload and put its parts, from number 1 on."""
        created = self.ok(
            self.store.uploads.create(
                "photos", key, checksum_algorithm=algorithm, checksum_kind=kind
            )
        )
        upload_id = created.id.text()
        for number, data in enumerate(parts, 1):
            self.ok(self.store.uploads.put_part("photos", key, upload_id, number, data))
        return upload_id

    def listed(self, key: str, upload_id: str) -> list[ListedPart]:
        """The list that completes an upload with all its parts."""
        page = self.ok(self.store.uploads.parts("photos", key, upload_id))
        return [ListedPart(number, part.etag, part.checksums[0]) for number, part in page.parts]

    def complete(self, key: str, upload_id: str) -> str:
        """Returns the ETag."""
        listed = self.listed(key, upload_id)
        return self.ok(self.store.completions.complete("photos", key, upload_id, listed)).etag

    def set_versioning(self, bucket: str = "photos", *, enabled: bool = True) -> None:
        self.ok(self.store.buckets.set_versioning(bucket, enabled=enabled))

    def keys_listed(self) -> list[str]:
        page = self.ok(self.store.listings.objects("photos"))
        return [listed.key for listed in page.objects]

    def findings(self, *, deep: bool = False) -> list[Finding]:
        """Of a check."""
        core = self.store.core
        check = Check(core.metadata, core.blobs, self.store.format.digest_key)

        async def every() -> list[Finding]:
            return [finding async for finding in check.run(deep=deep)]

        return self.ok(every())

    def features(self) -> int:
        """What a program must understand to open the store (`Incompatible`)."""
        [row] = self.rows(keys.FORMAT)
        return decode(Format, row.value or b"").incompatible

    def write_row(self, key: bytes, value: bytes) -> None:
        """Put a row past all that puts rows of its kind."""
        batch = Batch()
        batch.put(key, value)
        self.ok(self.store.core.writer.commit(batch))

    def files(self) -> list[BlobFile]:
        async def every() -> list[BlobFile]:
            return [file async for file in self.blobs.files(0)]

        return self.ok(every())

    def rows(self, prefix: bytes) -> list[Entry]:
        start, stop = keys.span(prefix)
        return self.ok(self.metadata.scan(Scan(start, stop, limit=1000))).entries


def begin(work: Awaitable[_T]) -> Deferred[_T]:
    async def run() -> _T:
        return await work

    coroutine: Coroutine[Deferred[Any], Any, _T] = run()
    return ensureDeferred(coroutine)


class SlowStream:
    """A stream whose bytes come when the test says so."""

    def __init__(self) -> None:
        self.is_closed = False
        self._ready: list[bytes | Exception] = []
        self._waiting: Deferred[None] | None = None

    async def read(self) -> bytes:
        if not self._ready:
            self._waiting = Deferred()
            await self._waiting
        piece = self._ready.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.is_closed = True

    def give(self, *pieces: bytes | Exception) -> None:
        self._ready += pieces
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
