"""A store at rest to be checked, and ways to break it."""

from __future__ import annotations

from collections.abc import Callable

from objectd.interfaces import BlobFile, Entry
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode
from objectd.objects.checking import Check, Finding, Problem, repair
from objectd.objects.writer import Batch
from objectd.test.objects.cases import LARGE, StoreCase

PARTS = (LARGE + b"1", LARGE + b"2", LARGE + b"3")
UID = bytes(11) + b"\x07"
"""An id of an incarnation that never was."""


class CheckCase(StoreCase):
    """A bucket at rest with an object of each form and an upload in progress.

    Its blobs, in order: that of `large`, those of the three parts, that of the part of the
    upload in progress.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ok(self.store.objects.put("photos", "small", b"in a row"))
        self.ok(self.store.objects.put("photos", "large", LARGE))
        self.ok(self.store.objects.put("photos", "empty", b""))
        self.complete("parts", self.upload("parts", *PARTS))
        self.upload("under way", LARGE + b"begun")
        self.ok(self.store.collector.run_to_rest())
        self.bucket_id = self.ok(self.store.buckets.id_of("photos"))
        self.large, *self.parts, self.begun = (row.key[1:] for row in self.rows(keys.BLOBS))
        [manifest] = self.rows(keys.MANIFESTS)
        self.upload_uid = manifest.key[1:]

    def new_check(self) -> Check:
        core = self.store.core
        return Check(core.metadata, core.blobs, self.store.format.digest_key)

    def check(self, *, deep: bool = False, repairs: bool = False) -> list[Finding]:
        check = self.new_check()

        async def every() -> list[Finding]:
            findings = []
            async for finding in check.run(deep=deep):
                findings.append(finding)
                if repairs:
                    await repair(self.store.core.writer, finding)
            return findings

        return self.ok(every())

    def assert_found(self, *expected: Problem, deep: bool = False) -> list[Finding]:
        findings = self.check(deep=deep)
        self.assertEqual(
            sorted(problem.name for problem in expected),
            sorted(finding.problem.name for finding in findings),
            "\n" + "\n".join(map(str, findings)),
        )
        return findings

    # Breaking things

    def change(self, fill: Callable[[Batch], object]) -> None:
        batch = Batch()
        fill(batch)
        self.ok(self.store.core.writer.commit(batch))

    def put(self, key: bytes, value: bytes) -> None:
        self.change(lambda batch: batch.put(key, value))

    def remove(self, key: bytes) -> None:
        self.change(lambda batch: batch.delete(key))

    def damage(self, key: bytes) -> None:
        value = self.value(key)
        self.put(key, value[:-1] + bytes((value[-1] ^ 1,)))

    def value(self, key: bytes) -> bytes:
        [row] = self.ok(self.metadata.get([key]))
        assert row is not None
        return row.value

    def row(self, prefix: bytes) -> Entry:
        return self.rows(prefix)[0]

    def object_key(self, key: str) -> bytes:
        return keys.object_(self.bucket_id, key.encode())

    def file_of(self, uid: bytes) -> BlobFile:
        blob = decode(Blob, self.value(keys.blob(uid)))
        return BlobFile(blob.drive, uid, blob.digest)
