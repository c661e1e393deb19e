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
    """A version or marker, as its row of this revision tells, of which a rule says that its
    time has come."""

    key: bytes
    head: ObjectHead
    revision: int
    state: State
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
    """A row beneath the current object. `since_us` is None for the newest of its key,
    `rows_above` of its key lie above it, and `is_last` says that no older one follows in the
    same page. `top_is_marker`: the newest of the key is a delete marker, so that is the current
    version, if there is no current object."""

    key: bytes
    known: Known
    revision: int
    since_us: int | None
    rows_above: int
    is_last: bool
    top_is_marker: bool

    def under(self, current_us: int | None) -> State | None:
        """What it is, if the current object is of that time. None if there is no telling: it
        has become current meanwhile, or been deleted."""
        head, tags = self.known
        if self.since_us is not None:
            newer = self.rows_above - (self.top_is_marker and current_us is None)
            return Noncurrent(head, tags, self.since_us, newer)
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
            revisions = [entry.revision for entry in entries]
            due = (
                self._due(key, revision, known[0], Current(*known))
                for (key, known), revision in zip(found, revisions, strict=True)
                if known is not None
            )
            yield Page(len(entries), list(filter(None, due)), names[-1] + b"\0")

    async def versions(self, after: bytes) -> AsyncIterator[Page]:
        """The noncurrent versions and the delete markers of the keys from this one on."""
        base = keys.versions(self.bucket_id)
        prefixes = [keys.escaped_prefix(prefix) for prefix in self.rules.prefixes_of_versions]
        walk = _Walk()
        async for entries in self._pages(base, prefixes, keys.escaped_prefix(after)):
            older = [e for e in walk.follow(entries, self._decoded(entries)) if self._may_be_due(e)]
            current = await self._current_times([e.key for e in older if self._needs_current(e)])
            due: list[Candidate] = []
            for each in older:
                if self._needs_current(each) and each.key not in current:
                    continue  # whatever lies above cannot be read
                state = each.under(current.get(each.key))
                candidate = state and self._due(each.key, each.revision, each.known[0], state)
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

    def _due(self, key: bytes, revision: int, head: ObjectHead, state: State) -> Candidate | None:
        fate = self.rules.due(key, state, self.now_us)
        return Candidate(key, head, revision, state, fate) if fate is not None else None

    def _may_be_due(self, older: _Older) -> bool:
        """It may be, whatever the current object is: that is later than it, so that most are
        settled without a look at that."""
        head = older.known[0]
        possible = (older.under(head.modified_us), older.under(None))
        return any(s and self._due(older.key, older.revision, head, s) for s in possible)

    def _needs_current(self, older: _Older) -> bool:
        """What it is depends on the current object."""
        return older.since_us is None or (older.top_is_marker and self.rules.kept_max > 0)

    async def _current_times(self, wanted: Sequence[bytes]) -> dict[bytes, int | None]:
        """When the current objects of these keys were put; None where there is none. Keys whose
        object is damaged are left out."""
        if not wanted:
            return {}
        wanted = list(dict.fromkeys(wanted))
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
        self._top_is_marker = False

    def follow(self, entries: Sequence[Entry], known: Sequence[Known | None]) -> Iterator[_Older]:
        fields = [keys.version_fields(entry.key) for entry in entries]
        following = [*(key for key, _, _ in fields[1:]), None]
        for entry, (key, time_us, _), each, below in zip(
            entries, fields, known, following, strict=True
        ):
            if key != self.key:
                self.key, self._count = key, 0
            if self._count == 0:
                # A damaged one may be either; as a marker, one more version is kept.
                self._top_is_marker = each is None or each[0].is_delete_marker
            if each is not None:
                yield _Older(
                    key,
                    each,
                    entry.revision,
                    self._time_us if self._count else None,
                    self._count,
                    below != key,
                    self._top_is_marker,
                )
            self._time_us = time_us
            self._count += 1
