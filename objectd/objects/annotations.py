"""Annotations: named texts that versions of objects carry, and that come and go without a new
version being made. They count neither in an object's size nor in its bucket's usage, as tags do
not. They are encrypted as their version is, with its data keys.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/annotations-overview.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import attrs
from msgspec import structs

from objectd.errors import (
    AnnotationNameTooLong,
    AnnotationNotFound,
    AnnotationNotText,
    InvalidAnnotationName,
    InvalidAnnotationPrefix,
    InvalidOperation,
    TooManyAnnotations,
)
from objectd.interfaces import At, Scan
from objectd.model import keys
from objectd.model.codec import decode_object, decode_object_head, encode_object
from objectd.model.records import (
    Annotation,
    Encryption,
    JournalKind,
    ObjectHead,
    ObjectTail,
    Scheme,
)
from objectd.objects.annotation_rows import Recoding, delete_rows, put_rows, read_rows, row_keys
from objectd.objects.buckets import Buckets
from objectd.objects.checksums import NOTHING_DECLARED, Declared
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.core import Core
from objectd.objects.damage import decoded
from objectd.objects.destroying import Permit
from objectd.objects.ids import version_id as version_id_of
from objectd.objects.names import key_bytes
from objectd.objects.sealing import Sealed, Secret
from objectd.objects.settings import (
    ANNOTATION_BYTES_MAX,
    ANNOTATION_NAME_BYTES_MAX,
    ANNOTATIONS_MAX,
)
from objectd.objects.shield import shield
from objectd.objects.versions import Found, Key, require_version
from objectd.objects.writer import Batch
from objectd.streams import BytesStream, ByteStream

_T = TypeVar("_T")

_RESERVED = ("aws", "s3")
_UNPRINTABLE = ("Cc", "Cs")


@attrs.frozen
class FoundAnnotation:
    """An annotation with its text. `version_id` is that of the version that carries it: ''
    in a bucket that never had versions; `encryption` is that version's."""

    name: str
    record: Annotation
    payload: bytes
    version_id: str
    encryption: Encryption | None = None


@attrs.frozen
class ListedAnnotation:
    name: str
    record: Annotation


@attrs.frozen
class AnnotationPage:
    """In the order of their names' bytes; `next_position` is None on the last page."""

    annotations: Sequence[ListedAnnotation]
    version_id: str
    next_position: bytes | None


@attrs.frozen
class _Place:
    """Whose annotations: a version of a key, the newest for ''."""

    key: Key
    version: str
    versioned: bool

    def id_of(self, head: ObjectHead) -> str:
        return version_id_of(head) if self.versioned else ""


@attrs.frozen
class Annotations:
    """The annotations of all versions."""

    _core: Core
    _buckets: Buckets

    async def put(
        self,
        bucket: str,
        key: str,
        name: str,
        payload: bytes | ByteStream,
        *,
        version_id: str = "",
        declared: Declared = NOTHING_DECLARED,
        size_bytes: int | None = None,
        conditions: Conditions = NO_CONDITIONS,
        bypass_governance: bool = False,
    ) -> FoundAnnotation:
        """Give a version an annotation, in the place of the one that has the name: UTF-8, 1 byte
        to 1 MiB. `conditions` are about the version. It stays the same version of itself. One that
        is locked can get annotations, and loses none for others.

        Raises `InvalidAnnotationName`, `AnnotationNameTooLong`, `AnnotationNotText`,
        `ObjectLocked`, `InvalidOperation` (no bytes, or a version that is encrypted for a
        customer's key), `EntityTooLarge`, `TooManyAnnotations`, `BadDigest`, `IncompleteBody`,
        `PreconditionFailed`, `OperationAborted`, as `Objects.head`, and as `Encryptions.open`.
        """
        raw_name = name_bytes(name)
        place = await self._place(bucket, key, version_id)
        _, first, tail = await self._version(place)
        conditions.check_source(first)
        first_sealed = await self._sealed(tail)
        taken = await self._core.intake.take(
            BytesStream(payload) if isinstance(payload, bytes) else payload,
            declared,
            size_bytes=size_bytes,
            size_bytes_max=ANNOTATION_BYTES_MAX,
            inline_bytes_max=ANNOTATION_BYTES_MAX,
        )
        _check_text(taken.payload)

        async def decide(batch: Batch) -> FoundAnnotation:
            found, head, tail = await self._version(place)
            conditions.check_source(head)
            [old] = await self._core.metadata.get([keys.annotation(head.version, raw_name)])
            if old is None and tail.annotations >= ANNOTATIONS_MAX:
                raise TooManyAnnotations(ANNOTATIONS_MAX)
            if old is not None:
                await self._require_unlocked(head, tail, bypass_governance)
            now_us, checksums = self._core.now_us(), (taken.checksum,)
            record = Annotation(taken.size_bytes, now_us, taken.etag, checksums)
            # A version keeps its data keys, whatever they are sealed for.
            is_first = head.version == first.version
            sealed = first_sealed if is_first else await self._sealed(tail)
            recoding = Recoding(new=sealed)
            put_rows(batch, head.version, raw_name, record, taken.payload, recoding)
            self._recount(batch, place, found, tail.annotations + (old is None))
            return FoundAnnotation(name, record, taken.payload, place.id_of(head), tail.encryption)

        return await shield(self._change(place, decide))

    async def get(
        self, bucket: str, key: str, name: str, *, version_id: str = ""
    ) -> FoundAnnotation:
        """Raises `AnnotationNotFound`, as `Objects.head`, and as `Encryptions.open`."""
        raw_name = _possible(name)
        place = await self._place(bucket, key, version_id)
        while True:
            found, head, tail = await self._version(place)
            if not tail.annotations or raw_name is None:
                raise AnnotationNotFound(bucket, key, name)
            wanted = row_keys(head.version, raw_name)
            carrier, *rows = await self._core.metadata.get([found.row_key, *wanted])
            if carrier is None or decode_object_head(carrier.value).version != head.version:
                continue  # it has become noncurrent, or current, or is gone
            if rows[0] is None:
                raise AnnotationNotFound(bucket, key, name)
            read = read_rows(name, wanted, rows, await self._secret(tail))
            return FoundAnnotation(name, *read, place.id_of(head), tail.encryption)

    async def list(
        self,
        bucket: str,
        key: str,
        *,
        version_id: str = "",
        prefix: str = "",
        position: bytes = b"",
        annotations_max: int = ANNOTATIONS_MAX,
    ) -> AnnotationPage:
        """A page of a version's annotations, from the name `position` on, included. One whose
        record is damaged is left out. Raises `InvalidAnnotationPrefix` for what no name may begin
        with, and as `Objects.head`."""
        raw_prefix = _prefix_bytes(prefix)
        place = await self._place(bucket, key, version_id)
        while True:
            found, head, tail = await self._version(place)
            if not tail.annotations:
                return AnnotationPage([], place.id_of(head), None)
            listed, following = await self._page(
                head.version, raw_prefix, position, annotations_max
            )
            again, _, _ = await self._version(place)
            if again.row == found.row:  # else some of them may have come or gone meanwhile
                return AnnotationPage(listed, place.id_of(head), following)

    async def delete(
        self,
        bucket: str,
        key: str,
        name: str,
        *,
        version_id: str = "",
        conditions: Conditions = NO_CONDITIONS,
        bypass_governance: bool = False,
    ) -> str:
        """Take an annotation away for good; that there is none is no error. Returns the id of the
        version that carried it. Raises `ObjectLocked`, `PreconditionFailed`, `OperationAborted`,
        and as `Objects.head`."""
        raw_name = _possible(name)
        place = await self._place(bucket, key, version_id)

        async def decide(batch: Batch) -> str:
            found, head, tail = await self._version(place)
            conditions.check_source(head)
            if tail.annotations and raw_name is not None:
                [old] = await self._core.metadata.get([keys.annotation(head.version, raw_name)])
                if old is not None:
                    await self._require_unlocked(head, tail, bypass_governance)
                    delete_rows(batch, head.version, raw_name)
                    self._recount(batch, place, found, tail.annotations - 1)
            return place.id_of(head)

        return await shield(self._change(place, decide))

    async def _require_unlocked(self, head: ObjectHead, tail: ObjectTail, bypass: bool) -> None:
        """What a locked version carries is kept as its bytes are: AWS asks for the bypass of
        GOVERNANCE to delete an annotation. Raises `ObjectLocked`.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectAnnotation.html"""
        permit = await Permit(bypass_governance=bypass).timed(self._core, (head, tail))
        permit.check(tail.lock)

    async def _place(self, bucket: str, key: str, version_id: str) -> _Place:
        raw_key = key_bytes(key)
        name = await self._buckets.named(bucket)
        return _Place(Key(bucket, name.bucket_id, raw_key), version_id, name.versioned)

    async def _version(self, place: _Place) -> tuple[Found, ObjectHead, ObjectTail]:
        found = await require_version(
            self._core, place.key, place.version, versioned=place.versioned
        )
        return found, *decode_object(found.row.value)

    async def _secret(self, tail: ObjectTail) -> Secret | None:
        """The data keys of a version that is encrypted."""
        encryption = tail.encryption
        if encryption is None:
            return None
        return await self._core.encryptions.open(encryption, None)

    async def _sealed(self, tail: ObjectTail) -> Sealed | None:
        """How an annotation of a version is stored; None: as it is."""
        encryption = tail.encryption
        if encryption is None:
            return None
        require_annotatable(encryption.scheme)
        secret = await self._core.encryptions.open(encryption, None)
        return self._core.encryptions.sealed(encryption, secret)

    async def _change(self, place: _Place, decide: Callable[[Batch], Awaitable[_T]]) -> _T:
        async with self._core.locks.holding(place.key.row_key):
            return await self._core.writer.transact(decide)

    def _recount(self, batch: Batch, place: _Place, found: Found, annotations: int) -> None:
        """Put the version's row again, be it as it was: it tells that they have changed."""
        head, tail = decode_object(found.row.value)
        batch.expect(At(found.row_key, found.row.revision))
        tail = structs.replace(tail, annotations=annotations)
        batch.put(found.row_key, encode_object(head, tail))
        kind, (_, bucket_id, raw_key) = JournalKind.OBJECT_ANNOTATED, place.key
        self._core.journal(batch, kind, bucket_id, key=raw_key, version=head.version)

    async def _page(
        self, version: bytes, prefix: bytes, position: bytes, annotations_max: int
    ) -> tuple[Sequence[ListedAnnotation], bytes | None]:
        """With the position of the next page, if there is one."""
        start, stop = keys.span(keys.annotation(version, prefix))
        start = max(start, keys.annotation(version, position))
        listed: list[ListedAnnotation] = []
        more = start < stop
        while more and len(listed) < annotations_max:
            limit = annotations_max - len(listed)
            page = await self._core.metadata.scan(Scan(start, stop, limit=limit))
            for entry in page.entries:
                record = decoded(Annotation, entry.key, entry.value)
                if record is not None:
                    name = keys.annotation_name(entry.key).decode()
                    listed.append(ListedAnnotation(name, record))
                start = entry.key + b"\0"
            more = page.more
        return listed, keys.annotation_name(start) if more else None


def require_annotatable(scheme: Scheme | None) -> None:
    """Raises `InvalidOperation` where nobody could read an annotation without the customer.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAnnotation.html"""
    if scheme is Scheme.SSE_C:
        raise InvalidOperation("Objects that are encrypted with SSE-C cannot have annotations.")


def _possible(name: str) -> bytes | None:
    """What an annotation of this name lies under; None if there cannot be one."""
    try:
        return name_bytes(name)
    except (AnnotationNameTooLong, InvalidAnnotationName):
        return None


def name_bytes(name: str) -> bytes:
    """A name as it is stored: UTF-8, 1 to 512 bytes, and not one of AWS's own. What an XML
    document cannot carry is none either: names are listed in nothing else.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectAnnotation.html
    Raises `InvalidAnnotationName`, `AnnotationNameTooLong`.
    """
    if not name:
        raise InvalidAnnotationName("it is empty")
    if name.lower().startswith(_RESERVED):
        raise InvalidAnnotationName("AWS reserves names that begin with 'aws' or 's3'")
    if any(unicodedata.category(char) in _UNPRINTABLE for char in name):
        raise InvalidAnnotationName("control characters are not allowed")
    encoded = name.encode()
    if len(encoded) > ANNOTATION_NAME_BYTES_MAX:
        raise AnnotationNameTooLong(len(encoded), ANNOTATION_NAME_BYTES_MAX)
    return encoded


def _prefix_bytes(prefix: str) -> bytes:
    try:
        return name_bytes(prefix) if prefix else b""
    except (AnnotationNameTooLong, InvalidAnnotationName) as error:
        raise InvalidAnnotationPrefix(str(error)) from error


def _check_text(payload: bytes) -> None:
    if not payload:
        raise InvalidOperation("An annotation has at least one byte.")
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise AnnotationNotText("the payload is not valid UTF-8") from None
