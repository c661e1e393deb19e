"""Completing a multipart upload: two commits, in which no byte moves.

The first commit moves the upload to COMPLETING, from which on no part can be added: the
parts are frozen and are checked against the list. The second puts the object, whose manifest
names the listed parts, and turns the upload into a manifest row. A list that does not fit, or
an attempt that gives up, moves the upload back to OPEN. Anyone may take over or abort an
upload that is COMPLETING (its process may have died): each attempt expects the row as it put
it itself, so only one of them can win, and the others read again what became of it.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence

import attrs
from msgspec import structs

from objectd.errors import (
    BadDigest,
    BucketNotFound,
    ChecksumKindMismatch,
    Conflict,
    EntityTooSmall,
    Fenced,
    InvalidArgument,
    InvalidOperation,
    InvalidPart,
    InvalidPartOrder,
    OperationAborted,
    OutcomeUnknown,
    UploadNotFound,
)
from objectd.interfaces import At, Present, Row
from objectd.model import keys
from objectd.model.blobs import Candidate
from objectd.model.codec import decode, encode
from objectd.model.records import (
    Checksum,
    Encryption,
    InManifest,
    JournalKind,
    Manifest,
    ObjectHead,
    ObjectTail,
    Part,
    Upload,
    UploadState,
)
from objectd.objects import references
from objectd.objects.checksums import (
    DEFAULT_ALGORITHM,
    checksum_mismatch,
    composite,
    full_object,
    multipart_etag,
)
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.current import read_current, replace
from objectd.objects.object import Object
from objectd.objects.reading import listed_bits, size_runs
from objectd.objects.settings import PART_NUMBER_MAX
from objectd.objects.shield import shield
from objectd.objects.uploads import Place, Uploads
from objectd.objects.writer import Batch


@attrs.frozen
class ListedPart:
    """A line of the list that a Complete sends; `checksum` is compared where given, and must
    be given where the upload's is composite."""

    number: int
    etag: str
    checksum: Checksum | None = None


@attrs.frozen
class DeclaredObject:
    """What a Complete says of the whole object; what is empty or None is not compared."""

    checksum: Checksum | None = None
    checksum_kind: str = ""
    size_bytes: int | None = None


NOTHING_DECLARED = DeclaredObject()


@attrs.frozen
class Completed:
    """The object that an upload has become; `checksum` is None if it was given none."""

    bucket: str
    key: str
    etag: str
    checksum: Checksum | None
    version_id: str = ""
    encryption: Encryption | None = None
    object: Object | None = attrs.field(default=None, eq=False)
    """As it was stored; None for a Complete that only repeats an earlier one."""


@attrs.frozen
class _Wanted:
    """What a Complete asks for."""

    listed: Sequence[ListedPart]
    declared: DeclaredObject
    conditions: Conditions


@attrs.frozen
class _Attempt:
    """An upload that this attempt has frozen, and the expectation that it still is."""

    place: Place
    upload: Upload
    frozen: At
    list_digest: bytes


@attrs.frozen
class Completions:
    """Turns uploads into objects."""

    _core: Core
    _uploads: Uploads

    async def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        listed: Sequence[ListedPart],
        *,
        declared: DeclaredObject = NOTHING_DECLARED,
        conditions: Conditions = NO_CONDITIONS,
    ) -> Completed:
        """Make the listed parts the object of the key; durable on return.

        The same list again, while the object is there, gets the same answer. Raises
        `UploadNotFound`, `OperationAborted`, and for what does not fit, whereupon the upload
        stays open, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `BadDigest`,
        `ChecksumKindMismatch`, `InvalidOperation`; with conditions, which are about what the
        object replaces, `PreconditionFailed`, `ObjectNotFound` and `ConditionalConflict`.
        """
        _check_list(listed)
        place = await self._uploads.place(bucket, key, upload_id)
        with conditions.telling_conflicts():
            return await shield(self._complete(place, _Wanted(listed, declared, conditions)))

    async def _complete(self, place: Place, wanted: _Wanted) -> Completed:
        core = self._core
        digest = _list_digest(wanted.listed)
        object_key = keys.object_(place.bucket.bucket_id, place.key)
        async with core.locks.holding(place.row_key, object_key):
            for _ in range(core.settings.commit_attempts_max):
                try:
                    attempt = await self._freeze(place, digest)
                    if isinstance(attempt, Completed):
                        return attempt
                    return await self._finish(attempt, wanted)
                except Conflict:
                    continue
        raise OperationAborted("others kept changing the upload, or the object of its key")

    async def _freeze(self, place: Place, digest: bytes) -> _Attempt | Completed:
        """The first commit; or what became of the upload, if it is over."""
        core, bucket = self._core, keys.bucket(place.bucket.bucket_id)
        bucket_row, upload_row, manifest_row = await core.metadata.get(
            [bucket, place.row_key, keys.manifest(place.id.uid)]
        )
        if upload_row is None:
            return _completed_before(place, digest, manifest_row)
        if bucket_row is None:
            raise BucketNotFound(place.bucket.name)
        upload = decode(Upload, upload_row.value)
        if upload.is_of_move:
            raise UploadNotFound(place.id.text())
        frozen = structs.replace(
            upload, state=UploadState.COMPLETING, list_digest=digest, attempt=core.ids.uid()
        )
        batch = Batch()
        batch.expect(Present(bucket), At(place.row_key, upload_row.revision))
        batch.put(place.row_key, encode(frozen))
        revision = await core.writer.commit(batch)
        return _Attempt(place, frozen, At(place.row_key, revision), digest)

    async def _finish(self, attempt: _Attempt, wanted: _Wanted) -> Completed:
        try:
            parts = await self._listed_parts(attempt, wanted.listed)
            whole = _whole_checksum(attempt.upload, parts)
            _check_declared(wanted.declared, parts, whole)
            return await self._put_object(attempt, wanted, parts, whole)
        except (OutcomeUnknown, Fenced):
            raise
        except BaseException:  # a conflict too: it may have been the last attempt
            await self._thaw(attempt)
            raise

    async def _listed_parts(self, attempt: _Attempt, listed: Sequence[ListedPart]) -> list[Part]:
        uid = attempt.place.id.uid
        rows = await self._core.metadata.get([keys.part(uid, part.number) for part in listed])
        parts: list[Part] = []
        for wanted, row in zip(listed, rows, strict=True):
            if row is None:
                raise InvalidPart(wanted.number)
            part = decode(Part, row.value)
            if part.etag != wanted.etag:
                raise InvalidPart(wanted.number)
            _check_part_checksum(attempt.upload, wanted, part)
            parts.append(part)
        least = self._core.settings.part_bytes_min
        for wanted, part in zip(listed[:-1], parts, strict=False):
            if part.size_bytes < least:
                raise EntityTooSmall(wanted.number, part.size_bytes, least)
        return parts

    async def _put_object(
        self, attempt: _Attempt, wanted: _Wanted, parts: list[Part], whole: Checksum | None
    ) -> Completed:
        """The second commit."""
        core, place, upload = self._core, attempt.place, attempt.upload
        version = core.ids.uid()
        etag = multipart_etag([part.etag for part in parts])
        checksums = (whole,) if whole else ()
        listed = listed_bits([part.number for part in wanted.listed])
        old = await read_current(core, place.bucket, place.key)
        old.check(wanted.conditions, place.bucket.name)
        head = ObjectHead(
            size_bytes=sum(part.size_bytes for part in parts),
            modified_us=core.now_us(),
            etag=etag,
            version=version,
            owner=upload.owner,
            storage_class=upload.storage_class,
            checksum_algorithm=whole.algorithm if whole else "",
            checksum_kind=whole.kind if whole else "",
        )
        sizes = size_runs([part.size_bytes for part in parts])
        source = InManifest(upload.upload, listed, sizes)
        kept = upload.headers, upload.metadata, checksums, upload.tags
        tail = ObjectTail(source, *kept, lock=upload.lock, encryption=upload.encryption)
        batch = Batch()
        batch.expect(attempt.frozen)
        made = replace(core, batch, old, head, tail, kind=JournalKind.OBJECT_COMPLETED)
        manifest = Manifest(
            bucket_id=place.bucket.bucket_id,
            key=place.key,
            upload=upload.upload,
            list_digest=attempt.list_digest,
            version=version,
            etag=etag,
            checksums=checksums,
            listed=listed,
            version_id=made.version_id,
        )
        batch.delete(place.row_key)
        batch.put(keys.manifest(upload.upload), encode(manifest))
        batch.put(keys.manifest_ref(upload.upload, version), references.REF)
        batch.put(keys.parts_candidate(upload.upload), encode(Candidate(core.now_us())))
        await core.writer.commit(batch)
        return Completed(
            made.bucket, made.key, etag, whole, made.version_id, upload.encryption, made
        )

    async def _thaw(self, attempt: _Attempt) -> None:
        """Let the upload go on without this attempt. A `Conflict` says that others have gone
        on with it: what this attempt has seen of the parts may be their doing."""
        batch = Batch()
        batch.expect(attempt.frozen)
        batch.put(
            attempt.place.row_key,
            encode(structs.replace(attempt.upload, state=UploadState.OPEN)),
        )
        await self._core.writer.commit(batch)


def _completed_before(place: Place, digest: bytes, row: Row | None) -> Completed:
    """What an earlier Complete with the same list has answered; `row` is its manifest. Raises
    `UploadNotFound` if there was none."""
    if row is None:
        raise UploadNotFound(place.id.text())
    manifest = decode(Manifest, row.value)
    here = (place.bucket.bucket_id, place.key, digest)
    if (manifest.bucket_id, manifest.key, manifest.list_digest) != here:
        raise UploadNotFound(place.id.text())
    checksum = manifest.checksums[0] if manifest.checksums else None
    name, key = place.bucket.name, place.key.decode()
    return Completed(name, key, manifest.etag, checksum, manifest.version_id)


def _check_list(listed: Sequence[ListedPart]) -> None:
    if not listed:
        raise InvalidArgument("a Complete must list at least one part")
    for part in listed:
        if not 1 <= part.number <= PART_NUMBER_MAX:
            raise InvalidPart(part.number)
    if any(a.number >= b.number for a, b in itertools.pairwise(listed)):
        raise InvalidPartOrder("the parts must be listed in ascending order, each once")


def _list_digest(listed: Sequence[ListedPart]) -> bytes:
    lines = "\n".join(f"{part.number} {part.etag}" for part in listed)
    return hashlib.sha256(lines.encode()).digest()


def _check_declared(declared: DeclaredObject, parts: list[Part], whole: Checksum | None) -> None:
    size_bytes = sum(part.size_bytes for part in parts)
    if declared.size_bytes not in (None, size_bytes):
        raise InvalidOperation(
            f"The provided 'x-amz-mp-object-size' header value {declared.size_bytes} does not "
            f"match what was computed: {size_bytes}"
        )
    kind = whole.kind if whole else "FULL_OBJECT"
    if declared.checksum_kind not in ("", kind):
        raise ChecksumKindMismatch(kind)
    if declared.checksum is None:
        return
    algorithm, value = declared.checksum.algorithm, declared.checksum.value
    if whole is None or whole.algorithm != algorithm:
        raise InvalidOperation(checksum_mismatch(whole.algorithm if whole else "null", algorithm))
    if whole.value != value:
        raise BadDigest(algorithm, value.hex(), whole.value.hex())


def _check_part_checksum(upload: Upload, wanted: ListedPart, part: Part) -> None:
    if wanted.checksum is not None:
        if wanted.checksum not in part.checksums:
            raise InvalidPart(wanted.number)
    elif upload.checksum_kind == "COMPOSITE":
        raise InvalidOperation(
            f"The upload was created using a {upload.checksum_algorithm.lower()} checksum. The "
            "complete request must include the checksum for each part. It was missing for part "
            f"{wanted.number} in the request."
        )


def _whole_checksum(upload: Upload, parts: list[Part]) -> Checksum | None:
    """The checksum of the object, from those of its parts."""
    algorithm = upload.checksum_algorithm or DEFAULT_ALGORITHM
    values = [(part.checksums[0].value, part.size_bytes) for part in parts]
    if any(part.checksums[0].algorithm != algorithm for part in parts):
        return None
    if upload.checksum_kind == "COMPOSITE":
        return composite(algorithm, [value for value, _ in values])
    return full_object(algorithm, values)
