"""Listings agree with a sorted model, for both versions of the API and for uploads."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import example, given
from hypothesis import strategies as st

from objectd.model.records import Upload
from objectd.objects.listing import ObjectPage, after_key, after_marker
from objectd.objects.upload_listing import UploadId
from objectd.test.objects.cases import StoreCase

TEXTS = st.lists(st.sampled_from(("a", "b", "/", "ä", "\0", "😀", "\uffff")), max_size=5).map(
    "".join
)
KEYS = st.lists(TEXTS.filter(bool), max_size=12, unique=True)
DELIMITERS = st.sampled_from(("", "/", "//", "a", "ä", "b/"))
PAGE_SIZES = st.integers(1, 6)
PAGES_MAX = 14
"""More than there can be: a listing that goes round in circles must not hang the tests."""


def common_prefix(key: str, prefix: str, delimiter: str) -> str:
    end = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: end + len(delimiter)] if end >= 0 else ""


def rolled_up(keys: Iterable[str], prefix: str, delimiter: str) -> list[str]:
    """Keys and common prefixes in order, as both versions of the listing show them."""
    shown: list[str] = []
    for key in sorted(keys, key=str.encode):
        if key.startswith(prefix):
            name = common_prefix(key, prefix, delimiter) or key
            if not shown or shown[-1] != name:
                shown.append(name)
    return shown


def names(page: ObjectPage) -> list[str]:
    """What a page shows, in the order of its two lists taken together."""
    both = [listed.key for listed in page.objects] + page.prefixes
    return sorted(both, key=str.encode)


class ListingTests(StoreCase):
    def fill(self, keys: Iterable[str]) -> None:
        self.setUp()
        for key in keys:
            self.ok(self.store.objects.put("photos", key, b""))

    def pages(self, position: bytes, size: int, prefix: str, delimiter: str) -> list[ObjectPage]:
        pages: list[ObjectPage] = []
        following: bytes | None = position
        while following is not None:
            page = self.ok(
                self.store.listings.objects(
                    "photos",
                    prefix=prefix,
                    delimiter=delimiter,
                    position=following,
                    entries_max=size,
                )
            )
            pages.append(page)
            following = page.next_position
            self.assertLessEqual(len(pages), PAGES_MAX)
        return pages

    @given(KEYS, TEXTS, DELIMITERS, TEXTS, PAGE_SIZES)
    @example(["a/1", "a/2"], "", "/", "a/1", 1)
    def test_v2(
        self, keys: list[str], prefix: str, delimiter: str, start_after: str, size: int
    ) -> None:
        """V2: the keys after `start-after`, rolled up, in full pages but for the last."""
        self.fill(keys)
        position = after_key(start_after) if start_after else b""
        pages = self.pages(position, size, prefix, delimiter)
        after = [key for key in keys if key.encode() > start_after.encode()]
        shown = [name for page in pages for name in names(page)]
        self.assertEqual(shown, rolled_up(after, prefix, delimiter))
        self.assertEqual({len(names(page)) for page in pages[:-1]} - {size}, set())
        self.assertEqual([page.last for page in pages if names(page)], shown_last(pages))

    @given(KEYS, TEXTS, DELIMITERS, TEXTS, PAGE_SIZES)
    @example(["a/1", "a/2", "b"], "", "/", "a/1", 1)
    def test_v1(self, keys: list[str], prefix: str, delimiter: str, marker: str, size: int) -> None:
        """V1: what is shown after the marker, and each page's last name leads to the next."""
        self.fill(keys)
        shown: list[str] = []
        following: str | None = marker
        for _ in range(PAGES_MAX):
            if following is None:
                break
            position = after_marker(following, prefix, delimiter) if following else b""
            page = self.ok(
                self.store.listings.objects(
                    "photos",
                    prefix=prefix,
                    delimiter=delimiter,
                    position=position,
                    entries_max=size,
                )
            )
            shown += names(page)
            following = page.last if page.next_position is not None else None
        self.assertIsNone(following, "the pages do not end")
        skipped = common_prefix(marker, prefix, delimiter) if marker.startswith(prefix) else ""
        after = [
            key
            for key in keys
            if key.encode() > marker.encode() and not (skipped and key.startswith(skipped))
        ]
        self.assertEqual(shown, rolled_up(after, prefix, delimiter))

    def test_no_entries(self) -> None:
        """A page of none shows nothing, and says that it is the last."""
        self.fill(["a"])
        page = self.ok(self.store.listings.objects("photos", entries_max=0))
        self.assertEqual((names(page), page.next_position), ([], None))

    def test_exact_page(self) -> None:
        """A page that just holds everything is the last."""
        self.fill(["a", "b/1", "b/2"])
        page = self.ok(self.store.listings.objects("photos", delimiter="/", entries_max=2))
        self.assertEqual((names(page), page.next_position), (["a", "b/"], None))

    def test_heads(self) -> None:
        """A listing shows what HEAD shows of size, ETag and time."""
        put = self.ok(self.store.objects.put("photos", "a", b"12"))
        [listed] = self.ok(self.store.listings.objects("photos")).objects
        self.assertEqual(listed.head, put.head)


def shown_last(pages: list[ObjectPage]) -> list[str]:
    return [names(page)[-1] for page in pages if names(page)]


class UploadListingTests(StoreCase):
    @given(
        st.lists(TEXTS.filter(bool), max_size=10), TEXTS, DELIMITERS, PAGE_SIZES, st.integers(0, 2)
    )
    def test_pages(
        self, keys: list[str], prefix: str, delimiter: str, size: int, steps_back: int
    ) -> None:
        """Uploads come by key and then by start, rolled up, and each page leads to the next."""
        self.setUp()
        created: list[tuple[bytes, UploadId]] = []
        for n, key in enumerate(keys):
            self.now_us += 1 if n % (steps_back + 1) else -1
            created.append((key.encode(), self.ok(self.store.uploads.create("photos", key)).id))
        shown: list[str] = []
        key_marker = upload_id_marker = ""
        more = True
        for _ in range(PAGES_MAX):
            if not more:
                break
            page = self.ok(
                self.store.uploads.list(
                    "photos",
                    prefix=prefix,
                    delimiter=delimiter,
                    key_marker=key_marker,
                    upload_id_marker=upload_id_marker,
                    uploads_max=size,
                )
            )
            both = [(key.encode(), text(upload)) for key, upload in page.uploads]
            both += [(common.encode(), common) for common in page.prefixes]
            shown += [name for _, name in sorted(both)]
            self.assertLessEqual(len(both), size)
            key_marker, upload_id_marker = page.next_markers
            more = page.more
        self.assertFalse(more, "the pages do not end")
        expected: list[str] = []
        for raw_key, upload_id in sorted(created):
            key = raw_key.decode()
            if key.startswith(prefix):
                name = common_prefix(key, prefix, delimiter) or upload_id.text()
                if name not in expected:
                    expected.append(name)
        self.assertEqual(shown, expected)

    def test_no_uploads(self) -> None:
        """A page of none shows nothing."""
        self.upload("a")
        page = self.ok(self.store.uploads.list("photos", uploads_max=0))
        self.assertEqual((page.uploads, page.prefixes), ([], []))


def text(upload: Upload) -> str:
    return UploadId.of(upload).text()
