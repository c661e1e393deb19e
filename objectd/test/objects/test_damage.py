"""One damaged record costs what it describes, and nothing else."""

from __future__ import annotations

from objectd.errors import DamagedBlob, DamagedRecord
from objectd.interfaces import Commit, Put, Token
from objectd.model import keys
from objectd.objects import usage
from objectd.objects.writer import Batch
from objectd.test.objects.cases import LARGE, StoreCase, begin


class DamageTests(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.sequence = 1 << 32
        for key in ("a", "b", "c"):
            self.ok(self.store.objects.put("photos", key, LARGE + key.encode()))

    def damage(self, prefix: bytes) -> None:
        """Flip a bit in the first row with this prefix."""
        row = self.rows(prefix)[0]
        value = row.value or b""
        self.sequence += 1
        token = Token(self.store.core.writer.incarnation, self.sequence)
        broken = value[:-1] + bytes((value[-1] ^ 1,))
        self.ok(self.metadata.commit(Commit(token, 0, (Put(row.key, broken),))))

    def damage_object(self, where: str = "head") -> None:
        row = self.rows(b"o")[0]
        value = bytearray(row.value or b"")
        value[10 if where == "head" else -1] ^= 1
        self.sequence += 1
        token = Token(self.store.core.writer.incarnation, self.sequence)
        self.ok(self.metadata.commit(Commit(token, 0, (Put(row.key, bytes(value)),))))

    def tearDown(self) -> None:
        self.flushLoggedErrors()

    def test_read(self) -> None:
        """A damaged object is refused, and others are read."""
        self.damage_object()
        self.refused(DamagedRecord, self.store.objects.get("photos", "a"))
        self.refused(DamagedRecord, self.store.objects.head("photos", "a"))
        self.assertEqual(self.read("b"), LARGE + b"b")
        self.ok(self.store.core.reads.drained())

    def test_list(self) -> None:
        """An object whose head is damaged is left out of listings; a damaged tail does not
        matter to them."""
        self.damage_object("tail")
        self.assertEqual(self.keys_listed(), ["a", "b", "c"])
        self.damage_object("head")
        self.assertEqual(self.keys_listed(), ["b", "c"])

    def test_overwrite(self) -> None:
        """A damaged object is overwritten."""
        self.damage_object()
        self.ok(self.store.objects.put("photos", "a", b"new"))
        self.assertEqual(self.read("a"), b"new")
        self.assertEqual(self.keys_listed(), ["a", "b", "c"])

    def test_complete(self) -> None:
        """A damaged object is replaced by a completed upload."""
        self.damage_object()
        self.complete("a", self.upload("a", LARGE))
        self.assertEqual(self.read("a"), LARGE)

    def test_delete(self) -> None:
        """A damaged object is deleted, and then the bucket can be."""
        self.damage_object()
        self.ok(self.store.objects.delete_many("photos", ["a", "b", "c"]))
        self.ok(self.store.buckets.delete("photos"))
        self.ok(self.store.collector.run_to_rest())

    def test_payload(self) -> None:
        """A damaged payload is refused and overwritten."""
        self.ok(self.store.objects.put("photos", "a", b"small"))
        self.damage(b"p")
        self.refused(DamagedRecord, self.store.objects.get("photos", "a"))
        self.ok(self.store.objects.put("photos", "a", b"small"))
        self.assertEqual(self.read("a"), b"small")

    def test_blob(self) -> None:
        """A damaged blob row costs the objects that lie in it; its content is stored anew."""
        self.damage(b"B")
        self.refused(DamagedRecord, self.ok(self.store.objects.get("photos", "a")).read())
        self.ok(self.store.objects.put("photos", "a", LARGE + b"a"))
        self.assertEqual(self.read("a"), LARGE + b"a")
        self.ok(self.store.objects.delete("photos", "b"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("c"), LARGE + b"c")

    def test_missing_file(self) -> None:
        """A file that is gone costs the objects that lie in it."""
        self.ok(self.blobs.unlink(self.files()[:1]))
        self.refused(DamagedBlob, self.ok(self.store.objects.get("photos", "a")).read())
        self.ok(self.store.core.reads.drained())
        self.assertEqual(self.read("b"), LARGE + b"b")

    def test_content(self) -> None:
        """A damaged content row costs no object: the content is stored once more."""
        self.damage(b"c")
        for key in ("a", "b", "c"):
            self.ok(self.store.objects.put("photos", key + "2", LARGE + key.encode()))
            self.assertEqual(self.read(key + "2"), LARGE + key.encode())

    def test_upload(self) -> None:
        """A damaged upload is aborted; others are listed and completed."""
        damaged, whole = self.upload("a", LARGE), self.upload("b", LARGE)
        self.damage(b"u")
        listed = [key for key, _ in self.ok(self.store.uploads.list("photos")).uploads]
        self.assertEqual(listed, ["b"])
        self.complete("b", whole)
        self.refused(DamagedRecord, self.store.uploads.parts("photos", "a", damaged))
        self.ok(self.store.uploads.abort("photos", "a", damaged))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.rows(b"u"), [])

    def test_part(self) -> None:
        """A damaged part costs a Complete that lists it, and is put again."""
        upload_id = self.upload("a", LARGE)
        listed = self.listed("a", upload_id)
        self.damage(b"t")
        complete = self.store.completions.complete
        self.refused(DamagedRecord, complete("photos", "a", upload_id, listed))
        self.ok(self.store.uploads.put_part("photos", "a", upload_id, 1, LARGE))
        self.ok(complete("photos", "a", upload_id, listed))
        self.assertEqual(self.read("a"), LARGE)

    def test_part_of_aborted(self) -> None:
        """A damaged part does not keep the collector from the others."""
        upload_id = self.upload("a", LARGE + b"1", LARGE + b"2")
        self.damage(b"t")
        self.ok(self.store.uploads.abort("photos", "a", upload_id))
        self.ok(self.store.objects.delete("photos", "b"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual((self.rows(b"t"), self.rows(b"d")), ([], []))
        self.assertEqual(len(self.files()), 3)

    def test_manifest_of_unlisted(self) -> None:
        """Parts whose manifest is lost stay as long as an object refers to it."""
        upload_id = self.upload("a", LARGE)
        self.complete("a", upload_id)
        batch = Batch()
        batch.delete(self.rows(keys.MANIFESTS)[0].key)
        self.ok(self.store.core.writer.commit(batch))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("a"), LARGE)
        self.ok(self.store.objects.delete("photos", "a"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.rows(keys.PARTS), [])

    def test_usage_counter(self) -> None:
        """A damaged counter costs what it counted, and no process its start."""
        self.ok(self.store.objects.put("photos", "b", LARGE))
        self.store = self.opened()
        self.ok(self.store.objects.put("photos", "d", LARGE))
        batch = Batch()
        for row in self.rows(keys.USAGES):
            if keys.usage_fields(row.key)[2] == usage.BASE:
                batch.put(row.key, b"damaged")
        self.ok(self.store.core.writer.commit(batch))
        self.store = self.opened()
        counted = self.ok(self.store.buckets.usage("photos"))
        self.assertEqual(counted, usage.Usage(1, len(LARGE)))

    def test_bucket_name(self) -> None:
        """A damaged bucket is left out of the list of buckets."""
        self.ok(self.store.buckets.create("archive"))
        self.damage(keys.BUCKET_NAMES)
        names = [bucket.name for bucket in self.ok(self.store.buckets.list()).buckets]
        self.assertEqual(names, ["photos"])
        self.refused(DamagedRecord, self.store.buckets.get("archive"))

    def test_trash(self) -> None:
        """A damaged row of the trash does not keep other files from being unlinked; the sweep
        of the next process takes its file."""
        opened = self.ok(self.store.objects.get("photos", "c"))
        self.ok(self.store.objects.delete_many("photos", ["a", "b"]))
        collecting = begin(self.store.collector.run())
        self.damage(b"x")
        opened.close()
        self.successResultOf(collecting)
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(len(self.files()), 2)
        self.store = self.opened()
        self.ok(self.store.sweep.run())
        self.assertEqual(len(self.files()), 1)
