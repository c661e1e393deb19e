"""Finding what may be due: a scan of heads, cheap where little is.

What is found here was so when a page was read, or may have been. Whoever acts on it decides
again (`objectd.objects.lifecycle.carrying_out`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import attrs
from twisted.logger import Logger

from objectd.errors import DamagedRecord
from objectd.interfaces import Entry, Scan
from objectd.model import keys
from objectd.model.codec import (
    OBJECT_HEAD_BYTES_MAX,
    decode_object,
    decode_object_head,
    decode_object_heads,
)
from objectd.model.records import ObjectHead, Upload
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.lifecycle.rules import (
    Current,
    CurrentMarker,
    Fate,
    InProgress,
    Noncurrent,
    Rules,
    State,
)

ROWS_A_PAGE = 100
"""Rows read between two turns of the reactor: so many heads take less than a millisecond."""

NO_TAGS: Mapping[str, str] = {}
_log = Logger()

Known = tuple[ObjectHead, Mapping[str, str]]


@attrs.frozen
class Candidate:
    """A version or marker of which a rule says that its time has come."""

    key: bytes
    head: ObjectHead
    fate: Fate


@attrs.frozen
class Page:
    """What so many rows have shown; all keys before `position` are done."""

    rows: int
    candidates: list[Candidate]
    position: bytes


@attrs.frozen
class UploadPage:
    """The same of uploads: `due` are those whose time has come."""

    rows: int
    due: list[tuple[Entry, Upload, Fate]]
    position: bytes


@attrs.frozen
class _Older:
    """A row beneath the current object. `since_us` is None for the newest of its key, and
    `is_last` says that no older one of the key is in the same page."""

    key: bytes
    known: Known
    since_us: int | None
    newer_count: int
    is_last: bool

    def under(self, current_us: int | None) -> State | None:
        """What it is, if the current object is of that time. None if there is no telling: it
        has become current meanwhile, or been deleted."""
        head, tags = self.known
        if self.since_us is not None:
            return Noncurrent(head, tags, self.since_us, self.newer_count)
        if current_us is not None:
            return Noncurrent(head, tags, current_us, 0)
        return CurrentMarker(head, self.is_last) if head.is_delete_marker else None


@attrs.frozen
class Search:
    """A look at one bucket by its rules, for what is due by `now_us`."""

    core: Core
    bucket_id: int
    rules: Rules
    now_us: int

    async def objects(self, after: bytes) -> AsyncIterator[Page]:
        """The current objects from this key on."""
        base = keys.objects(self.bucket_id)
        async for entries in self._pages(base, self.rules.prefixes_of_objects, after):
            names = [entry.key[len(base) :] for entry in entries]
            found = zip(names, self._decoded(entries), strict=True)
            due = (self._due(key, known, Current(*known)) for key, known in found if known)
            yield Page(len(entries), list(filter(None, due)), names[-1] + b"\0")

    async def versions(self, after: bytes) -> AsyncIterator[Page]:
        """The noncurrent versions and the delete markers of the keys from this one on."""
        base = keys.versions(self.bucket_id)
        prefixes = [keys.escaped_prefix(prefix) for prefix in self.rules.prefixes_of_versions]
        walk = _Walk()
        async for entries in self._pages(base, prefixes, keys.escaped_prefix(after)):
            older = list(walk.follow(entries, self._decoded(entries)))
            times = await self._current_times([e.key for e in older if self._needs_current(e)])
            due: list[Candidate] = []
            for each in older:
                if each.since_us is None and each.key not in times:
                    continue  # whatever lies above, it is not due
                state = each.under(times.get(each.key))
                candidate = state and self._due(each.key, each.known, state)
                if candidate:
                    due.append(candidate)
            yield Page(len(entries), due, walk.key)

    async def uploads(self, after: bytes) -> AsyncIterator[UploadPage]:
        """The uploads of the keys from this one on."""
        base = keys.uploads(self.bucket_id)
        prefixes = [keys.escaped_prefix(prefix) for prefix in self.rules.prefixes_of_uploads]
        async for entries in self._pages(base, prefixes, keys.escaped_prefix(after), whole=True):
            due: list[tuple[Entry, Upload, Fate]] = []
            key = b""
            for entry in entries:
                key, _ = keys.unescape(entry.key[len(base) :])
                upload = decoded(Upload, entry.key, entry.value)
                fate = upload and self.rules.fate(key, InProgress(upload.started_us))
                if upload and fate and fate.due_us <= self.now_us:
                    due.append((entry, upload, fate))
            yield UploadPage(len(entries), due, key)

    async def _pages(
        self, base: bytes, prefixes: Sequence[bytes], after: bytes, *, whole: bool = False
    ) -> AsyncIterator[list[Entry]]:
        head_bytes = None if whole or self.rules.needs_tags else OBJECT_HEAD_BYTES_MAX
        for prefix in prefixes:
            start, stop = keys.span(base + prefix)
            start, more = max(start, base + after), True
            while more and start < stop:
                page = await self.core.metadata.scan(
                    Scan(start, stop, limit=ROWS_A_PAGE, head_bytes=head_bytes)
                )
                more = page.more
                if page.entries:
                    start = page.entries[-1].key + b"\0"
                    yield page.entries

    def _decoded(self, entries: Sequence[Entry]) -> Sequence[Known | None]:
        """Heads and, if any rule asks for them, tags. None for what is damaged: it stays."""
        values = [entry.value or b"" for entry in entries]
        if not self.rules.needs_tags:
            try:
                return [(head, NO_TAGS) for head in decode_object_heads(values)]
            except DamagedRecord:
                pass
        return [self._decoded_alone(entry.key, entry.value or b"") for entry in entries]

    def _decoded_alone(self, row_key: bytes, value: bytes) -> Known | None:
        try:
            if not self.rules.needs_tags:
                return decode_object_head(value), NO_TAGS
            head, tail = decode_object(value)
        except DamagedRecord as error:
            _log.error("no rule is applied to {key!r}: {error}", key=row_key, error=error)
            return None
        return head, tail.tags

    def _due(self, key: bytes, known: Known, state: State) -> Candidate | None:
        fate = self.rules.fate(key, state)
        if fate is None or fate.due_us > self.now_us:
            return None
        return Candidate(key, known[0], fate)

    def _needs_current(self, older: _Older) -> bool:
        """It may be due, according to the time of the current object: which is later than its
        own, so that most are settled without a look at that."""
        if older.since_us is not None:
            return False
        possible = (older.under(older.known[0].modified_us), older.under(None))
        return any(state and self._due(older.key, older.known, state) for state in possible)

    async def _current_times(self, wanted: Sequence[bytes]) -> dict[bytes, int | None]:
        """When the current objects of these keys were put; None where there is none. Keys whose
        object is damaged are left out."""
        if not wanted:
            return {}
        row_keys = [keys.object_(self.bucket_id, key) for key in wanted]
        rows = await self.core.metadata.get(row_keys)
        found: dict[bytes, int | None] = {}
        for key, row in zip(wanted, rows, strict=True):
            try:
                found[key] = decode_object_head(row.value).modified_us if row else None
            except DamagedRecord as error:
                _log.error("no rule is applied to versions of {key!r}: {e}", key=key, e=error)
        return found


class _Walk:
    """Where a walk down the versions of one key after the other has come."""

    def __init__(self) -> None:
        self.key = b""
        self._time_us = 0
        self._count = 0

    def follow(self, entries: Sequence[Entry], known: Sequence[Known | None]) -> Iterator[_Older]:
        fields = [keys.version_fields(entry.key) for entry in entries]
        following = [key for key, _, _ in fields[1:]] + [None]
        for (key, time_us, _), each, below in zip(fields, known, following, strict=True):
            if self._count == 0 or key != self.key:
                self.key, self._count = key, 0
            if each is not None:
                since_us = self._time_us if self._count else None
                yield _Older(key, each, since_us, self._count, below != key)
            self._time_us = time_us
            self._count += 1
