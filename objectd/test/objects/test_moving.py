"""Moves between storage classes: what changes of a version, and what may happen meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf

from msgspec import structs
from twisted.internet.defer import CancelledError, Deferred

from objectd.errors import DamagedBlob, OutcomeUnknown, StoreFailed, UploadNotFound
from objectd.model import keys
from objectd.model.blobs import Blob, Codec
from objectd.model.codec import decode, encode, encode_object
from objectd.model.records import Format, Incompatible, Upload, UploadState
from objectd.objects import ListedPart, UploadId
from objectd.objects.copy_source import ObjectName
from objectd.objects.moving import VersionChanged, move_class
from objectd.objects.writer import Batch
from objectd.test.objects.cases import LARGE, begin
from objectd.test.objects.encrypted import ENCRYPTED, key_of
from objectd.test.objects.moving_case import PARTS, SOFT, MovingCase, nothing_found

OTHER = b"something else, which is a blob as well"


def die_moving(case: MovingCase, key: str, changes: int) -> None:
    """The process dies after so many changes."""
    core = case.store.core
    case.metadata.changes_left = changes
    target = core.classes.named("GLACIER")
    moving = begin(move_class(core, case.find(key), target, case.pace))
    moving.addErrback(lambda failure: failure.trap(OutcomeUnknown, StoreFailed))
    case.successResultOf(moving)
    case.metadata.changes_left = None


class FormTests(MovingCase):
    """Every form of an object, from every class to every other."""

    def test_all(self) -> None:
        """A version that goes down the whole waterfall stays what it is, byte for byte."""
        held = self.put_all()
        for storage_class in ("STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"):
            for key, data in held.items():
                self.assert_moved(key, data, storage_class)
            self.assertEqual(set(self.journalled()), {key.encode() for key in held})
            self.assert_clean()

    def test_encrypted(self) -> None:
        """Encrypted ones, too, without their keys: moved once, and moved again."""
        for name, wanted in ENCRYPTED.items():
            held = self.put_all(wanted)
            for storage_class in ("STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"):
                asked = self.keys.calls
                for key, data in held.items():
                    self.move(key, storage_class)
                    self.assertEqual(self.keys.calls, asked, name)
                    self.assert_moved(key, data, storage_class, wanted)
                    asked = self.keys.calls
            self.assert_clean()

    def test_where(self) -> None:
        """The bytes are in the store of the class, as it keeps them."""
        self.put("soft", SOFT, None)
        for storage_class, codec, is_cold in (
            ("STANDARD_IA", Codec.FRAMES, False),
            ("GLACIER_IR", Codec.FRAMES, True),
            ("GLACIER", Codec.PLAIN, True),
            ("DEEP_ARCHIVE", Codec.FRAMES, False),
        ):
            self.move("soft", storage_class)
            self.assert_clean()
            [row] = self.rows(keys.BLOBS)
            blob = decode(Blob, row.value or b"")
            self.assertEqual((blob.codec, blob.storage_class), (codec, storage_class))
            self.assertEqual(len(self.cold_files()), is_cold)

    def test_alike(self) -> None:
        """Between classes that keep alike no byte is read or written."""
        held = self.put_all()
        for key in held:
            self.move(key, "STANDARD_IA")
        before = self.rows(keys.BLOBS), {key: self.version(key).tail for key in held}
        for key in held:
            self.move(key, "ONEZONE_IA")
        self.assertEqual(before, (self.rows(keys.BLOBS), {k: self.version(k).tail for k in held}))

    def test_features(self) -> None:
        """Programs that know of no classes open the store no more."""
        self.put("small", b"x", None)
        self.move("small", "GLACIER")
        [row] = self.rows(keys.FORMAT)
        features = decode(Format, row.value or b"").incompatible
        self.assertTrue(features & Incompatible.STORAGE_CLASSES)

    def test_annotated(self) -> None:
        """Annotations stay with their version."""
        self.put("large", LARGE, None)
        self.ok(self.store.annotations.put("photos", "large", "note", b"text"))
        self.move("large", "GLACIER")
        opened = self.ok(self.store.annotations.get("photos", "large", "note"))
        self.assertEqual(opened.payload, b"text")
        self.assert_clean()

    def test_read_meanwhile(self) -> None:
        """Who reads while it is moved reads to the end."""
        for key in ("large", "parts"):
            self.put_all()
            opened = self.ok(self.store.objects.get("photos", key))
            self.move(key, "GLACIER")
            collecting = begin(self.store.collector.run_to_rest())
            self.assertNoResult(collecting)
            data = self.ok(opened.read())
            self.successResultOf(collecting)
            self.assertEqual(data, LARGE if key == "large" else b"".join(PARTS))
            self.assert_clean()


class SharedTests(MovingCase):
    """Bytes that others have as well."""

    def copy(self, source: str, target: str) -> None:
        self.ok(self.store.copies.copy(ObjectName("photos", source), ObjectName("photos", target)))

    def test_copies(self) -> None:
        """A copy keeps the bytes that it shared."""
        held = self.put_all()
        for key in held:
            self.copy(key, f"{key} copied")
        for key, data in held.items():
            self.assert_moved(key, data, "GLACIER")
            self.assert_read(f"{key} copied", data)
        self.assert_clean()
        for key, data in held.items():
            self.assert_moved(f"{key} copied", data, "DEEP_ARCHIVE")
            self.assert_read(key, data)
        self.assert_clean()

    def test_copied_meanwhile(self) -> None:
        """A copy of what is moved, and whose old bytes are collected, between its look at the
        source and its commit is made of the new ones."""
        for key, data in self.put_all().items():
            for storage_class, prefix in (
                ("STANDARD_IA", keys.PAYLOADS),
                ("GLACIER", keys.BLOBS),
                ("DEEP_ARCHIVE", keys.MANIFESTS),
            ):
                arm = self.metadata.after if prefix == keys.PAYLOADS else self.metadata.before
                arm(prefix, partial(self.moved_and_collected, key, storage_class))
                self.copy(key, "copy")
                self.metadata.calm()
                self.assert_read("copy", data)
                self.assert_read(key, data)
                self.assert_clean()

    async def moved_and_collected(self, key: str, storage_class: str) -> None:
        self.metadata.calm()
        self.move(key, storage_class)
        begin(self.store.collector.run_to_rest())

    def test_twins(self) -> None:
        """Equal content that is moved to one class is one blob again."""
        for key in "abc":
            self.put(key, LARGE, None)
            self.move(key, "GLACIER")
        self.assert_clean()
        self.assertEqual(len(self.rows(keys.BLOBS)), 1)
        self.assertEqual({self.blob_of(key) for key in "abc"}, {self.blob_of("a")})

    def test_own_twin(self) -> None:
        """A blob that already lies where it is to be moved is not let go: an operator may have
        changed how a class is kept."""
        self.put("soft", SOFT, None)
        self.move("soft", "DEEP_ARCHIVE")
        blob = self.blob_of("soft")
        found = self.version("soft")
        head = structs.replace(found.head, storage_class="STANDARD")
        batch = Batch()
        batch.put(found.row_key, encode_object(head, found.tail))
        self.ok(self.store.core.writer.commit(batch))
        self.assert_moved("soft", SOFT, "DEEP_ARCHIVE")
        self.assertEqual(self.blob_of("soft"), blob)
        self.assert_clean()

    def test_grown_after(self) -> None:
        """What was moved can be appended to, and a copy in parts made of it."""
        held = self.put_all()
        for key in ("large", "parts", "grown"):
            self.move(key, "STANDARD_IA")
            size = len(held[key])
            self.ok(self.store.appends.append("photos", key, OTHER, offset_bytes=size))
            self.assert_read(key, held[key] + OTHER)
        self.assert_clean()


class RaceTests(MovingCase):
    """Something happens while a version is moved."""

    def moving(self, key: str, meanwhile: Callable[[], object], prefix: bytes) -> Deferred[None]:
        """Move it while somebody does something, after this family is read."""
        core = self.store.core
        target = core.classes.named("GLACIER")

        async def act() -> None:
            meanwhile()

        self.metadata.after(prefix, act)
        return begin(move_class(core, self.find(key), target, self.pace))

    def tag(self, key: str) -> None:
        self.ok(self.beside().tags.put("photos", key, {"a": "1"}))

    def test_replaced(self) -> None:
        """A version that is replaced or deleted meanwhile is not brought back."""
        objects = self.beside().objects
        for key in ("large", "parts"):
            for prefix in (keys.objects(0)[:1], keys.BLOBS, keys.CONTENTS):
                for act in (
                    lambda key=key: self.ok(objects.put("photos", key, OTHER)),
                    lambda key=key: self.ok(objects.delete("photos", key)),
                ):
                    self.put_all()
                    moving = self.moving(key, act, prefix)
                    self.failureResultOf(moving, VersionChanged)
                    found = self.ok(self.found(key))
                    if found is not None:
                        self.assertEqual(found.head.storage_class, "STANDARD")
                        self.assert_read(key, OTHER)
                    self.assert_clean()

    def test_collected(self) -> None:
        """Nor is one whose bytes are collected meanwhile."""
        for key in ("large", "parts"):
            self.put_all()

            def act(key: str = key) -> None:
                self.ok(self.beside().objects.delete("photos", key))
                begin(self.store.collector.run_to_rest())

            self.failureResultOf(self.moving(key, act, keys.CONTENTS), VersionChanged)
            self.assert_clean()

    def test_collected_before_it_is_read(self) -> None:
        """A version that is gone, rows and all, when its bytes are looked for is not damaged."""
        for key, prefix in (("large", keys.BLOBS), ("parts", keys.BLOBS), ("parts", keys.PARTS)):
            self.put("large", LARGE, None)
            self.put_in_parts("parts", [SOFT, OTHER], None)

            async def act(key: str = key) -> None:
                self.ok(self.beside().objects.delete("photos", key))
                begin(self.store.collector.run_to_rest())

            self.metadata.before(prefix, act)
            core = self.store.core
            target = core.classes.named("GLACIER")
            self.refused(VersionChanged, move_class(core, self.find(key), target, self.pace))
            self.metadata.calm()
            self.assert_clean()

    def test_amended(self) -> None:
        """Tags and locks that are put meanwhile stay, and it is moved."""
        for key, data in (("large", LARGE), ("parts", b"".join(PARTS))):
            self.put_all()
            act = partial(self.tag, key)
            self.successResultOf(self.moving(key, act, keys.CONTENTS))
            found = self.version(key)
            self.assertEqual(found.tail.tags, {"a": "1"})
            self.assertEqual(found.head.storage_class, "GLACIER")
            self.assert_read(key, data)
            self.assert_clean()

    def test_moved_twice_at_once(self) -> None:
        """Of two that move it one does, and the bytes are there once."""
        for key, data in (("large", LARGE), ("parts", b"".join(PARTS))):
            self.put_all()
            moving = self.moving(key, partial(self.move, key, "GLACIER"), keys.CONTENTS)
            moving.addErrback(lambda failure: failure.trap(VersionChanged))
            self.successResultOf(moving)
            self.assert_read(key, data)
            self.assert_clean()

    def test_unwanted(self) -> None:
        """What nobody wants moved any more stays."""
        core = self.store.core
        target = core.classes.named("GLACIER")
        self.refused(VersionChanged, move_class(core, nothing_found, target, self.pace))

    def test_cancelled(self) -> None:
        """Cancelled, nothing is left of it, and it can be done again."""
        for key, data in (("large", LARGE), ("parts", b"".join(PARTS))):
            self.put_all()
            gate: Deferred[None] = Deferred()
            pieces: list[int] = []

            async def pace(
                size_bytes: int, gate: Deferred[None] = gate, pieces: list[int] = pieces
            ) -> None:
                pieces.append(size_bytes)
                if len(pieces) == 2:
                    await gate

            core = self.store.core
            target = core.classes.named("GLACIER")
            moving = begin(move_class(core, self.find(key), target, pace))
            moving.cancel()
            self.failureResultOf(moving, CancelledError)
            self.assertEqual(self.version(key).head.storage_class, "STANDARD")
            self.assert_clean()
            self.assert_moved(key, data, "GLACIER")


class UploadTests(MovingCase):
    """The upload under which parts are moved."""

    def test_upload(self) -> None:
        """It takes no parts, is not abandoned while this process lives, and may be aborted like
        any other: then the version stays where it is."""
        self.put_in_parts("parts", PARTS, None)
        seen: list[Upload] = []

        def look() -> None:
            [row] = self.rows(keys.UPLOADS)
            seen.append(decode(Upload, row.value or b""))
            self.ok(self.store.abandoned.abort(0))
            self.assertEqual(len(self.rows(keys.UPLOADS)), 1)
            [(key, upload)] = self.ok(self.store.uploads.list("photos")).uploads
            id_ = UploadId(upload.started_us, upload.upload).text()
            self.ok(self.store.uploads.abort("photos", key, id_))

        async def act() -> None:
            look()

        self.metadata.after(keys.CONTENTS, act)
        core = self.store.core
        moving = move_class(core, self.find("parts"), core.classes.named("GLACIER"), self.pace)
        self.refused(VersionChanged, moving)
        self.assertEqual([each.state for each in seen], [UploadState.COMPLETING])
        self.assertEqual(self.version("parts").head.storage_class, "STANDARD")
        self.assert_read("parts", b"".join(PARTS))
        self.assert_clean()

    def test_completed(self) -> None:
        """Nobody completes it but who moves: what is there so far would take the object's place."""
        self.put_in_parts("parts", PARTS, None)

        async def complete() -> None:
            [(key, upload)] = self.ok(self.store.uploads.list("photos")).uploads
            id_ = UploadId(upload.started_us, upload.upload).text()
            listed = self.listed(key, id_)
            work = self.beside().completions.complete("photos", key, id_, listed)
            self.refused(UploadNotFound, work)

        self.metadata.after_second(keys.CONTENTS, complete)
        self.assert_moved("parts", b"".join(PARTS), "GLACIER")
        self.assert_clean()

    def test_left_behind(self) -> None:
        """What a process that died has left of it goes at once, however long uploads of clients
        are kept."""
        self.put_in_parts("parts", PARTS, None)
        die_moving(self, "parts", 3)
        self.assertEqual(len(self.rows(keys.UPLOADS)), 1)
        self.ok(self.store.uploads.create("photos", "other"))
        self.store = self.opened()
        survey = self.ok(self.store.abandoned.survey(inf))
        report = self.ok(self.store.abandoned.abort(inf))
        for each in (survey, report):
            self.assertEqual((each.uploads_seen, each.uploads_abandoned), (2, 1))
        self.assertEqual(len(self.rows(keys.UPLOADS)), 1)
        self.assert_read("parts", b"".join(PARTS))

    def test_unlisted(self) -> None:
        """Only the parts of the object are moved, under the numbers that they had."""
        upload = self.upload("gaps", SOFT, OTHER, LARGE)
        listed = [
            ListedPart(each.number, each.etag, each.checksum)
            for each in self.listed("gaps", upload)
            if each.number != 2
        ]
        self.ok(self.store.completions.complete("photos", "gaps", upload, listed))
        self.assert_moved("gaps", SOFT + LARGE, "GLACIER")
        self.assert_clean()
        numbers = [keys.part_number(row.key) for row in self.rows(keys.PARTS)]
        self.assertEqual(numbers, [1, 3])


class DeathTests(MovingCase):
    """The process dies after any number of changes."""

    def test_deaths(self) -> None:
        """The version is where it was or where it was to be, with all its bytes, and what is left
        of the attempt goes."""
        for wanted in (None, ENCRYPTED["mine"]):
            for key, data in (("small", b""), ("large", LARGE), ("parts", b"".join(PARTS))):
                changes, is_moved = 0, False
                while not is_moved:
                    self.put_all(wanted)
                    self.ok(self.store.collector.run_to_rest())
                    die_moving(self, key, changes)
                    self.store = self.opened()
                    self.now_us += 1
                    self.ok(self.store.abandoned.abort(0))
                    self.ok(self.store.sweep.run())
                    self.assert_clean()
                    if data:
                        self.assert_read(key, data, key_of(wanted))
                    is_moved = self.version(key).head.storage_class == "GLACIER"
                    changes += 1
                self.assertGreater(changes, 4 if key == "parts" else 1)


class DamageTests(MovingCase):
    """Bytes that are not what they were are not moved."""

    def test_damaged(self) -> None:
        """Be it that the drive says so, or a row, or the object's own checksum."""
        for wanted in (None, ENCRYPTED["s3"]):
            for damage in (self.lose, self.flag):
                self.put("large", LARGE, wanted)
                damage()
                core = self.store.core
                target = core.classes.named("GLACIER")
                moving = move_class(core, self.find("large"), target, self.pace)
                self.refused(DamagedBlob, moving)
                self.assertEqual(self.version("large").head.storage_class, "STANDARD")
                self.assertEqual(self.cold_files(), [])
                self.ok(self.store.objects.delete("photos", "large"))
                self.ok(self.store.collector.run_to_rest())

    def test_other_checksum(self) -> None:
        """What does not have the checksum that the object has is not moved."""
        self.put("large", LARGE, None)
        found = self.version("large")
        [checksum] = found.tail.checksums
        wrong = structs.replace(checksum, value=bytes(8))
        batch = Batch()
        batch.put(
            found.row_key,
            encode_object(found.head, structs.replace(found.tail, checksums=(wrong,))),
        )
        self.ok(self.store.core.writer.commit(batch))
        core = self.store.core
        moving = move_class(core, self.find("large"), core.classes.named("GLACIER"), self.pace)
        self.assertIn("CRC64NVME", str(self.refused(DamagedBlob, moving)))
        self.assertEqual(self.cold_files(), [])

    def lose(self) -> None:
        """Its file is gone."""
        [file] = self.files()
        self.ok(self.blobs.unlink([file]))

    def flag(self) -> None:
        [row] = self.rows(keys.BLOBS)
        batch = Batch()
        batch.put(row.key, encode(structs.replace(decode(Blob, row.value or b""), damaged=True)))
        self.ok(self.store.core.writer.commit(batch))
