"""The bytes of an object, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import attrs

from objectd.errors import DamagedRecord
from objectd.interfaces import IBlobReader, IMetadataStore
from objectd.model import keys
from objectd.model.codec import decode
from objectd.model.records import (
    Checksum,
    InManifest,
    Part,
    Source,
)
from objectd.objects.located import Opening, locate

_PARTS_A_LOOKUP = 100


@attrs.frozen
class Piece:
    """Bytes start <= i < stop of one blob."""

    blob: bytes
    start: int
    stop: int


class BlobStream:
    """The bytes of some pieces of blobs, one after the other.

    `pieces` may be long: blobs are looked up and opened only when they are reached.
    """

    def __init__(
        self,
        metadata: IMetadataStore,
        opening: Opening,
        pieces: list[Piece],
    ) -> None:
        self._metadata = metadata
        self._opening = opening
        self._pieces = iter(pieces)
        self._reader: IBlobReader | None = None

    async def read(self) -> bytes:
        while True:
            if self._reader is None:
                piece = next(self._pieces, None)
                if piece is None:
                    return b""
                self._reader = await self._open(piece)
            if data := await self._reader.read():
                return data
            self.close()

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    async def _open(self, piece: Piece) -> IBlobReader:
        found = await locate(self._metadata, piece.blob)
        return await self._opening.open(found, piece.start, piece.stop)


@attrs.frozen
class ObjectPart:
    """A part of an object: bytes start <= i < stop of it. The parts of an object are counted
    from 1 without gaps, whatever numbers they were uploaded under, so that who knows how many
    there are can ask for each."""

    number: int
    start: int
    stop: int
    checksums: tuple[Checksum, ...]


def parts_count(source: Source) -> int:
    """How many parts an object was made of; 0 if it was put in one go."""
    return sum(count for _, count in source.sizes) if isinstance(source, InManifest) else 0


async def object_parts(
    metadata: IMetadataStore, manifest: InManifest, *, after_number: int, parts_max: int
) -> list[ObjectPart]:
    """The parts of an object that is being read, from the one after `after_number` on."""
    ranges = list(islice(part_ranges(manifest), after_number, after_number + parts_max))
    rows = await _part_rows(metadata, manifest.upload, [number for number, *_ in ranges])
    return [
        ObjectPart(number, start, stop, row.checksums)
        for number, ((_, start, stop), row) in enumerate(
            zip(ranges, rows, strict=True), after_number + 1
        )
    ]


async def _part_rows(metadata: IMetadataStore, upload: bytes, numbers: Sequence[int]) -> list[Part]:
    rows = await metadata.get([keys.part(upload, number) for number in numbers])
    parts: list[Part] = []
    for number, row in zip(numbers, rows, strict=True):
        if row is None:
            raise DamagedRecord(f"part {number} of upload {upload.hex()}", "missing")
        parts.append(decode(Part, row.value))
    return parts


def listed_numbers(manifest: InManifest) -> list[int]:
    """The numbers of the parts that make the object, in order."""
    return [
        8 * index + bit + 1
        for index, byte in enumerate(manifest.listed)
        for bit in range(8)
        if byte >> bit & 1
    ]


def is_listed(listed: bytes, number: int) -> bool:
    """Whether a part with this number is among those that `listed_bits` made."""
    index, bit = divmod(number - 1, 8)
    return index < len(listed) and bool(listed[index] >> bit & 1)


def listed_bits(numbers: list[int]) -> bytes:
    """The inverse of `listed_numbers`."""
    bits = bytearray((max(numbers) + 7) // 8)
    for number in numbers:
        bits[(number - 1) // 8] |= 1 << (number - 1) % 8
    return bytes(bits)


def size_runs(sizes: list[int]) -> tuple[tuple[int, int], ...]:
    """Run-length form of the parts' sizes: uploads have one or two."""
    runs: list[tuple[int, int]] = []
    for size in sizes:
        if runs and runs[-1][0] == size:
            runs[-1] = (size, runs[-1][1] + 1)
        else:
            runs.append((size, 1))
    return tuple(runs)


def part_ranges(manifest: InManifest) -> Iterator[tuple[int, int, int]]:
    """(number, start, stop) of each part within the object."""
    sizes = (size for size, count in manifest.sizes for _ in range(count))
    start = 0
    for number, size in zip(listed_numbers(manifest), sizes, strict=True):
        yield number, start, start + size
        start += size


class ManifestStream:
    """Bytes of a multipart object; its parts are looked up as they are reached."""

    def __init__(
        self,
        metadata: IMetadataStore,
        opening: Opening,
        manifest: InManifest,
        start: int,
        stop: int,
    ) -> None:
        self._metadata = metadata
        self._opening = opening
        self._upload = manifest.upload
        self._wanted = [
            (number, max(start, first) - first, min(stop, last) - first, last - first)
            for number, first, last in part_ranges(manifest)
            if first < stop and last > start
        ]
        self._stream: BlobStream | None = None

    async def read(self) -> bytes:
        while True:
            if self._stream is None:
                if not self._wanted:
                    return b""
                self._stream = await self._next_parts()
            if data := await self._stream.read():
                return data
            self.close()

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    async def _next_parts(self) -> BlobStream:
        wanted = self._wanted[:_PARTS_A_LOOKUP]
        del self._wanted[:_PARTS_A_LOOKUP]
        parts = await _part_rows(self._metadata, self._upload, [want[0] for want in wanted])
        pieces: list[Piece] = []
        for (number, start, stop, size_bytes), part in zip(wanted, parts, strict=True):
            if part.size_bytes != size_bytes:
                raise DamagedRecord(f"part {number} of upload {self._upload.hex()}", "wrong size")
            pieces.append(Piece(part.blob, start, stop))
        return BlobStream(self._metadata, self._opening, pieces)
