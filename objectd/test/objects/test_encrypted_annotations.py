"""Annotations of encrypted versions: encrypted as these are."""

from __future__ import annotations

from objectd.errors import (
    CustomerKeyMissing,
    DamagedRecord,
    InvalidOperation,
    KeyDisabled,
    ObjectNotFound,
)
from objectd.interfaces import Commit, Entry, Put
from objectd.model import keys
from objectd.objects.checking import Problem
from objectd.objects.collecting.annotated import UNFINISHED_US_MAX
from objectd.objects.encryption import CustomerKey, EncryptionWanted
from objectd.objects.overrides import Overrides
from objectd.test.objects.cases import LARGE, Act
from objectd.test.objects.encrypted import (
    ENCRYPTED,
    SETTINGS,
    SOURCE,
    TARGET,
    EncryptionCase,
    key_of,
    raw,
)

TEXT = b"a text that nobody must find"
LONG = b"0123456789abcdef" * (1 << 16)
"""As much as an annotation may have: two rows of it."""

MANAGED = {name: wanted for name, wanted in ENCRYPTED.items() if wanted.customer_key is None}
ANNOTATABLE = {name: wanted for name, wanted in SETTINGS.items() if key_of(wanted) is None}


class EncryptedAnnotationsCase(EncryptionCase):
    def annotate(self, text: bytes, name: str = "a", key: str = "source") -> None:
        self.ok(self.store.annotations.put("photos", key, name, text))

    def text(self, name: str = "a", key: str = "source", version: str = "") -> bytes:
        get = self.store.annotations.get("photos", key, name, version_id=version)
        return self.ok(get).payload

    def pieces(self) -> list[Entry]:
        rows = self.rows(keys.ANNOTATIONS)
        return [row for row in rows if row.key[1 + keys.UID_BYTES]]

    def copy(
        self,
        wanted: EncryptionWanted | None,
        customer: CustomerKey | None = None,
        own: Overrides = Overrides(),  # noqa: B008 - frozen
    ) -> None:
        self.ok(
            self.store.copies.copy(
                SOURCE, TARGET, own=own, encryption=wanted, source_customer_key=customer
            )
        )


class AnnotationTests(EncryptedAnnotationsCase):
    def test_put_and_get(self) -> None:
        """What is put comes back and is nowhere to be seen; put again, it is other bytes."""
        for wanted in MANAGED.values():
            self.put("source", LARGE, wanted)
            self.ok(self.store.collector.run_to_rest())
            for text in (b"x", TEXT, LONG):
                self.annotate(text)
                before = self.pieces()
                self.annotate(text)
                self.assertEqual(self.text(), text)
                for old, new in zip(before, self.pieces(), strict=True):
                    self.assertNotIn(text[:100] if len(text) > 1 else TEXT, raw(new))
                    self.assertNotEqual(raw(old), raw(new))
                self.assertEqual(self.findings(), [])

    def test_customer_key(self) -> None:
        """Where only the customer has the key there are none."""
        self.put("source", LARGE, ENCRYPTED["mine"])
        put = self.store.annotations.put("photos", "source", "a", TEXT)
        self.refused(InvalidOperation, put)
        self.assertEqual(self.rows(keys.ANNOTATIONS), [])

    def test_another_key(self) -> None:
        """They stay readable when their version is given another key."""
        self.put("source", LARGE, ENCRYPTED["s3"])
        self.annotate(TEXT)
        update = self.store.object_encryption.update("photos", "source", ENCRYPTED["kms"])
        self.ok(update)
        self.assertEqual(self.text(), TEXT)
        self.annotate(LONG, "b")
        self.assertEqual((self.text(), self.text("b")), (TEXT, LONG))

    def test_disabled(self) -> None:
        """Without the key they can neither be read nor put, but listed and deleted."""
        self.put("source", LARGE, ENCRYPTED["kms"])
        self.annotate(TEXT)
        self.ok(self.keys.switch("objectd-kms", enabled=False))
        annotations = self.store.annotations
        self.refused(KeyDisabled, annotations.get("photos", "source", "a"))
        self.refused(KeyDisabled, annotations.put("photos", "source", "b", TEXT))
        self.assertEqual(len(self.ok(annotations.list("photos", "source")).annotations), 1)
        self.ok(annotations.delete("photos", "source", "a"))
        self.assertEqual(self.rows(keys.ANNOTATIONS), [])

    def test_replaced_meanwhile(self) -> None:
        """An annotation is encrypted for the version that gets it."""
        self.put("source", LARGE, ENCRYPTED["s3"])
        for wanted in ANNOTATABLE.values():

            async def replace(wanted: EncryptionWanted | None = wanted) -> None:
                await self.store.objects.put("photos", "source", b"newer", encryption=wanted)

            self.metadata.after(keys.OBJECTS, replace)
            self.annotate(TEXT)
            self.assertEqual(self.text(), TEXT)
            self.assertEqual(self.findings(), [])

    def test_tampered(self) -> None:
        """What was changed, swapped or put there in the clear is told from what was put."""
        self.put("source", LARGE, ENCRYPTED["s3"])
        self.annotate(TEXT, "a")
        self.annotate(TEXT, "b")
        first, second = self.pieces()
        record, _ = self.rows(keys.ANNOTATIONS)[:2]
        self.write_row(second.key, raw(first))
        self.refused(DamagedRecord, self.store.annotations.get("photos", "source", "b"))
        self.assertEqual(self.text("a"), TEXT)
        self.put("plain", LARGE, None)
        self.annotate(TEXT, "a", "plain")
        plain = self.pieces()[-1]
        [plain_record, *_] = [
            row for row in self.rows(keys.ANNOTATIONS) if row.key[:13] == plain.key[:13]
        ]
        self.write_row(first.key, raw(plain))
        self.refused(DamagedRecord, self.store.annotations.get("photos", "source", "a"))
        self.assertEqual([f.problem for f in self.findings()], [Problem.ANNOTATION_WRONG])
        self.write_row(record.key, raw(plain_record))
        self.refused(DamagedRecord, self.store.annotations.get("photos", "source", "a"))

    def test_versions(self) -> None:
        """Those of a noncurrent version go on being its own."""
        self.ok(self.store.buckets.set_versioning("photos", enabled=True))
        self.put("source", LARGE, ENCRYPTED["kms"])
        self.annotate(TEXT)
        old = self.ok(self.store.objects.head(*SOURCE)).version_id
        self.put("source", LARGE, ENCRYPTED["s3"])
        self.annotate(LONG)
        self.assertEqual((self.text(version=old), self.text()), (TEXT, LONG))


class CopyTests(EncryptedAnnotationsCase):
    def test_every_pair(self) -> None:
        """A copy has its source's annotations, encrypted as the copy is."""
        for source in ANNOTATABLE.values():
            for data in (b"", b"small", LARGE):
                self.put("source", data, source)
                self.annotate(TEXT)
                self.annotate(LONG, "long")
                for target in ANNOTATABLE.values():
                    self.copy(target)
                    self.assertEqual(self.got("target"), data)
                    texts = self.text(key="target"), self.text("long", "target")
                    self.assertEqual(texts, (TEXT, LONG))
                    self.assertEqual(self.findings(), [])
                    if target is not None:
                        self.ok(self.store.objects.delete(*SOURCE))
                        self.ok(self.store.collector.run_to_rest())
                        self.assertNotIn(TEXT, b"".join(raw(row) for row in self.pieces()))
                        self.put("source", data, source)
                        self.annotate(TEXT)
                        self.annotate(LONG, "long")

    def test_for_a_customer(self) -> None:
        """A copy for a customer's key has none: it is made without them, or not at all."""
        for source in ANNOTATABLE.values():
            self.put("source", LARGE, source)
            self.annotate(TEXT)
            mine = ENCRYPTED["mine"]
            copy = self.store.copies.copy
            self.refused(InvalidOperation, copy(SOURCE, TARGET, encryption=mine))
            self.refused(ObjectNotFound, self.store.objects.head(*TARGET))
            self.copy(mine, own=Overrides(annotations=False))
            self.assertEqual(self.got("target", key_of(mine)), LARGE)
            self.refused(CustomerKeyMissing, self.store.objects.get(*TARGET))
            self.ok(self.store.objects.delete(*TARGET))

    async def drop(self) -> None:
        for name in "bcd":
            await self.store.annotations.delete("photos", "source", name)

    def after_first_portion(self, act: Act) -> None:
        """Have `act` done once, after the first commit of annotations beneath a copy."""
        commit, acts = self.metadata.commit, [act]

        async def committing(wanted: Commit) -> int:
            revision = await commit(wanted)
            changed = [change.key for change in wanted.changes if isinstance(change, Put)]
            if acts and any(key.startswith(keys.ANNOTATION_CANDIDATES) for key in changed):
                await acts.pop()()
            return revision

        self.patch(self.metadata, "commit", committing)

    def test_tried_again(self) -> None:
        """Of what a first attempt to commit the copy has put nothing becomes the copy's."""
        for source, target in (("none", "s3"), ("s3", "dsse"), ("dsse", "none")):
            self.put("source", LARGE, SETTINGS[source])
            for name in "abcd":
                self.annotate(LONG, name)

            self.after_first_portion(self.drop)
            self.copy(SETTINGS[target])
            self.assertEqual(self.text("a", "target"), LONG)
            page = self.ok(self.store.annotations.list("photos", "target"))
            self.assertEqual(len(page.annotations), 1)
            self.now_us += UNFINISHED_US_MAX + 1
            self.ok(self.store.collector.run_to_rest())
            self.assertEqual(self.rows(keys.ANNOTATION_CANDIDATES), [])
            self.assertEqual(self.text("a", "target"), LONG)
            self.assertEqual(self.findings(), [])

    def test_source_replaced(self) -> None:
        """A copy never mixes the bytes of one version with the annotations of another."""
        self.put("source", LARGE, ENCRYPTED["s3"])
        self.annotate(TEXT)

        async def replace() -> None:
            await self.store.objects.put("photos", "source", b"newer")
            await self.store.annotations.put("photos", "source", "a", b"its own")

        self.metadata.after_second(keys.OBJECTS, replace)
        self.copy(ENCRYPTED["dsse"])
        self.assertEqual((self.got("target"), self.text(key="target")), (b"newer", b"its own"))
        self.assertEqual(self.findings(), [])
