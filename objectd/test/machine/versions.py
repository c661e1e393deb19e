"""Versions and the model of them, side by side: every step is done to both, and they must agree."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from objectd.errors import (
    BucketNotEmpty,
    InvalidOperation,
    ObjectdError,
    ObjectNotFound,
    VersionIsDeleteMarker,
    VersionNotFound,
)
from objectd.interfaces import Scan
from objectd.model.records import Versioning
from objectd.objects import ListedPart
from objectd.objects.copy_source import ObjectName
from objectd.objects.deleting import Unwanted
from objectd.test.machine.homes import Home
from objectd.test.machine.machine import LEFT_AT_THE_END
from objectd.test.objects.plain_versions import PlainVersion, PlainVersions
from objectd.testing.s3 import result_of
from objectd.testing.simulation.audit import audit

_T = TypeVar("_T")

NOON_US = 1_700_000_000_000_000
UNKNOWN = "0" * 40
"""The form of a version id, and of no version."""

BUCKETS = st.sampled_from(("first", "second"))
KEYS = st.sampled_from(("a", "a/b", "a\0", "ä"))
PLACES = st.tuples(BUCKETS, KEYS)
BODIES = st.sampled_from((b"", b"small", b"in a blob, and not in a row", b"another blob"))
TAGS = st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), max_size=2)
CHOICES = st.integers(0, 5)
"""Of the versions of a key, of 'null', an id that is none, and what is current."""

PAGES_MAX = 200


class OpenHome(Protocol):
    def __call__(self, now_us: Callable[[], int]) -> Home: ...


class VersionsMachine(RuleBasedStateMachine):
    def __init__(self, open_home: OpenHome) -> None:
        super().__init__()
        self.now_us = NOON_US
        self.home = open_home(lambda: self.now_us)
        self.model = {name: PlainVersions() for name in ("first", "second")}
        self.is_sound = True
        self.store = self.home.open()
        for name in self.model:
            self.wait(self.store.buckets.create(name))

    def wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        self.now_us += 1
        return result_of(work)

    def same(self, expected: object, found: object) -> None:
        self.is_sound = False
        assert expected == found, f"expected {expected!r}, found {found!r}"
        self.is_sound = True

    def error_of(self, work: Coroutine[Any, Any, object]) -> type[ObjectdError] | None:
        try:
            self.wait(work)
        except ObjectdError as error:
            return type(error)
        return None

    def chosen(self, bucket: str, key: str, choice: int) -> str:
        """The id of a version, or what is none; '' for what is current."""
        names = [version.name for version in self.model[bucket].keys.get(key, [])]
        return [*names, "null", UNKNOWN, ""][choice % (len(names) + 3)]

    def found(self, bucket: str, key: str, name: str) -> PlainVersion | None:
        plain = self.model[bucket]
        return plain.version(key, name) if name else plain.current(key)

    def refusal(
        self, bucket: str, key: str, name: str, marker: type[ObjectdError]
    ) -> type[ObjectdError] | None:
        """How a version that is to be read is refused."""
        version = self.found(bucket, key, name)
        if version is not None and version.data is not None:
            return None
        if not name:
            return ObjectNotFound
        return VersionNotFound if version is None else marker

    # Steps

    @rule(bucket=BUCKETS, enabled=st.booleans())
    def set_versioning(self, bucket: str, enabled: bool) -> None:
        self.wait(self.store.buckets.set_versioning(bucket, enabled=enabled))
        self.model[bucket].mode = Versioning.ENABLED if enabled else Versioning.SUSPENDED

    @rule(seconds=st.integers(-100_000, 100_000))
    def set_clock(self, seconds: int) -> None:
        """The wall clock is put right, or wrong."""
        self.now_us += seconds * 1_000_000

    @rule(place=PLACES, data=BODIES, tags=TAGS)
    def put(self, place: tuple[str, str], data: bytes, tags: dict[str, str]) -> None:
        bucket, key = place
        made = self.wait(self.store.objects.put(bucket, key, data, tags=tags))
        self.put_in_model(bucket, key, made.version_id, data, tags)

    @rule(place=PLACES, first=BODIES, last=BODIES)
    def upload(self, place: tuple[str, str], first: bytes, last: bytes) -> None:
        """Complete an upload of two parts."""
        uploads, data = self.store.uploads, (first + b"!", last)
        upload = self.wait(uploads.create(*place)).id.text()
        for number, part in enumerate(data, 1):
            self.wait(uploads.put_part(*place, upload, number, part))
        page = self.wait(uploads.parts(*place, upload))
        listed = [ListedPart(number, part.etag, part.checksums[0]) for number, part in page.parts]
        made = self.wait(self.store.completions.complete(*place, upload, listed))
        self.put_in_model(*place, made.version_id, b"".join(data), {})

    @rule(source=PLACES, choice=CHOICES, to=PLACES)
    def copy(self, source: tuple[str, str], choice: int, to: tuple[str, str]) -> None:
        """Also of an older version onto its own key, which brings it back."""
        name = self.chosen(*source, choice)
        work = self.store.copies.copy(ObjectName(*source), ObjectName(*to), source_version=name)
        refusal = self.refusal(*source, name, InvalidOperation)
        if source == to and not name:
            refusal = InvalidOperation
        if refusal is not None:
            self.same(refusal, _kind(self.error_of(work)))
            return
        version = self.found(*source, name)
        assert version is not None
        assert version.data is not None
        made = self.wait(work)
        self.put_in_model(*to, made.version_id, version.data, version.tags)

    def put_in_model(
        self, bucket: str, key: str, name: str, data: bytes, tags: dict[str, str]
    ) -> None:
        plain = self.model[bucket]
        self.same(plain.mode is Versioning.NEVER, not name)
        if plain.mode is not Versioning.ENABLED:
            self.same("null", name or "null")
        else:
            self.same(None, plain.version(key, name))
        plain.put(key, name, data, tags)

    @rule(place=PLACES)
    def delete(self, place: tuple[str, str]) -> None:
        self.delete_all(place[0], [(place[1], "")])

    @rule(place=PLACES, choice=CHOICES)
    def delete_version(self, place: tuple[str, str], choice: int) -> None:
        """Also of a delete marker, which brings back what it hides."""
        bucket, key = place
        self.delete_all(bucket, [(key, self.chosen(bucket, key, choice))])

    @rule(bucket=BUCKETS, wanted=st.lists(st.tuples(KEYS, CHOICES), max_size=8))
    def delete_many(self, bucket: str, wanted: list[tuple[str, int]]) -> None:
        self.delete_all(bucket, [(key, self.chosen(bucket, key, n)) for key, n in wanted])

    def delete_all(self, bucket: str, wanted: list[tuple[str, str]]) -> None:
        """As if one after the other."""
        plain = self.model[bucket]
        unwanted = [Unwanted(key, name) for key, name in wanted]
        for (key, name), done in zip(
            wanted, self.wait(self.store.objects.delete_many(bucket, unwanted)), strict=True
        ):
            self.same(False, isinstance(done, ObjectdError))
            assert not isinstance(done, ObjectdError)
            if name:
                gone = plain.delete_version(key, name)
                is_marker = gone is not None and gone.data is None
                self.same((name, is_marker), (done.version_id, done.is_delete_marker))
            else:
                plain.delete(key, done.version_id)
                is_marker = plain.mode is not Versioning.NEVER
                self.same((is_marker, is_marker), (bool(done.version_id), done.is_delete_marker))

    @rule(place=PLACES, choice=CHOICES, tags=TAGS)
    def tag(self, place: tuple[str, str], choice: int, tags: dict[str, str]) -> None:
        name = self.chosen(*place, choice)
        refusal = self.refusal(*place, name, VersionIsDeleteMarker)
        found = self.error_of(self.store.tags.put(*place, tags, version_id=name))
        self.same(refusal, _kind(found))
        version = self.found(*place, name)
        if refusal is None and version is not None:
            version.tags = dict(tags)

    @rule(place=PLACES, choice=CHOICES)
    def read(self, place: tuple[str, str], choice: int) -> None:
        """HEAD and GET of a version, or of what is current."""
        self.read_version(*place, self.chosen(*place, choice))

    def read_version(self, bucket: str, key: str, name: str) -> None:
        objects = self.store.objects
        refusal = self.refusal(bucket, key, name, VersionIsDeleteMarker)
        if refusal is not None:
            for read in (objects.head, objects.get):
                found = self.error_of(read(bucket, key, version_id=name))
                self.same(refusal, _kind(found))
            return
        version = self.found(bucket, key, name)
        assert version is not None
        head = self.wait(objects.head(bucket, key, version_id=name))
        opened = self.wait(objects.get(bucket, key, version_id=name))
        self.same(version.data, self.wait(opened.read()))
        shown = version.name if self.model[bucket].mode else ""
        for each in (head, opened.object):
            self.same((shown, version.tags), (each.version_id, each.tail.tags))

    @rule(
        bucket=BUCKETS,
        size=st.integers(1, 5),
        prefix=st.sampled_from(("", "a", "a/")),
        delimiter=st.sampled_from(("", "/", "\0")),
    )
    def list_versions(self, bucket: str, size: int, prefix: str, delimiter: str) -> None:
        """Page by page."""
        found: list[tuple[str, ...]] = []
        key, version, is_more = "", "", True
        while is_more and len(found) < PAGES_MAX:
            page = self.wait(
                self.store.version_listings.page(
                    bucket,
                    prefix=prefix,
                    delimiter=delimiter,
                    key_marker=key,
                    version_id_marker=version,
                    entries_max=size,
                )
            )
            lines: list[tuple[str, ...]] = [(common,) for common in page.prefixes]
            for each in page.versions:
                kind = "marker" if each.head.is_delete_marker else "version"
                lines.append((each.key, each.version_id, kind, "latest" if each.is_latest else ""))
            found += sorted(lines, key=lambda line: line[0].encode())
            (key, version), is_more = page.next_markers, page.more
        self.same(self.model[bucket].listed(prefix, delimiter), found)

    @rule(bucket=BUCKETS)
    def list_objects(self, bucket: str) -> None:
        """What is current and no delete marker."""
        page = self.wait(self.store.listings.objects(bucket))
        keys = sorted(self.model[bucket].keys, key=str.encode)
        current = [key for key in keys if self.model[bucket].keys[key][0].data is not None]
        self.same(current, [listed.key for listed in page.objects])

    @rule(bucket=BUCKETS)
    def delete_bucket(self, bucket: str) -> None:
        """And create it again, which never had versions then."""
        if any(self.model[bucket].keys.values()):
            self.same(BucketNotEmpty, self.error_of(self.store.buckets.delete(bucket)))
            return
        self.wait(self.store.buckets.delete(bucket))
        self.wait(self.store.buckets.create(bucket))
        self.model[bucket] = PlainVersions()

    @rule()
    def restart(self) -> None:
        self.home.shut(self.store)
        self.store = self.home.open()

    @rule()
    def collect(self) -> None:
        """At rest, rows, files and counters fit to the last one."""
        self.is_sound = False
        core = self.store.core
        self.wait(self.store.collector.run_to_rest())
        self.wait(audit(core.metadata, core.blobs, self.store.format.digest_key, deep=True))
        self.is_sound = True

    @rule(bucket=BUCKETS)
    def count(self, bucket: str) -> None:
        """The counters are right at any time."""
        usage = self.wait(self.store.buckets.usage(bucket))
        sizes = [len(v.data) for _, v in self.model[bucket].all() if v.data is not None]
        self.same((len(sizes), sum(sizes)), (usage.objects, usage.size_bytes))

    # The end

    def teardown(self) -> None:
        try:
            if self.is_sound:
                self.read_everything()
                self.delete_everything()
        finally:
            self.home.shut(self.store)
            self.home.remove()

    def read_everything(self) -> None:
        for bucket, plain in self.model.items():
            self.count(bucket)
            self.list_versions(bucket, 1000, "", "")
            for key, version in plain.all():
                self.read_version(bucket, key, version.name)

    def delete_everything(self) -> None:
        """Version by version, in some order. Afterwards no row and no file is left."""
        for bucket, plain in self.model.items():
            for key, version in sorted(plain.all(), key=lambda each: each[1].name[::-1]):
                self.delete_all(bucket, [(key, version.name)])
                self.read_version(bucket, key, "")
            self.wait(self.store.buckets.delete(bucket))
        self.collect()
        page = self.wait(self.store.core.metadata.scan(Scan(b" ", b"\xff", limit=10_000)))
        self.same(set(), {entry.key[:1] for entry in page.entries} - LEFT_AT_THE_END)


def _kind(error: type[ObjectdError] | None) -> type[ObjectdError] | None:
    """That a delete marker is current is a kind of there being no object."""
    return ObjectNotFound if error is not None and issubclass(error, ObjectNotFound) else error
