"""Listings of versions agree with a plain model, also while things change between pages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from objectd.errors import BucketNotFound, InvalidArgument
from objectd.interfaces import Scan, ScanPage
from objectd.model import keys
from objectd.model.records import Versioning
from objectd.objects.ids import VersionId
from objectd.objects.version_listing import ListedVersion, VersionPage
from objectd.test.objects.cases import InterposedMetadata, StoreCase
from objectd.test.objects.plain_versions import PlainVersions
from objectd.test.objects.test_listing import DELIMITERS, PAGE_SIZES

KEYS = st.sampled_from(("a", "a/", "a/b", "a/b/c", "a\0", "b", "b//", "\0", "\0\x01", "ä/", "😀"))
PREFIXES = st.sampled_from(("", "a", "a/", "a\0", "b", "ä"))
VERBS = ("put", "put", "delete", "delete version", "enable", "suspend", "back")
CHANGES = st.tuples(st.sampled_from(VERBS), KEYS, st.integers(0, 30))
VERSIONED = [("enable", "", 0), *[("put", "a", 0)] * 3]
CHANGES_OF_ONE_KEY = st.tuples(
    st.sampled_from(("put", "delete", "delete version", "delete version")),
    st.just("a"),
    st.integers(0, 3),
)
"""So that what was listed last, and what is next, is moved often."""

Change = tuple[str, str, int]
PAGES_MAX = 60
"""More than there can be: a listing that goes round in circles must not hang the tests."""


def shown(page: VersionPage) -> list[tuple[str, ...]]:
    """What a page shows, as the model does: its two lists taken together."""
    lines: list[tuple[str, ...]] = [(prefix,) for prefix in page.prefixes]
    for each in page.versions:
        kind = "marker" if each.head.is_delete_marker else "version"
        lines.append((each.key, each.version_id, kind, "latest" if each.is_latest else ""))
    return sorted(lines, key=lambda line: line[0].encode())


class ShortPages(InterposedMetadata):
    """Ends pages where it likes, as a store may that bounds the work of one call."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = cycle((1, 3, 2, 1, 1, 50))

    async def scans(self, scans: Sequence[Scan]) -> list[ScanPage]:
        short = [structs.replace(s, limit=min(s.limit, next(self.limits))) for s in scans]
        return await super().scans(short)


class VersionListingCase(StoreCase):
    def make_metadata(self) -> InterposedMetadata:
        return ShortPages()

    def damage(self, key: bytes) -> None:
        """Leave a row that no codec reads."""
        [row] = self.ok(self.metadata.get([key]))
        assert row is not None
        self.write_row(key, b"\x01\x00\x01" + row.value[3:])
        self.flushLoggedErrors()

    def followed(self, size: int) -> list[ListedVersion]:
        """The versions of all pages of this size."""
        found: list[ListedVersion] = []
        markers = "", ""
        for _ in range(PAGES_MAX):
            key, version = markers
            page = self.page(key_marker=key, version_id_marker=version, entries_max=size)
            found += page.versions
            markers = page.next_markers
            if not page.more:
                break
        return found

    def begin(self, changes: Sequence[Change]) -> None:
        self.setUp()
        self.plain = PlainVersions()
        for change in changes:
            self.change(*change)

    def change(self, what: str, key: str, number: int) -> None:
        objects, plain = self.store.objects, self.plain
        self.now_us += 1
        match what:
            case "put":
                plain.put(key, self.ok(objects.put("photos", key, b"data")).version_id, b"data")
            case "delete":
                plain.delete(key, self.ok(objects.delete("photos", key)).version_id)
            case "delete version":
                every = list(plain.all())
                if every:
                    key, version = every[number % len(every)]
                    plain.delete_version(key, version.name)
                    self.ok(objects.delete("photos", key, version_id=version.name))
            case "back":
                self.now_us -= 10 * number
            case mode:
                enabled = mode == "enable"
                plain.mode = Versioning.ENABLED if enabled else Versioning.SUSPENDED
                self.ok(self.store.buckets.set_versioning("photos", enabled=enabled))

    def page(self, *, entries_max: int = 1000, **how: str) -> VersionPage:
        return self.ok(self.store.version_listings.page("photos", entries_max=entries_max, **how))


class LawTests(VersionListingCase):
    @given(st.lists(CHANGES, max_size=25), PAGE_SIZES, PREFIXES, DELIMITERS)
    def test_pages(self, changes: Sequence[Change], size: int, prefix: str, delimiter: str) -> None:
        """Pages of any size, followed by their markers, show what the model has, in order."""
        self.begin(changes)
        found: list[tuple[str, ...]] = []
        markers = "", ""
        for _ in range(PAGES_MAX):
            page = self.page(
                prefix=prefix,
                delimiter=delimiter,
                key_marker=markers[0],
                version_id_marker=markers[1],
                entries_max=size,
            )
            lines = shown(page)
            self.assertEqual(len(lines), size if page.more else min(size, len(lines)))
            found += lines
            markers = page.next_markers
            if not page.more:
                break
        self.assertEqual(found, self.plain.listed(prefix, delimiter))

    @given(
        st.lists(CHANGES, max_size=20)
        | st.lists(CHANGES_OF_ONE_KEY, max_size=4).map(lambda more: [*VERSIONED, *more]),
        st.lists(st.lists(CHANGES | CHANGES_OF_ONE_KEY, max_size=4), max_size=6),
        st.integers(1, 3),
    )
    @example(VERSIONED, [[("delete version", "", 0)]], 1)
    @example(VERSIONED, [[("delete version", "", 0)] * 2], 1)
    @example([*VERSIONED, ("delete", "a", 0)], [[("delete version", "", 0)]], 1)
    @example(VERSIONED, [[("put", "a", 0)], [("put", "a", 0)]], 1)
    @example(VERSIONED, [[("delete", "a", 0)], [("delete version", "", 0)]], 1)
    def test_changes_between_pages(
        self, before: Sequence[Change], between: Sequence[Sequence[Change]], size: int
    ) -> None:
        """A version that is there from the first page to the last is shown once, whatever
        becomes of others: also if it is set aside or promoted meanwhile."""
        self.begin(before)
        untouched = [(key, version) for key, version in self.plain.all() if not version.is_null]
        later = list(between)
        found: list[tuple[str, str]] = []
        markers = "", ""
        for _ in range(PAGES_MAX):
            page = self.page(key_marker=markers[0], version_id_marker=markers[1], entries_max=size)
            found += [(each.key, each.version_id) for each in page.versions]
            expected = self.plain.listed()
            for line in shown(page):
                self.assertIn(line, expected)
            markers = page.next_markers
            if not page.more:
                break
            for change in later.pop(0) if later else ():
                self.change(*change)
        self.assertEqual([key for key, _ in found], sorted((k for k, _ in found), key=str.encode))
        named = [each for each in found if each[1] != "null"]
        self.assertEqual(len(named), len(set(named)))
        kept = {(key, version.name) for key, version in self.plain.all()}
        for key, version in untouched:
            if (key, version.name) in kept:
                self.assertIn((key, version.name), named)


class PageTests(VersionListingCase):
    def setUp(self) -> None:
        super().setUp()
        self.plain = PlainVersions()

    def test_never_versioned(self) -> None:
        """Where there never were versions, each object is its own latest and null version."""
        self.change("put", "cat", 0)
        [each] = self.page().versions
        self.assertEqual((each.key, each.version_id, each.is_latest), ("cat", "null", True))

    def test_no_bucket(self) -> None:
        """A bucket that is not there is an error."""
        self.refused(BucketNotFound, self.store.version_listings.page("none"))

    def test_nothing_asked_for(self) -> None:
        """A page of nothing is whole."""
        self.change("put", "cat", 0)
        page = self.page(entries_max=0)
        self.assertEqual((page.versions, page.more), ([], False))

    def test_wrong_markers(self) -> None:
        """A version id marker needs a key marker, and must be an id."""
        for key, version in (
            ("", "null"),
            ("", VersionId(1, b"u" * 12).text()),
            ("cat", "nonsense"),
        ):
            page = self.store.version_listings.page(
                "photos", key_marker=key, version_id_marker=version
            )
            error = self.refused(InvalidArgument, page)
            self.assertEqual(error.name, "version-id-marker")

    def test_null_marker(self) -> None:
        """The marker 'null' means where the null version lies now, current or not; if it is
        gone the whole key is listed again."""
        self.change("put", "cat", 0)
        self.change("put", "dog", 0)
        self.assertEqual(self.behind_null("cat"), ["dog"])
        self.change("enable", "", 0)
        self.change("put", "cat", 0)
        self.assertEqual(self.behind_null("cat"), ["dog"])
        self.ok(self.store.objects.delete("photos", "cat", version_id="null"))
        self.assertEqual(self.behind_null("cat"), ["cat", "dog"])

    def behind_null(self, key: str) -> list[str]:
        page = self.page(key_marker=key, version_id_marker="null")
        return [each.key for each in page.versions]

    def test_key_marker_alone(self) -> None:
        """Without a version id, what follows a key marker is behind all versions of the key; in a
        common prefix, behind all of that."""
        self.change("enable", "", 0)
        for key in ("a", "a", "a/b", "a/c", "b"):
            self.change("put", key, 0)
        self.assertEqual([v.key for v in self.page(key_marker="a").versions], ["a/b", "a/c", "b"])
        page = self.page(key_marker="a/b", delimiter="/")
        self.assertEqual(([v.key for v in page.versions], page.prefixes), (["b"], []))

    def test_common_prefix_leads_on(self) -> None:
        """A page that ends with a common prefix has it as its key marker, and no version."""
        self.change("enable", "", 0)
        for key in ("a/b", "a/c", "b"):
            self.change("put", key, 0)
            self.change("delete", key, 0)
        page = self.page(delimiter="/", entries_max=1)
        self.assertEqual((page.prefixes, page.next_markers), (["a/"], ("a/", "")))

    def test_version_times_may_hold_the_delimiter(self) -> None:
        """What lies behind a key in its row is no part of it."""
        self.change("enable", "", 0)
        slash = int.from_bytes(b"////////", "big")
        self.now_us = (1 << 64) - 1 - slash
        self.change("delete", "cat", 0)
        page = self.page(delimiter="/")
        self.assertEqual(([v.key for v in page.versions], page.prefixes), (["cat"], []))

    def test_damage(self) -> None:
        """What is damaged is left out, and nothing else; what lies beneath is not the latest."""
        self.change("enable", "", 0)
        for _ in range(3):
            self.change("put", "cat", 0)
        self.change("put", "dog", 0)
        self.damage(self.rows(keys.OBJECTS)[0].key)
        self.damage(self.rows(keys.VERSIONS)[1].key)
        [version, dog] = self.page().versions
        self.assertEqual((version.is_latest, dog.is_latest), (False, True))
        self.assertEqual(version.version_id, self.plain.keys["cat"][1].name)
        self.assertEqual([v.key for v in self.followed(1)], ["cat", "dog"])

    def test_many_versions_of_a_key(self) -> None:
        """A page goes on through more versions than one look shows."""
        self.change("enable", "", 0)
        for _ in range(40):
            self.change("put", "cat", 0)
        self.assertEqual([v.version_id for v in self.followed(7)], self.names("cat"))

    def names(self, key: str) -> list[str]:
        return [version.name for version in self.plain.keys[key]]
