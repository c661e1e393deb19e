"""Objects that grow by parts: where the next part of one goes.

Copies share a manifest, and each object lists the parts that are its own. So a part that is
added takes a number behind all that the manifest has, whoever's they are: the commit expects
the manifest as it was read, and lists the part there too, so that it is not collected.
"""

from __future__ import annotations

import attrs
from msgspec import structs

from objectd.errors import DamagedRecord, TooManyParts
from objectd.interfaces import Absent, At, Expectation, Scan
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import InBlob, InManifest, Manifest, ObjectHead, ObjectTail, Part
from objectd.objects import references
from objectd.objects.core import Core
from objectd.objects.current import Current
from objectd.objects.settings import PART_NUMBER_MAX
from objectd.objects.writer import Batch


@attrs.frozen
class NextPart:
    """A place behind `so_far`: in this manifest, under this number. A manifest that is made
    for it has the bytes so far as its `first` part."""

    manifest: Manifest
    number: int
    expectation: Expectation
    so_far: InManifest
    first: Part | None = None

    def add(self, batch: Batch, part: Part) -> InManifest:
        """The bytes so far, and those of the part."""
        upload = self.manifest.upload
        batch.expect(self.expectation)
        if self.first is not None:
            references.add_part(batch, upload, 1, self.first)
        references.add_part(batch, upload, self.number, part)
        listed = _listing(self.manifest.listed, self.number)
        batch.put(keys.manifest(upload), encode(structs.replace(self.manifest, listed=listed)))
        sizes = _longer_runs(self.so_far.sizes, part.size_bytes)
        return InManifest(upload, _listing(self.so_far.listed, self.number), sizes)


async def next_part(
    core: Core, old: Current, head: ObjectHead, tail: ObjectTail
) -> NextPart | None:
    """Where the next part of an object goes; None if its bytes are in a row, or none.

    Raises `TooManyParts`, and `DamagedRecord` if the manifest is missing: because it was
    collected since the object was read, or because it is lost.
    """
    match tail.source:
        case InBlob(blob):
            return _in_new_manifest(core, old, head, tail, blob)
        case InManifest() as source:
            return await _in_manifest(core, source)
        case _:
            return None


def _in_new_manifest(
    core: Core, old: Current, head: ObjectHead, tail: ObjectTail, blob: bytes
) -> NextPart:
    upload, listed = core.ids.uid(), _listing(b"", 1)
    first = Part(
        size_bytes=head.size_bytes,
        modified_us=head.modified_us,
        etag=head.etag,
        blob=blob,
        attempt=core.ids.uid(),
        checksums=tail.checksums,
    )
    manifest = Manifest(
        bucket_id=old.bucket_id,
        key=old.key,
        upload=upload,
        list_digest=b"",
        version=head.version,
        etag=head.etag,
        listed=listed,
    )
    so_far = InManifest(upload, listed, ((head.size_bytes, 1),))
    return NextPart(manifest, 2, Absent(keys.manifest(upload)), so_far, first)


async def _in_manifest(core: Core, source: InManifest) -> NextPart:
    key = keys.manifest(source.upload)
    [row] = await core.metadata.get([key])
    if row is None:
        raise DamagedRecord(f"manifest {source.upload.hex()}", "missing")
    manifest = decode(Manifest, row.value)
    parts = keys.span(keys.parts(source.upload))
    last = await core.metadata.scan(Scan(*parts, limit=1, reverse=True))
    numbers = [keys.part_number(entry.key) for entry in last.entries]
    number = max([_last_listed(manifest.listed), *numbers]) + 1
    if number > PART_NUMBER_MAX:
        raise TooManyParts(f"the object has parts up to number {PART_NUMBER_MAX}")
    return NextPart(manifest, number, At(key, row.revision), source)


def _last_listed(listed: bytes) -> int:
    """The highest number that `listed_bits` put in, or 0."""
    return int.from_bytes(listed, "little").bit_length()


def _listing(listed: bytes, number: int) -> bytes:
    """The parts that are listed, and one more."""
    bits = int.from_bytes(listed, "little") | 1 << number - 1
    return bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _longer_runs(runs: tuple[tuple[int, int], ...], size_bytes: int) -> tuple[tuple[int, int], ...]:
    """What `size_runs` makes of one size more."""
    if runs and runs[-1][0] == size_bytes:
        return (*runs[:-1], (size_bytes, runs[-1][1] + 1))
    return (*runs, (size_bytes, 1))
