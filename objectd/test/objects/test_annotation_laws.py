"""Annotations of versions, whatever is done to these: as a plain model has them."""

from __future__ import annotations

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from objectd.errors import DeleteMarkerFound, ObjectNotFound
from objectd.model import keys
from objectd.objects.copy_source import ObjectName
from objectd.objects.ids import NULL
from objectd.objects.overrides import Overrides
from objectd.test.objects.cases import LARGE, StoreCase

KEYS = ("a", "b")
KEY = st.sampled_from(KEYS)
NAME = st.sampled_from(("x", "xy", "z"))
WHICH = st.sampled_from((0, 0, 0, 1, 2))
"""The newest more often than older ones."""

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEY),
        st.tuples(st.just("delete"), KEY),
        st.tuples(st.just("delete_version"), KEY, WHICH),
        st.tuples(st.just("annotate"), KEY, WHICH, NAME, st.text("ab", min_size=1, max_size=3)),
        st.tuples(st.just("annotate"), KEY, WHICH, NAME, st.text("ab", min_size=1, max_size=3)),
        st.tuples(st.just("take_away"), KEY, WHICH, NAME),
        st.tuples(st.just("copy"), KEY, WHICH, KEY, st.booleans()),
        st.tuples(st.just("versioning"), st.booleans()),
        st.tuples(st.just("restart")),
    ),
    min_size=10,
    max_size=25,
)

OLD = (("put", "a"), ("annotate", "a", 0, "x", "b"), ("versioning", True), ("put", "a"))
"""An annotated version that is noncurrent."""


@attrs.define
class Version:
    id: str
    is_marker: bool = False
    annotations: dict[str, bytes] = attrs.field(factory=dict)


class LawTests(StoreCase):
    """Each step is done to the store and to lists of versions, the newest first."""

    def begin(self) -> None:
        self.setUp()
        self.versioning: bool | None = None
        self.versions: dict[str, list[Version]] = {key: [] for key in KEYS}

    @settings(max_examples=150)
    @given(st.sampled_from(((), OLD)), STEPS)
    def test_agrees_with_model(
        self, first: tuple[tuple[object, ...], ...], steps: list[tuple[object, ...]]
    ) -> None:
        """Every version has the annotations it was given, wherever it lies, and none is left of
        what is gone."""
        self.begin()
        for name, *arguments in (*first, *steps):
            getattr(self, f"do_{name}")(*arguments)
            self.assert_same()

    def assert_same(self) -> None:
        self.ok(self.store.collector.run_to_rest())
        rows = 0
        for key, versions in self.versions.items():
            for version in versions:
                if version.is_marker:
                    continue
                rows += 2 * len(version.annotations)
                page = self.ok(self.store.annotations.list("photos", key, version_id=version.id))
                names = [listed.name for listed in page.annotations]
                self.assertEqual(names, sorted(version.annotations))
                for name, text in version.annotations.items():
                    found = self.ok(
                        self.store.annotations.get("photos", key, name, version_id=version.id)
                    )
                    self.assertEqual(found.payload, text)
            self.assert_newest(key, versions)
        self.assertEqual(len(self.rows(keys.ANNOTATIONS)), rows)

    def assert_newest(self, key: str, versions: list[Version]) -> None:
        listing = self.store.annotations.list("photos", key)
        if not versions:
            self.refused(ObjectNotFound, listing)
        elif versions[0].is_marker:
            self.refused(DeleteMarkerFound, listing)
        else:
            page = self.ok(listing)
            names = [listed.name for listed in page.annotations]
            self.assertEqual(names, sorted(versions[0].annotations))
            self.assertEqual(page.version_id, "" if self.versioning is None else versions[0].id)

    def push(self, key: str, version: Version) -> None:
        """As S3 does it to what is there."""
        versions = self.versions[key]
        if self.versioning is None:
            versions.clear()
        elif not self.versioning:
            versions[:] = [each for each in versions if each.id != NULL]
        versions.insert(0, version)

    def do_put(self, key: str) -> None:
        stored = self.ok(self.store.objects.put("photos", key, LARGE))
        self.push(key, Version(stored.version_id or NULL))

    def do_delete(self, key: str) -> None:
        deleted = self.ok(self.store.objects.delete("photos", key))
        if self.versioning is None:
            self.versions[key].clear()
        else:
            self.push(key, Version(deleted.version_id, is_marker=True))

    def do_delete_version(self, key: str, which: int) -> None:
        for version in self.versions[key][which : which + 1]:
            self.ok(self.store.objects.delete("photos", key, version_id=version.id))
            self.versions[key].remove(version)

    def do_annotate(self, key: str, which: int, name: str, text: str) -> None:
        for version in self.versions[key][which : which + 1]:
            if not version.is_marker:
                payload = text.encode()
                put = self.store.annotations.put
                self.ok(put("photos", key, name, payload, version_id=version.id))
                version.annotations[name] = payload

    def do_take_away(self, key: str, which: int, name: str) -> None:
        for version in self.versions[key][which : which + 1]:
            if not version.is_marker:
                delete = self.store.annotations.delete
                self.ok(delete("photos", key, name, version_id=version.id))
                version.annotations.pop(name, None)

    def do_copy(self, key: str, which: int, target: str, annotations: bool) -> None:
        for version in self.versions[key][which : which + 1]:
            if not version.is_marker:
                copied = self.ok(
                    self.store.copies.copy(
                        ObjectName("photos", key),
                        ObjectName("photos", target),
                        source_version=version.id,
                        own=Overrides(metadata={}, annotations=annotations),
                    )
                )
                texts = dict(version.annotations) if annotations else {}
                self.push(target, Version(copied.version_id or NULL, False, texts))

    def do_versioning(self, enabled: bool) -> None:
        self.ok(self.store.buckets.set_versioning("photos", enabled=enabled))
        self.versioning = enabled

    def do_restart(self) -> None:
        self.store = self.opened()
