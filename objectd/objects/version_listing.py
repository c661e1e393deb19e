"""Listings of all versions of a bucket's objects, and of its delete markers.

A key's current object is a row of one family, what is older lies in another, and commits move
versions from one to the other. So each look is at both families at one moment, and a look goes
on below the version that was listed last, wherever that and the next one lie by then: no change
in between hides a version that is left alone, or shows it twice.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

import attrs
import msgspec
from twisted.logger import Logger

from objectd.errors import DamagedRecord, InvalidArgument
from objectd.interfaces import SCAN_ROWS_MAX, Entry, Scan, ScanPage
from objectd.model import keys
from objectd.model.codec import OBJECT_HEAD_BYTES_MAX, decode_object_head
from objectd.model.records import ObjectHead
from objectd.objects.buckets import Buckets
from objectd.objects.core import Core
from objectd.objects.ids import VersionId, version_id
from objectd.objects.listing import after_marker
from objectd.objects.names import utf8
from objectd.objects.settings import LIST_ENTRIES_MAX
from objectd.objects.versions import Key, find_version

_log = Logger()


class ListedVersion(msgspec.Struct, frozen=True, gc=False):
    """A version or delete marker as a listing shows it: a page makes a thousand."""

    key: str
    head: ObjectHead
    is_latest: bool

    @property
    def version_id(self) -> str:
        return version_id(self.head)


@attrs.frozen
class VersionPage:
    """Versions and delete markers by key, of each key the newest first; and common prefixes.

    `next_markers` are key marker and version id marker of the next page, both '' on the last
    one; the latter is '' after a common prefix. They name a null version by time and uid too:
    'null' would lead nowhere once that version is gone.
    """

    versions: list[ListedVersion]
    prefixes: list[str]
    next_markers: tuple[str, str]

    @property
    def more(self) -> bool:
        return bool(self.next_markers[0])


@attrs.frozen
class VersionListings:
    """The listings of all buckets, also of those that never had versions."""

    _core: Core
    _buckets: Buckets

    async def page(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        version_id_marker: str = "",
        entries_max: int = LIST_ENTRIES_MAX,
    ) -> VersionPage:
        """What comes after the version of the key that the markers name; without a version id
        marker, after all versions of the key. A key marker in a common prefix skips that prefix.

        A version whose record is damaged is left out and logged. Raises `BucketNotFound`, and
        `InvalidArgument` for a version id marker that is no id or comes without a key marker.
        """
        bucket_id = await self._buckets.id_of(bucket)
        position: _Position | None = _Position(b"")
        if key_marker or version_id_marker:
            key = Key(bucket, bucket_id, utf8(key_marker, "key-marker"))
            position = await self._behind(key, version_id_marker, prefix, delimiter)
        found = _Found(bucket_id, utf8(prefix, "prefix"), utf8(delimiter, "delimiter"), entries_max)
        while position is not None and entries_max > 0:
            pages = await self._core.metadata.scans(found.scans(position))
            position = found.take(position, *pages)
        return found.page()

    async def _behind(
        self, key: Key, version_id_marker: str, prefix: str, delimiter: str
    ) -> _Position:
        whole = _Position(after_marker(key.text, prefix, delimiter))
        if not version_id_marker:
            return whole
        if not key.raw:
            raise InvalidArgument(
                "A version-id marker cannot be specified without a key marker.",
                name="version-id-marker",
                value=version_id_marker,
            )
        try:
            wanted = VersionId.parse(version_id_marker)
        except InvalidArgument as error:
            raise InvalidArgument(
                str(error), name="version-id-marker", value=version_id_marker
            ) from None
        if whole.key != key.raw + b"\0":
            return whole
        return _Position(key.raw, wanted or await self._null_version(key))

    async def _null_version(self, key: Key) -> VersionId | None:
        """Where it is; None if it is gone: then all of the key is listed, rather than nothing."""
        found = await find_version(self._core, key, "null")
        if found is None:
            return None
        if found.row_key != key.row_key:
            _, time_us, uid = keys.version_fields(found.row_key)
            return VersionId(time_us, uid)
        head = decode_object_head(found.row.value)
        return VersionId(head.modified_us, head.version)


@attrs.frozen
class _Position:
    """Where a look begins: at a key, or within its versions after this one."""

    key: bytes
    after: VersionId | None = None


class _Found:
    """Collects a page, look by look."""

    def __init__(self, bucket_id: int, prefix: bytes, delimiter: bytes, entries_max: int) -> None:
        self._bucket_id = bucket_id
        self._prefix = prefix
        self._delimiter = delimiter
        self._max = entries_max
        self._objects = keys.objects(bucket_id) + prefix
        self._older = keys.versions(bucket_id) + keys.escaped_prefix(prefix)
        self._versions: list[ListedVersion] = []
        self._prefixes: list[str] = []
        self._common = b""
        """The common prefix that was found last."""
        self._last: tuple[str, ObjectHead | None] = ("", None)
        self._more = False

    def scans(self, position: _Position) -> list[Scan]:
        """What to look at, all at one moment: current objects, the other versions, and whether
        any of these lies above the position."""
        bucket_id, key, after = self._bucket_id, position.key, position.after
        start = keys.versions(bucket_id) + keys.escaped_prefix(key)
        if after is not None:
            start = keys.first_version_after(bucket_id, key, *after)
        limit = min(SCAN_ROWS_MAX, self._max - len(self._versions) - len(self._prefixes) + 2)
        scans = [
            Scan(
                max(keys.objects(bucket_id) + key, self._objects),
                keys.after(self._objects),
                limit,
                prefix=self._objects,
                delimiter=self._delimiter,
                head_bytes=OBJECT_HEAD_BYTES_MAX,
            ),
            # Not rolled up: what follows an escaped key may hold the delimiter.
            Scan(
                max(start, self._older),
                keys.after(self._older),
                limit,
                head_bytes=OBJECT_HEAD_BYTES_MAX,
            ),
        ]
        if after is not None:
            first = keys.key_versions(bucket_id, key)
            scans.append(Scan(first, start, limit=1, head_bytes=0))
        return scans

    def take(
        self, position: _Position, objects: ScanPage, older: ScanPage, *above: ScanPage
    ) -> _Position | None:
        """Add what was seen, as far as both pages tell what comes next. Returns where to look
        next, None if the page is full or nothing is left."""
        currents, olds = iter(objects.entries), iter(older.entries)
        current, old = next(currents, None), next(olds, None)
        objects_end = self._end(objects)
        topped = position.key if any(page.entries for page in above) else None
        """The key of which something newer than what follows is there."""
        while not self._more:
            key = current.key[keys.BUCKET_PREFIX_BYTES :] if current is not None else b""
            old_key, _ = _fields(old) if old is not None else (b"", None)
            if current is not None and (key <= old_key if old is not None else not older.more):
                topped = key
                self._take_current(position, key, current)
                current = next(currents, None)
            elif old is not None and (not objects.more or old_key < objects_end):
                self._take_old(old_key, old, is_latest=topped != old_key)
                topped = old_key
                old = next(olds, None)
            elif old is None and older.more:
                return self._behind_row(older.entries[-1])
            else:
                return _Position(objects_end) if objects.more else None
        return None

    def page(self) -> VersionPage:
        if not self._more:
            return VersionPage(self._versions, self._prefixes, ("", ""))
        key, head = self._last
        marker = VersionId(head.modified_us, head.version).text() if head is not None else ""
        return VersionPage(self._versions, self._prefixes, (key, marker))

    def _end(self, objects: ScanPage) -> bytes:
        """All current objects before this key were seen, if there are more."""
        if not objects.entries:
            return b""
        last = objects.entries[-1]
        key = last.key[keys.BUCKET_PREFIX_BYTES :]
        return key + b"\0" if last.value is not None else keys.after(key)

    def _take_current(self, position: _Position, key: bytes, entry: Entry) -> None:
        if entry.value is None:
            self._add_prefix(key)
            return
        head = _head(entry)
        if head is None:
            return
        after = position.after if key == position.key else None
        if after is None or (-head.modified_us, head.version) > (-after.time_us, after.uid):
            self._add(key, head, is_latest=True)

    def _take_old(self, key: bytes, entry: Entry, *, is_latest: bool) -> None:
        if common := self._common_prefix(key):
            self._add_prefix(common)
        elif (head := _head(entry)) is not None:
            self._add(key, head, is_latest=is_latest)

    def _add(self, key: bytes, head: ObjectHead, *, is_latest: bool) -> None:
        if self._has_room():
            text = key.decode()
            self._versions.append(ListedVersion(text, head, is_latest))
            self._last = text, head

    def _add_prefix(self, common: bytes) -> None:
        if common != self._common and self._has_room():
            self._common = common
            self._prefixes.append(common.decode())
            self._last = common.decode(), None

    def _has_room(self) -> bool:
        self._more = len(self._versions) + len(self._prefixes) == self._max
        return not self._more

    def _common_prefix(self, key: bytes) -> bytes:
        if not self._delimiter:
            return b""
        end = key.find(self._delimiter, len(self._prefix))
        return key[: end + len(self._delimiter)] if end >= 0 else b""

    def _behind_row(self, entry: Entry) -> _Position:
        """The rest of a common prefix is sought past, not read."""
        key, id_ = _fields(entry)
        common = self._common_prefix(key)
        return _Position(keys.after(common)) if common else _Position(key, id_)


def _fields(entry: Entry) -> tuple[bytes, VersionId]:
    key, time_us, uid = keys.version_fields(entry.key)
    return key, VersionId(time_us, uid)


def _head(entry: Entry) -> ObjectHead | None:
    try:
        return decode_object_head(entry.value or b"")
    except DamagedRecord as error:
        _log.error("left out of a listing: {key!r}: {error}", key=entry.key, error=error)
        return None
