"""Why what callers ask of objects, versions and uploads cannot be done."""

from __future__ import annotations

from objectd.errors.base import ObjectdError


class InvalidArgument(ObjectdError):
    """An argument is outside what S3 allows; `name` says which one."""

    def __init__(self, message: str, *, name: str = "", value: str = "") -> None:
        super().__init__(message)
        self.name = name
        self.value = value


class InvalidOperation(ObjectdError):
    """The operation makes no sense in the state that it found."""


class ObjectLocked(ObjectdError):
    """A version, or what protects it, is under a lock that does not give way to the request."""


class ObjectNotLocked(ObjectdError):
    """The version has no lock of the kind that was asked for."""


class ObjectNotFound(ObjectdError):
    def __init__(self, bucket: str, key: str) -> None:
        super().__init__(f"there is no object {key!r} in bucket {bucket!r}")
        self.bucket = bucket
        self.key = key


class DeleteMarkerFound(ObjectNotFound):
    """The newest version of the key is a delete marker: that of `version_id`."""

    def __init__(self, bucket: str, key: str, version_id: str) -> None:
        super().__init__(bucket, key)
        self.version_id = version_id


class VersionNotFound(ObjectdError):
    def __init__(self, bucket: str, key: str, version_id: str) -> None:
        super().__init__(f"there is no version {version_id!r} of {key!r} in bucket {bucket!r}")
        self.key = key
        self.version_id = version_id


class VersionIsDeleteMarker(ObjectdError):
    """The version that was asked for by its id has no bytes and no tags: it is a delete
    marker."""

    def __init__(self, key: str, version_id: str, modified_us: int) -> None:
        super().__init__(f"version {version_id!r} of {key!r} is a delete marker")
        self.key = key
        self.version_id = version_id
        self.modified_us = modified_us


class KeyTooLong(ObjectdError):
    """A key is longer than 1,024 bytes of UTF-8."""

    def __init__(self, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(f"the key has {size_bytes} bytes; {size_bytes_max} are allowed")
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class MetadataTooLarge(ObjectdError):
    """The user metadata of an object is over the limit."""

    def __init__(self, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(f"the metadata has {size_bytes} bytes; {size_bytes_max} are allowed")
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class InvalidRange(ObjectdError):
    """The range asked for lies wholly outside the object."""

    def __init__(self, requested: str, size_bytes: int) -> None:
        super().__init__(f"range {requested} cannot be satisfied by {size_bytes} bytes")
        self.requested = requested
        self.size_bytes = size_bytes


class EntityTooLarge(ObjectdError):
    def __init__(self, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(f"{size_bytes} bytes exceed the limit of {size_bytes_max}")
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class EntityTooSmall(ObjectdError):
    """A part other than the last is below the least part size."""

    def __init__(self, part_number: int, size_bytes: int, size_bytes_min: int) -> None:
        super().__init__(f"part {part_number} has {size_bytes} bytes; {size_bytes_min} are needed")
        self.part_number = part_number
        self.size_bytes = size_bytes
        self.size_bytes_min = size_bytes_min


class BadDigest(ObjectdError):
    """What arrived does not have the digest that its sender declared."""

    def __init__(self, algorithm: str, declared: str, computed: str) -> None:
        super().__init__(f"the {algorithm} of the data is {computed}, not {declared} as declared")
        self.algorithm = algorithm
        self.declared = declared
        self.computed = computed


class ChecksumKindMismatch(ObjectdError):
    """A Complete speaks of another kind of checksum than its upload was created with."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"The upload was created using the {kind} checksum mode. The complete request must "
            "use the same checksum mode."
        )
        self.kind = kind


class IncompleteBody(ObjectdError):
    """The body ended before, or went on after, the length that was declared."""


class UploadNotFound(ObjectdError):
    def __init__(self, upload_id: str) -> None:
        super().__init__(f"there is no upload {upload_id!r}: it was aborted or completed")
        self.upload_id = upload_id


class InvalidPart(ObjectdError):
    """A part in the list of a Complete was not uploaded, or has another ETag or checksum."""

    def __init__(self, part_number: int) -> None:
        super().__init__(f"part {part_number} was not uploaded or has another ETag")
        self.part_number = part_number


class PartNotFound(ObjectdError):
    """A reader wants a part that the object does not have."""

    def __init__(self, part_number: int, parts_count: int) -> None:
        super().__init__(f"the object has no part {part_number} among its {parts_count}")
        self.part_number = part_number
        self.parts_count = parts_count


class InvalidPartOrder(ObjectdError):
    """The part numbers of a Complete are not strictly ascending."""


class PreconditionFailed(ObjectdError):
    """What is at the key is not as the caller wants it; `condition` is the header's name."""

    def __init__(self, condition: str) -> None:
        super().__init__(f"the condition {condition} does not hold")
        self.condition = condition


class NotModified(ObjectdError):
    """The reader has this object already. `etag` is without quotes."""

    def __init__(self, etag: str, modified_us: int) -> None:
        super().__init__("the object has not changed")
        self.etag = etag
        self.modified_us = modified_us


class InvalidTag(ObjectdError):
    """A tag breaks the rules for tags; the message says which one."""


class TooManyTags(ObjectdError):
    """An object may not have so many tags."""


class InvalidAnnotationName(ObjectdError):
    """No annotation may be called so; the message says why."""


class InvalidAnnotationPrefix(ObjectdError):
    """The names of no annotations may begin so; the message says why."""


class AnnotationNameTooLong(ObjectdError):
    """The name of an annotation has more than 512 bytes of UTF-8."""

    def __init__(self, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(f"the name has {size_bytes} bytes; {size_bytes_max} are allowed")
        self.size_bytes = size_bytes
        self.size_bytes_max = size_bytes_max


class AnnotationNotFound(ObjectdError):
    def __init__(self, bucket: str, key: str, name: str) -> None:
        super().__init__(f"{key!r} in bucket {bucket!r} has no annotation {name!r}")
        self.name = name


class AnnotationNotText(ObjectdError):
    """An annotation is UTF-8."""


class TooManyAnnotations(ObjectdError):
    """An object may not have so many annotations."""

    def __init__(self, annotations_max: int) -> None:
        super().__init__(f"an object may have {annotations_max} annotations")


class ConditionalConflict(ObjectdError):
    """Others changed the key while a conditional write was under way: look again, and try
    again."""


class WriteOffsetInvalid(ObjectdError):
    """An append does not begin where the object ends."""

    def __init__(self, offset_bytes: int, size_bytes: int) -> None:
        super().__init__(f"the object has {size_bytes} bytes; the append begins at {offset_bytes}")
        self.offset_bytes = offset_bytes
        self.size_bytes = size_bytes


class TooManyParts(ObjectdError):
    """The object has as many parts as it may have and cannot be appended to."""


class TokenMismatch(ObjectdError):
    """A client's idempotency token was used before, for another request."""


class OperationAborted(ObjectdError):
    """Others changed the same rows again and again: try again later."""


class UnknownStorageClass(ObjectdError):
    """The store has no storage class of that name."""

    def __init__(self, storage_class: str) -> None:
        super().__init__(f"there is no storage class {storage_class!r} here")
        self.storage_class = storage_class


class ObjectArchived(ObjectdError):
    """The version is in an archive and not restored."""

    def __init__(self, storage_class: str) -> None:
        super().__init__(
            f"the version is in the storage class {storage_class!r}, which is an archive: it must "
            "be restored before it can be read"
        )
        self.storage_class = storage_class


class SourceArchived(ObjectArchived):
    """What is to be copied is in an archive and not restored."""


class NotArchived(ObjectdError):
    """The version is to be restored, and is in no archive."""

    def __init__(self, storage_class: str) -> None:
        super().__init__("Restore is not allowed for the object's current storage class")
        self.storage_class = storage_class


class RestoreInProgress(ObjectdError):
    """The version is being restored already."""
