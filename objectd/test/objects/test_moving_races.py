"""What may happen while a version is moved to another storage class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from math import inf

import attrs
from msgspec import structs
from twisted.internet.defer import CancelledError, Deferred

from objectd.errors import DamagedBlob, UploadNotFound
from objectd.interfaces import Commit, Row
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode, encode
from objectd.model.records import Upload, UploadState
from objectd.objects import ListedPart, UploadId
from objectd.objects.moving import Version, VersionChanged, move_class
from objectd.objects.writer import Batch
from objectd.test.objects.cases import LARGE, InterposedMetadata, begin
from objectd.test.objects.encrypted import ENCRYPTED, key_of
from objectd.test.objects.moving_case import OTHER, PARTS, SOFT, MovingCase


class RaceTests(MovingCase):
    """Something happens while a version is moved."""

    def moving_while(
        self, key: str, meanwhile: Callable[[], object], prefix: bytes
    ) -> Deferred[None]:
        """Move it while somebody does something, after this family is read."""

        async def act() -> None:
            meanwhile()

        self.metadata.after(prefix, act)
        return begin(self.moving(key, "GLACIER"))

    def delete_and_collect(self, key: str) -> None:
        self.ok(self.beside().objects.delete("photos", key))
        begin(self.store.collector.run_to_rest())

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
                    moving = self.moving_while(key, act, prefix)
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
            act = partial(self.delete_and_collect, key)
            self.failureResultOf(self.moving_while(key, act, keys.CONTENTS), VersionChanged)
            self.assert_clean()

    def test_collected_before_it_is_read(self) -> None:
        """A version that is gone, rows and all, when its bytes are looked for is not damaged."""
        for key, prefix in (("large", keys.BLOBS), ("parts", keys.BLOBS), ("parts", keys.PARTS)):
            self.put("large", LARGE, None)
            self.put_in_parts("parts", [SOFT, OTHER], None)

            async def act(key: str = key) -> None:
                self.delete_and_collect(key)

            self.metadata.before(prefix, act)
            self.refused(VersionChanged, self.moving(key, "GLACIER"))
            self.metadata.calm()
            self.assert_clean()

    def test_amended(self) -> None:
        """Tags and locks that are put meanwhile stay, and it is moved."""
        for key, data in (("large", LARGE), ("parts", b"".join(PARTS))):
            self.put_all()
            act = partial(self.tag, key)
            self.successResultOf(self.moving_while(key, act, keys.CONTENTS))
            found = self.version(key)
            self.assertEqual(found.tail.tags, {"a": "1"})
            self.assertEqual(found.head.storage_class, "GLACIER")
            self.assert_read(key, data)
            self.assert_clean()

    def test_moved_twice_at_once(self) -> None:
        """Of two that move it one does, and the bytes are there once."""
        for key, data in (("large", LARGE), ("parts", b"".join(PARTS))):
            self.put_all()
            moving = self.moving_while(key, partial(self.move, key, "GLACIER"), keys.CONTENTS)
            moving.addErrback(lambda failure: failure.trap(VersionChanged))
            self.successResultOf(moving)
            self.assert_read(key, data)
            self.assert_clean()

    def test_unwanted(self) -> None:
        """What nobody wants moved any more stays."""
        core = self.store.core
        target = core.classes.named("GLACIER")
        self.refused(VersionChanged, move_class(core, _nothing_found, target, self.pace))

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

            moving = begin(self.moving(key, "GLACIER", pace))
            moving.cancel()
            self.failureResultOf(moving, CancelledError)
            self.assertEqual(self.version(key).head.storage_class, "STANDARD")
            self.assert_clean()
            self.assert_moved(key, data, "GLACIER")


class HeldMetadata(InterposedMetadata):
    """Holds back one answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.answers_left = 0
        """The last of so many is the one."""
        self.held: Deferred[None] | None = None

    async def _answer(self) -> None:
        self.answers_left -= 1
        if self.answers_left == 0:
            self.held = Deferred()
            await self.held

    async def get(self, keys: Sequence[bytes]) -> list[Row | None]:
        rows = await super().get(keys)
        await self._answer()
        return rows

    async def commit(self, commit: Commit) -> int:
        revision = await super().commit(commit)
        await self._answer()
        return revision


class CancelledTests(MovingCase):
    def make_metadata(self) -> HeldMetadata:
        self.holding = HeldMetadata()
        return self.holding

    def test_anywhere(self) -> None:
        """Cancelled while it waits for any answer, nothing is left of it, and it can be done
        again."""
        for key, data in (("large", LARGE), ("parts", PARTS[0] + PARTS[1])):
            for answers in count(1):
                self.put("large", LARGE, None)
                self.put_in_parts("parts", PARTS[:2], None)
                if not self.is_cancelled(key, answers):
                    break
                self.assert_clean()
                self.assert_moved(key, data, "GLACIER")
            self.assertGreater(answers, 20 if key == "parts" else 8)

    def is_cancelled(self, key: str, answers: int) -> bool:
        """Move it and cancel that while it waits for the last of so many answers. False if it
        was over by then."""
        self.holding.answers_left = answers
        moving = begin(self.moving(key, "GLACIER"))
        moving.cancel()
        held, self.holding.held, self.holding.answers_left = self.holding.held, None, 0
        if held is None:
            self.successResultOf(moving)
            return False
        held.callback(None)
        self.failureResultOf(moving, CancelledError)
        return True


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
            id_ = UploadId.of(upload).text()
            self.ok(self.store.uploads.abort("photos", key, id_))

        async def act() -> None:
            look()

        self.metadata.after(keys.CONTENTS, act)
        self.refused(VersionChanged, self.moving("parts", "GLACIER"))
        self.assertEqual([each.state for each in seen], [UploadState.COMPLETING])
        self.assertEqual(self.version("parts").head.storage_class, "STANDARD")
        self.assert_read("parts", b"".join(PARTS))
        self.assert_clean()

    def test_completed(self) -> None:
        """Nobody completes it but who moves: what is there so far would take the object's place."""
        self.put_in_parts("parts", PARTS, None)

        async def complete() -> None:
            [(key, upload)] = self.ok(self.store.uploads.list("photos")).uploads
            id_ = UploadId.of(upload).text()
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
        self.die_moving("parts", 3)
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
                    self.die_moving(key, changes)
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
                self.refused(DamagedBlob, self.moving("large", "GLACIER"))
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
        self.rewrite(attrs.evolve(found, tail=structs.replace(found.tail, checksums=(wrong,))))
        refusal = self.refused(DamagedBlob, self.moving("large", "GLACIER"))
        self.assertIn("CRC64NVME", str(refusal))
        self.assertEqual(self.cold_files(), [])

    def lose(self) -> None:
        """The file of the only blob is gone."""
        [file] = self.files()
        self.ok(self.blobs.unlink([file]))

    def flag(self) -> None:
        """The row of the only blob says that it is damaged."""
        [row] = self.rows(keys.BLOBS)
        self.write_row(
            row.key, encode(structs.replace(decode(Blob, row.value or b""), damaged=True))
        )


async def _nothing_found(_batch: Batch) -> Version | None:
    return None
