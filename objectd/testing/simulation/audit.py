"""What must hold when everything is quiet: rows, files and counters agree to the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from typing import TypeVar

import attrs

from objectd.errors import DamagedRecord
from objectd.interfaces import BlobFile
from objectd.model import keys
from objectd.model.codec import decode, decode_counter, decode_object, decode_payload
from objectd.model.records import (
    Blob,
    Bucket,
    BucketName,
    Content,
    InBlob,
    InManifest,
    InRow,
    Manifest,
    Part,
    Upload,
)
from objectd.objects import usage
from objectd.objects.reading import listed_numbers
from objectd.testing.simulation.drives import Drives
from objectd.testing.simulation.history import Violated
from objectd.testing.simulation.metadata import Rows

_K = TypeVar("_K")


@attrs.frozen
class Audit:
    """Compares all rows of a store at rest with each other and with the files."""

    rows: dict[bytes, bytes]
    files: Set[BlobFile]

    @classmethod
    def of(cls, rows: Rows, drives: Drives) -> Audit:
        return cls({key: row.value for key, row in rows.rows(b"\x20", b"\xff")}, set(drives.names))

    def run(self) -> None:
        """Raises `Violated` for the first thing that does not fit."""
        try:
            self._nothing_is_left_to_do()
            self._buckets_fit()
            self._objects_hold_their_bytes()
            self._parts_hold_their_bytes()
            self._files_are_those_of_blobs()
            self._counters_are_right()
        except DamagedRecord as error:
            raise Violated(str(error)) from error

    def _family(self, prefix: bytes) -> dict[bytes, bytes]:
        """The rows of a family, by the key without its prefix."""
        size = len(prefix)
        return {key[size:]: value for key, value in self.rows.items() if key.startswith(prefix)}

    def _nothing_is_left_to_do(self) -> None:
        for family in (b"d", b"x", keys.SWEEP_HOLD):
            _expect_same("rows of work to do", set(self._family(family)), set())
        if len(self._family(keys.INCARNATIONS)) != 1:
            raise Violated("more than one incarnation is left at rest")

    def _buckets_fit(self) -> None:
        names = {decode(BucketName, v).bucket_id for v in self._family(b"n").values()}
        buckets = {decode(Bucket, v).bucket_id for v in self._family(b"b").values()}
        lives = {int.from_bytes(key, "big") for key in self._family(b"l")}
        _expect_same("buckets with and without a name", buckets, names)
        _expect_same("live rows and buckets", lives, buckets)
        for family in (b"o", b"v", b"p", b"u", b"a"):
            used = {int.from_bytes(key[:8], "big") for key in self._family(family)}
            if not used <= buckets:
                raise Violated(f"rows {family!r} of buckets that were deleted: {used - buckets}")

    def _objects_hold_their_bytes(self) -> None:
        payloads: set[bytes] = set()
        refs: set[bytes] = set()
        manifest_refs: set[bytes] = set()
        for key, value in self._family(b"o").items():
            head, tail = decode_object(value)
            match tail.source:
                case InRow():
                    payloads.add(key)
                    if len(decode_payload(self.rows.get(b"p" + key, b""))) != head.size_bytes:
                        raise Violated(f"the payload of {key!r} has another size")
                case InBlob(blob):
                    refs.add(keys.version_ref(blob, head.version))
                case InManifest(upload):
                    manifest_refs.add(keys.manifest_ref(upload, head.version))
                    self._manifest_is_whole(tail.source)
        _expect_same("payloads", set(self._family(b"p")), payloads)
        stored = {b"M" + key for key in self._family(b"M")}
        _expect_same("references to manifests", stored, manifest_refs)
        manifests = {key[1 : 1 + keys.UID_BYTES] for key in manifest_refs}
        _expect_same("manifests", set(self._family(b"m")), manifests)
        stored = {b"r" + key for key in self._family(b"r") if key[12:13] == b"v"}
        _expect_same("references of versions", stored, refs)

    def _manifest_is_whole(self, source: InManifest) -> None:
        manifest = decode(Manifest, self.rows.get(keys.manifest(source.upload), b""))
        if manifest.listed != source.listed:
            raise Violated("a manifest lists other parts than its object")
        stored = {keys.part_number(b"t" + key) for key in self._part_keys(source.upload)}
        _expect_same("parts of a completed upload", stored, set(listed_numbers(source)))

    def _part_keys(self, upload: bytes) -> list[bytes]:
        return [key for key in self._family(b"t") if key.startswith(upload)]

    def _parts_hold_their_bytes(self) -> None:
        in_progress = {decode(Upload, value).upload for value in self._family(b"u").values()}
        owners = in_progress | set(self._family(b"m"))
        refs: set[bytes] = set()
        for key, value in self._family(b"t").items():
            part = decode(Part, value)
            refs.add(keys.part_ref(part.blob, part.attempt))
            if key[: keys.UID_BYTES] not in owners:
                raise Violated(f"a part of an upload that is over: {key!r}")
        stored = {b"r" + key for key in self._family(b"r") if key[12:13] == b"p"}
        _expect_same("references of parts", stored, refs)

    def _files_are_those_of_blobs(self) -> None:
        blobs = {uid: decode(Blob, value) for uid, value in self._family(b"B").items()}
        referred = {key[: keys.UID_BYTES] for key in self._family(b"r")}
        _expect_same("blobs", set(blobs), referred)
        files = {BlobFile(blob.drive, uid, blob.digest) for uid, blob in blobs.items()}
        _expect_same("files", set(self.files), files)
        for value in self._family(b"c").values():
            if decode(Content, value).blob not in blobs:
                raise Violated("a content row leads to a blob that is not there")

    def _counters_are_right(self) -> None:
        counted: Counter[tuple[int, bytes]] = Counter()
        for key, value in self._family(b"o").items():
            bucket_id = int.from_bytes(key[:8], "big")
            counted[bucket_id, usage.OBJECTS] += 1
            counted[bucket_id, usage.BYTES] += decode_object(value)[0].size_bytes
        kept: Counter[tuple[int, bytes]] = Counter()
        for key, value in self._family(b"a").items():
            bucket_id, quantity, _ = keys.usage_fields(b"a" + key)
            kept[bucket_id, quantity] += decode_counter(value)
        for which in counted.keys() | kept.keys():
            if counted[which] != kept[which]:
                raise Violated(f"usage {which}: {kept[which]} kept, {counted[which]} counted")


def _expect_same(what: str, found: set[_K], expected: set[_K]) -> None:
    if found != expected:
        raise Violated(f"{what}: too many {found - expected!r}, missing {expected - found!r}")
