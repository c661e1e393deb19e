"""Blobs as their rows tell of them: where each lies, and how to get at what is in it."""

from __future__ import annotations

import attrs

from objectd.errors import DamagedBlob
from objectd.interfaces import BlobLocation, IBlobReader, IBlobStore, IMetadataStore, RunInThread
from objectd.model import keys
from objectd.model.blobs import Blob, BlobTrash, Codec
from objectd.model.codec import decode
from objectd.objects.decompressing import Decompressed
from objectd.objects.decrypting import Decrypted
from objectd.objects.forms import Form, Stored
from objectd.objects.sealing import Secret


@attrs.frozen
class Located:
    """Where a blob is, and what it takes to read it."""

    location: BlobLocation
    codec: Codec = Codec.PLAIN
    salt: bytes = b""
    frames: bytes = b""


def located(uid: bytes, blob: Blob | BlobTrash) -> Located:
    location = BlobLocation(blob.drive, uid, blob.digest, blob.size_bytes)
    return Located(location, blob.codec, blob.envelope, blob.frames)


async def locate(metadata: IMetadataStore, uid: bytes) -> Located:
    """Where a blob is. One that was collected since the reader learned of it is found in the
    trash: its file stays until the reader is done. Raises `DamagedBlob` if it is nowhere."""
    row, trash_row = await metadata.get([keys.blob(uid), keys.blob_trash(uid)])
    if row is not None:
        return located(uid, decode(Blob, row.value))
    if trash_row is not None:
        return located(uid, decode(BlobTrash, trash_row.value))
    raise DamagedBlob(uid.hex(), "its row is missing")


@attrs.frozen
class Opening:
    """What it takes to read the blobs of a version; `secret` if it is encrypted."""

    blobs: IBlobStore
    run_in_thread: RunInThread
    secret: Secret | None = None

    async def open(self, found: Located, start: int, stop: int) -> IBlobReader:
        """Bytes start <= i < stop of what was put into a blob. Raises `DamagedBlob`."""
        form = self.form(found)
        if stop > form.size_bytes:
            why = f"it holds {form.size_bytes} bytes, not {stop}"
            raise DamagedBlob(found.location.blob_id.hex(), why)
        if start == stop:
            return await self.blobs.open(found.location, stop=0)
        return await form.open(start, stop)

    def form(self, found: Located) -> Form:
        """What was put into a blob, of what is stored. Raises `DamagedBlob`."""
        form: Form = Stored(self.blobs, found.location)
        uid = found.location.blob_id
        if found.codec.is_encrypted is (self.secret is None):
            raise DamagedBlob(uid.hex(), "its row and its object's disagree on encryption")
        if self.secret is not None:
            form = Decrypted(form, self.secret.blob(uid, found.salt), self.run_in_thread)
        if found.codec.is_compressed:
            form = Decompressed(form, found.frames, self.run_in_thread)
        elif found.frames:
            raise DamagedBlob(uid.hex(), "its row has an index of frames, but no codec with frames")
        return form
