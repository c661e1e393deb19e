"""Damage of compressed blobs is told, by reads and by checks, and never given out."""

from __future__ import annotations

from twisted.python.failure import Failure

from objectd.blobs.frames import Frames
from objectd.errors import DamagedBlob
from objectd.model.blobs import Codec
from objectd.objects.checking import Check, Finding, Problem
from objectd.test.objects.cases import begin
from objectd.test.objects.compression_case import (
    TEXT,
    CompressionCase,
)
from objectd.test.objects.encrypted import ENCRYPTED


class DamageTests(CompressionCase):
    def body_or_damage(self, data: bytes) -> bool:
        """Whether it is damage; other bytes are a failure."""
        opened = self.ok(self.store.objects.get("photos", "k"))
        reading = begin(opened.read())
        found: list[bytes | Failure] = []
        reading.addBoth(found.append)
        [result] = found
        if isinstance(result, Failure):
            result.trap(DamagedBlob)
            return True
        self.assertEqual(result, data)
        return False

    def test_stored_bytes(self) -> None:
        """Whichever stored byte is another one, that is damage, and never other bytes (one bit
        of a frame's header has no meaning)."""
        for wanted in (None, ENCRYPTED["s3"]):
            self.put("k", TEXT[:700], wanted)
            self.ok(self.store.collector.run_to_rest())
            stored = self.stored()
            for bit in (1, 16, 128):
                same = 0
                for position in range(len(stored)):
                    stored[position] ^= bit
                    same += not self.body_or_damage(TEXT[:700])
                    stored[position] ^= bit
                self.assertEqual(same, 3 if bit == 16 and wanted is None else 0)
            self.assertFalse(self.body_or_damage(TEXT[:700]))

    def test_index(self) -> None:
        """So it is with every byte of the index, and with other codecs."""
        for wanted, others in (
            (None, (Codec.PLAIN, Codec.PACKETS, Codec.FRAMES_IN_PACKETS)),
            (ENCRYPTED["s3"], (Codec.PLAIN, Codec.PACKETS, Codec.FRAMES)),
        ):
            self.put("k", TEXT[:700], wanted)
            self.ok(self.store.collector.run_to_rest())
            _, blob = self.the_blob()
            for position in range(len(blob.frames)):
                for bit in (1, 128):
                    wrong = bytearray(blob.frames)
                    wrong[position] ^= bit
                    self.change_blob(frames=bytes(wrong))
                    self.assertTrue(self.body_or_damage(TEXT[:700]), position)
            self.change_blob(frames=blob.frames)
            self.assertFalse(self.body_or_damage(TEXT[:700]))
            for codec in others:
                self.change_blob(codec=codec)
                self.assertTrue(self.body_or_damage(TEXT[:700]))

    def test_words(self) -> None:
        """The error says what does not fit."""
        self.put("k", TEXT, None)
        row, blob = self.the_blob()
        frames = Frames.decode(blob.frames)
        for changes, words in (
            ({"frames": b""}, "0 bytes are no index of frames"),
            (
                {"frames": Frames(frames.plain_bytes, frames.sizes_bytes[:-1]).encode()},
                "its index has 9 frames for 2556 bytes",
            ),
            (
                {"frames": Frames(frames.plain_bytes - 1, frames.sizes_bytes).encode()},
                "it holds 2555 bytes, not 2556",
            ),
            ({"size_bytes": blob.size_bytes + 1}, f"not {blob.size_bytes + 1}"),
        ):
            self.change_blob(**changes)
            error = self.refused(DamagedBlob, self.ok(self.store.objects.get("photos", "k")).read())
            self.assertIn(words, str(error))
            self.assertIn(row.key[1:].hex(), str(error))

    def test_file_is_gone(self) -> None:
        """Also who asks for no byte learns that there is no file."""
        self.put("k", TEXT, None)
        self.blobs._disks.files.clear()
        for start, stop in ((0, 0), (len(TEXT), len(TEXT)), (5, 6)):
            stream = self.ok(self.store.objects.get("photos", "k")).stream(start, stop)
            self.refused(DamagedBlob, stream.read())


class CheckTests(CompressionCase):
    def found(self, *, deep: bool = False) -> list[tuple[Problem, str]]:
        return [(each.problem, each.detail) for each in self.findings(deep=deep)]

    def test_damaged_index(self) -> None:
        """A check finds an index that does not fit, and what is lost by it."""
        for wanted in (None, ENCRYPTED["s3"], ENCRYPTED["dsse"]):
            self.put("k", TEXT, wanted)
            self.ok(self.store.collector.run_to_rest())
            self.assertEqual(self.found(), [])
            row, blob = self.the_blob()
            frames = Frames.decode(blob.frames)
            first, *others = frames.sizes_bytes
            longer = Frames(frames.plain_bytes, (first + 1, *others)).encode()
            for wrong in (b"nonsense", longer):
                self.change_blob(frames=wrong)
                for deep in (False, True):
                    (damaged, why), (lost, what) = self.found(deep=deep)
                    self.assertIs(damaged, Problem.BLOB_DAMAGED)
                    self.assertIn("index", why)
                    self.assertIs(lost, Problem.BYTES_LOST)
                    self.assertIn(row.key[1:].hex(), what)
            self.change_blob(frames=blob.frames, codec=Codec(blob.codec & ~Codec.FRAMES))
            self.assertIn(Problem.BLOB_DAMAGED, [problem for problem, _ in self.found()])
            self.change_blob(codec=blob.codec)

    def test_wrong_size(self) -> None:
        """A check compares the size of an object or a part with that of the data."""
        for wanted in (None, ENCRYPTED["s3"], ENCRYPTED["dsse"]):
            self.put("k", TEXT, wanted)
            self.ok(self.store.collector.run_to_rest())
            _, blob = self.the_blob()
            frames = Frames.decode(blob.frames)
            wrong = Frames(frames.plain_bytes - 1, frames.sizes_bytes).encode()
            self.change_blob(frames=wrong)
            self.assertEqual([problem for problem, _ in self.found()], [Problem.OBJECT_WRONG])
        self.ok(self.store.objects.delete("photos", "k"))
        self.ok(self.store.collector.run_to_rest())
        self.put_in_parts("k", [TEXT], None)
        self.change_blob(frames=wrong)
        self.assertEqual([problem for problem, _ in self.found()], [Problem.PART_WRONG])

    def test_frames_in_the_way_of_their_digest(self) -> None:
        """A deep check decompresses too: it finds frames that were stored wrong."""
        self.put("k", TEXT, None)
        _, blob = self.the_blob()
        first, second, *others = Frames.decode(blob.frames).sizes_bytes
        wrong = Frames(len(TEXT), (first + 1, second - 1, *others)).encode()
        self.change_blob(frames=wrong)
        self.assertEqual(self.found(), [])
        (damaged, why), (lost, _) = self.found(deep=True)
        self.assertEqual((damaged, lost), (Problem.BLOB_DAMAGED, Problem.BYTES_LOST))
        self.assertIn("frame 0", why)

    def test_counts(self) -> None:
        """What a bucket holds is counted before it is compressed, what drives hold after."""
        self.put("k", TEXT, None)
        core = self.store.core
        check = Check(core.metadata, core.blobs, self.store.format.digest_key)

        async def every() -> list[Finding]:
            return [finding async for finding in check.run()]

        self.assertEqual(self.ok(every()), [])
        self.assertEqual(check.totals.object_bytes, len(TEXT))
        self.assertEqual(check.totals.blob_bytes, len(self.stored()))
