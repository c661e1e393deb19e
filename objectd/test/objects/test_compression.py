"""Compressed objects: what was put comes back whole, and lies on the drives as it should."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from objectd.blobs.frames import FRAME_BYTES
from objectd.blobs.layout import path_of
from objectd.interfaces import BlobFile, BlobLocation
from objectd.model import keys
from objectd.model.blobs import Codec
from objectd.model.records import DefaultEncryption, Incompatible, Scheme
from objectd.objects import ObjectStore, open_store
from objectd.objects.checksums import NOTHING_DECLARED
from objectd.objects.classes import STANDARD, ClassSettings
from objectd.objects.opening import run_at_once
from objectd.objects.references import content_key
from objectd.streams import BytesStream
from objectd.test.blobs.places import LossyPlace
from objectd.test.objects import test_ingest
from objectd.test.objects.cases import begin
from objectd.test.objects.compression_case import (
    BODIES,
    COMPRESSED,
    LITTLE_BYTES,
    NOISE,
    TEXT,
    CompressionCase,
)
from objectd.test.objects.encrypted import ENCRYPTED, SETTINGS, EncryptionCase, key_of


class RoundTripTests(CompressionCase):
    def test_put_and_get(self) -> None:
        """Bodies of every kind come back, encrypted for anyone or not, also to another
        process."""
        for name, wanted in SETTINGS.items():
            for body, data in BODIES.items():
                self.put(f"{name} {body}", data, wanted)
        self.store = self.opened()
        for name, wanted in SETTINGS.items():
            for body, data in BODIES.items():
                self.assertEqual(self.got(f"{name} {body}", key_of(wanted)), data)
        self.assertEqual(self.findings(deep=True), [])

    def test_codec(self) -> None:
        """What gets smaller is stored smaller, and what does not is stored as it comes."""
        for body, data in BODIES.items():
            for wanted, without, with_frames in (
                (None, Codec.PLAIN, Codec.FRAMES),
                (ENCRYPTED["s3"], Codec.PACKETS, Codec.FRAMES_IN_PACKETS),
            ):
                self.put("k", data, wanted)
                self.ok(self.store.collector.run_to_rest())
                _, blob = self.the_blob()
                self.assertIs(blob.codec, with_frames if body in COMPRESSED else without)
                self.assertEqual(bool(blob.frames), body in COMPRESSED)
                if body in COMPRESSED:
                    self.assertLess(blob.size_bytes, len(data))
                else:
                    self.assertEqual(blob.size_bytes, len(data) + 16 * (wanted is not None))

    def test_any_program(self) -> None:
        """What lies on the drive is what any program decompresses."""
        self.put("k", TEXT, None)
        reader = zstandard.ZstdDecompressor().stream_reader(self.stored(), read_across_frames=True)
        self.assertEqual(reader.read(), TEXT)

    def test_identity(self) -> None:
        """A blob's footer tells that it is compressed."""
        for body, wanted, codec in (
            (TEXT, None, 2),
            (TEXT, ENCRYPTED["s3"], 3),
            (NOISE, None, None),
        ):
            self.put("k", body, wanted)
            self.ok(self.store.collector.run_to_rest())
            row, blob = self.the_blob()
            location = BlobLocation(blob.drive, row.key[1:], blob.digest, blob.size_bytes)
            self.assertEqual(self.ok(self.blobs.identity(location)).get("codec"), codec)

    def test_empty_part(self) -> None:
        """A part without a byte is an empty blob."""
        self.put_in_parts("k", [b""], None)
        _, blob = self.the_blob()
        self.assertEqual((blob.codec, blob.size_bytes), (Codec.PLAIN, 0))
        self.assertEqual(self.got("k"), b"")

    def test_feature(self) -> None:
        """A program that does not know compression does not open the store."""
        format_ = self.opened().format
        self.assertTrue(format_.incompatible & Incompatible.STORAGE_CLASSES)

    def test_unchanged_settings(self) -> None:
        """What is compressed is read also when nothing new is compressed, and the other way."""
        self.put("compressed", TEXT, None)
        self.classes = {}
        self.store = self.opened()
        self.put("plain", TEXT, None)
        self.assertEqual([blob.codec for blob in self.blobs_at_rest()], [2, 0])
        for _ in range(2):
            self.assertEqual(self.got("compressed"), TEXT)
            self.assertEqual(self.got("plain"), TEXT)
            self.classes = {STANDARD: ClassSettings(zstd_level=19)}
            self.store = self.opened()

    def test_appends(self) -> None:
        """What is appended is compressed like what is put."""
        self.put("k", TEXT[:10], None)
        self.ok(self.store.appends.append("photos", "k", TEXT[10:], offset_bytes=10))
        self.ok(self.store.appends.append("photos", "k", TEXT[5:], offset_bytes=len(TEXT)))
        self.assertEqual([blob.codec for blob in self.blobs_at_rest()], [2, 2])
        self.assertEqual(self.got("k"), TEXT + TEXT[5:])

    def test_trash(self) -> None:
        """What is being read is read to its end from the trash."""
        for wanted in (None, ENCRYPTED["s3"]):
            self.put("k", TEXT, wanted)
            opened = self.ok(self.store.objects.get("photos", "k"))
            self.ok(self.store.objects.delete("photos", "k"))
            collecting = begin(self.store.collector.run_to_rest())
            self.assertNoResult(collecting)
            self.assertEqual(self.rows(keys.BLOBS), [])
            self.assertEqual(self.ok(opened.read()), TEXT)
            opened.close()
            self.successResultOf(collecting)
            self.assertEqual(self.files(), [])


class BodyTests(CompressionCase, test_ingest.BodyTests):
    """What holds of bodies that come in holds of those that are compressed on the way."""


class EncryptedBodyTests(CompressionCase, test_ingest.BodyTests):
    """Also if they are encrypted then."""

    def setUp(self) -> None:
        super().setUp()
        default = DefaultEncryption(Scheme.SSE_S3)
        self.ok(self.store.bucket_encryption.put("photos", default))


class RangeTests(CompressionCase):
    """The same ranges of bodies of all kinds, stored in every way."""

    def setUp(self) -> None:
        super().setUp()
        self.bodies = {
            "text": [TEXT, TEXT[: 2 * LITTLE_BYTES], TEXT[7:20], TEXT[:LITTLE_BYTES], TEXT[:300]],
            "noise": [NOISE, NOISE[: 2 * LITTLE_BYTES], NOISE[7:20], NOISE[:LITTLE_BYTES]],
            "mixed": [TEXT[:600], NOISE[:700], NOISE[:100] + TEXT, TEXT + NOISE, b""],
        }
        for name, wanted in SETTINGS.items():
            for body, parts in self.bodies.items():
                self.put(f"{name} {body} whole", b"".join(parts), wanted)
                self.put_in_parts(f"{name} {body} parts", parts, wanted)

    def test_every_edge(self) -> None:
        """Any range is the slice of the body, mostly of those that begin or end at, before or
        behind a frame or a part."""
        near = st.sampled_from((-1, 0, 1))

        def places(parts: list[bytes]) -> st.SearchStrategy[int]:
            starts = [sum(map(len, parts[:n])) for n in range(len(parts) + 1)]
            edges = [
                start + edge
                for start, part in zip(starts, [*parts, b""], strict=True)
                for edge in range(0, len(part) + 1, LITTLE_BYTES)
            ]
            whole = st.integers(0, starts[-1])
            about = st.builds(lambda edge, n: edge + n, st.sampled_from(edges), near)
            return whole | about.filter(range(starts[-1] + 1).__contains__)

        @settings(deadline=None, max_examples=300)
        @given(st.data(), st.sampled_from([*SETTINGS]), st.sampled_from([*self.bodies]))
        def law(data: st.DataObject, name: str, body: str) -> None:
            parts = self.bodies[body]
            start, stop = data.draw(places(parts)), data.draw(places(parts))
            how = data.draw(st.sampled_from(("whole", "parts")))
            found = self.got(f"{name} {body} {how}", key_of(SETTINGS[name]), start, stop)
            self.assertEqual(found, b"".join(parts)[start:stop])

        law()


class RealFramesTests(EncryptionCase):
    """Frames of their real size."""

    classes = {STANDARD: ClassSettings(zstd_level=1)}  # noqa: RUF012 - as in the base class

    def test_every_edge(self) -> None:
        """Ranges about the edges of frames, and of the packets that hold them, are right."""
        text = b"".join(b"%07d.\n" % n for n in range(2 * FRAME_BYTES // 9)) + bytes(3 * 9)
        edges = [0, FRAME_BYTES, 2 * FRAME_BYTES, len(text)]
        places = sorted({edge + n for edge in edges for n in (-1, 0, 1)} & {*range(len(text) + 1)})
        for name in ("none", "s3", "dsse"):
            self.put(name, text, SETTINGS[name])
            for start in places:
                for stop in places:
                    found = self.got(name, None, start, stop)
                    self.assertEqual(found, text[start:stop])
        for size in (FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1):
            self.put("k", text[:size], None)
            self.assertEqual(self.got("k"), text[:size])


class DiskTests(CompressionCase):
    """On drives, where bytes are verified and read ahead in pieces of their own."""

    def setUp(self) -> None:
        self.place = LossyPlace()
        super().setUp()

    def opening(self) -> Coroutine[Deferred[Any], Any, ObjectStore]:
        return open_store(
            self.metadata,
            self.place.open(),
            clock=self.clock,
            run_in_thread=run_at_once,
            key_manager=self.key_manager,
            classes=self.classes,
            settings=self.settings,
        )

    def test_bodies(self) -> None:
        """Bodies of every kind come back, in parts too."""
        for name, wanted in SETTINGS.items():
            for body, data in BODIES.items():
                self.put(f"{name} {body}", data, wanted)
                self.assertEqual(self.got(f"{name} {body}", key_of(wanted)), data)
                found = self.got(f"{name} {body}", key_of(wanted), 5, len(data) - 5)
                self.assertEqual(found, data[5:-5])
            self.put_in_parts(name, [TEXT, NOISE, TEXT[:600]], wanted)
            self.assertEqual(self.got(name, key_of(wanted)), TEXT + NOISE + TEXT[:600])
        self.assertEqual(self.findings(deep=True), [])

    def test_file(self) -> None:
        """A file begins with the frames, as docs/format.md says for those without objectd."""
        self.put("k", TEXT, None)
        row, blob = self.the_blob()
        path = path_of(BlobFile(blob.drive, row.key[1:], blob.digest))
        files = self.place.files
        root = files.open_root(self.place.paths[0])
        descriptor = files.open_to_read(path, root=root)
        data = files.read(descriptor, blob.size_bytes, 0)
        reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
        self.assertEqual(reader.read(), TEXT)


class SharingTests(CompressionCase):
    def test_same_class(self) -> None:
        """The same body is stored once in a class."""
        self.put("a", TEXT, None)
        self.put("b", TEXT, None)
        self.assertEqual(len(self.rows(keys.BLOBS)), 1)
        self.assertEqual(len(self.files()), 1)

    def test_other_codec(self) -> None:
        """What is compressed is no twin of what is not, also of the very same stored bytes."""
        self.put("compressed", TEXT, None)
        stored = bytes(self.stored())
        self.classes = {}
        self.store = self.opened()
        self.put("its bytes", stored, None)
        self.put("plain", TEXT, None)
        codecs = [blob.codec for blob in self.blobs_at_rest()]
        self.assertEqual(codecs, [Codec.FRAMES, Codec.PLAIN, Codec.PLAIN])
        self.assertEqual(len(self.rows(keys.CONTENTS)), 3)

    def test_other_class(self) -> None:
        """The same body is stored once in each class, where it is never looked for by those of
        another one."""
        core = self.store.core

        def content(name: str) -> bytes:
            taken = self.ok(
                core.intake.take(
                    BytesStream(TEXT),
                    NOTHING_DECLARED,
                    size_bytes=len(TEXT),
                    size_bytes_max=len(TEXT),
                    inline_bytes_max=0,
                    kept=core.classes.named(name),
                )
            )
            assert taken.staged is not None
            return content_key(taken.staged.record(account=1))

        names = ("STANDARD", "STANDARD_IA", "GLACIER_IR", "GLACIER")
        self.assertEqual(len({content(name) for name in names}), len(names))
        self.assertEqual(content("STANDARD_IA"), content("STANDARD_IA"))

    def test_encrypted(self) -> None:
        """Nothing that is encrypted is shared."""
        for name in ENCRYPTED:
            self.put("a", TEXT, ENCRYPTED[name])
            self.put("b", TEXT, ENCRYPTED[name])
        self.assertEqual(len(self.rows(keys.BLOBS)), 2 * len(ENCRYPTED))
        self.assertEqual(self.rows(keys.CONTENTS), [])
