"""Opening a store: what is there, what is new, and what must not be touched."""

from __future__ import annotations

from msgspec import structs

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import Fenced, FormatUnsupported, StoreFailed
from objectd.interfaces import Commit, Put, Token
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Format, Incompatible
from objectd.objects import open_in_memory
from objectd.test.objects.cases import LARGE, InterposedMetadata, StoreCase, begin


class OpeningTests(StoreCase):
    def test_five_lines(self) -> None:
        """A store is created, used and closed in five lines."""
        store = self.ok(open_in_memory())
        self.ok(store.buckets.create("photos"))
        self.ok(store.objects.put("photos", "cat.jpg", LARGE))
        self.assertEqual(self.ok(self.ok(store.objects.get("photos", "cat.jpg")).read()), LARGE)
        self.ok(store.close())
        self.refused(StoreFailed, store.buckets.list())

    def test_again(self) -> None:
        """The next process finds the same store, and everything in it."""
        self.ok(self.store.objects.put("photos", "a", LARGE))
        first = self.store.format
        self.store = self.opened()
        self.assertEqual(self.store.format, first)
        self.assertEqual(self.read("a"), LARGE)

    def test_fenced(self) -> None:
        """The next process fences all before it, however many there were."""
        old = self.store
        for _ in range(3):
            self.store = self.opened()
        self.assertEqual(len(self.rows(keys.INCARNATIONS)), 1)
        failure = self.failureResultOf(begin(old.objects.put("photos", "a", LARGE)))
        self.assertIsInstance(failure.value, Fenced)

    def test_newer_format(self) -> None:
        """A store with features that are not known is refused before anything is touched."""
        [row] = self.rows(keys.FORMAT)
        known = decode(Format, row.value or b"")
        for newer in (
            structs.replace(known, incompatible=1 << 5),
            structs.replace(known, incompatible=Incompatible.VERSIONS | 1 << 5),
            structs.replace(known, read_compatible=1),
        ):
            self.put_format(encode(newer))
            before = self.metadata._state._rows.copy()
            error = self.refused(FormatUnsupported, self.opening())
            self.assertIn("use a newer one", str(error))
            self.assertEqual(self.metadata._state._rows, before)
        self.put_format(encode(structs.replace(known, compatible=1)))
        self.opened()

    def test_damaged_format(self) -> None:
        """Metadata whose format cannot be read is refused before anything is touched."""
        self.put_format(b"something else")
        before = self.metadata._state._rows.copy()
        self.refused(FormatUnsupported, self.opening())
        self.assertEqual(self.metadata._state._rows, before)

    def test_drives_of_another_store(self) -> None:
        """Drives that belong to another store are refused."""
        self.metadata = InterposedMetadata()
        self.refused(FormatUnsupported, self.opening())

    def test_new_drives(self) -> None:
        """A store whose drives were replaced by empty ones opens; what lay there is damaged."""
        self.blobs = MemoryBlobs()
        self.store = self.opened()
        self.ok(self.store.objects.put("photos", "a", LARGE))
        self.assertEqual(self.read("a"), LARGE)

    def put_format(self, value: bytes) -> None:
        self.put_formats += 1
        incarnation = self.store.core.writer.incarnation
        token = Token(incarnation, (1 << 32) + self.put_formats)
        self.ok(self.metadata.commit(Commit(token, 0, (Put(keys.FORMAT, value),))))

    put_formats = 0
