"""What the tests of compressed blobs share: bodies of all kinds, in a store that compresses."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from msgspec import structs

from objectd.blobs import frames as format_
from objectd.interfaces import BlobFile, Entry
from objectd.model import keys
from objectd.model.blobs import Blob
from objectd.model.codec import decode, encode
from objectd.objects.classes import STANDARD, ClassSettings
from objectd.test.objects.encrypted import EncryptionCase, raw

LITTLE_BYTES = 256
"""What a frame holds where many are wanted."""

TEXT = b"".join(b"%05d......\n" % n for n in range(10 * LITTLE_BYTES // 12))
"""Gets smaller, wherever it is cut."""

NOISE = Random("noise").randbytes(len(TEXT))
"""Gets no smaller."""

BODIES: Mapping[str, bytes] = {
    "text": TEXT,
    "noise": NOISE,
    "text, then noise": TEXT[:700] + NOISE[:900] + TEXT[:5],
    "noise, then text": NOISE[:700] + TEXT[:900],
    "one frame": TEXT[:LITTLE_BYTES],
    "two frames": TEXT[: 2 * LITTLE_BYTES],
    "a frame and a byte": TEXT[: LITTLE_BYTES + 1],
    "less than a frame": TEXT[: LITTLE_BYTES - 1],
    "too short": b"not more than this",
}
COMPRESSED = {*BODIES} - {"noise", "noise, then text", "too short"}


class CompressionCase(EncryptionCase):
    """A store in which all that is put in one go is compressed, in little frames."""

    classes = {STANDARD: ClassSettings(zstd_level=3)}  # noqa: RUF012 - as in the base class

    def setUp(self) -> None:
        self.patch(format_, "FRAME_BYTES", LITTLE_BYTES)
        super().setUp()

    def blobs_at_rest(self) -> list[Blob]:
        return [decode(Blob, raw(row)) for row in self.rows(keys.BLOBS)]

    def the_blob(self) -> tuple[Entry, Blob]:
        [row] = self.rows(keys.BLOBS)
        return row, decode(Blob, raw(row))

    def stored(self) -> bytearray:
        """The bytes of the only blob."""
        row, blob = self.the_blob()
        file = BlobFile(blob.drive, row.key[1:], blob.digest)
        return self.blobs._disks.files[file].data

    def change_blob(self, **changes: object) -> None:
        row, blob = self.the_blob()
        self.write_row(row.key, encode(structs.replace(blob, **changes)))
