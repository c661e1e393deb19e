"""What S3 does, in dicts: the oracle of the machine.

`PlainS3` has methods with boto3's names and arguments. Each returns what is known of the
answer, with None for what must not be in it, or raises `Refused`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from objectd.test.machine import sums

__all__ = ["Answer", "PlainBucket", "PlainS3", "Refused", "Stored", "Upload"]

Answer = dict[str, object]

HEADERS = ("CacheControl", "ContentDisposition", "ContentLanguage", "ContentType")


class Refused(Exception):
    """S3 answers with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@attrs.frozen(eq=False)
class Stored:
    """One object; what it is equal to is itself. `algorithm` and `kind` are those of its
    checksum, if it has one; `parts` are what it was completed from, or grew by."""

    data: bytes
    etag: str
    kept: Mapping[str, object]
    algorithm: str | None
    kind: str | None = "FULL_OBJECT"
    parts: tuple[bytes, ...] = ()
    tags: dict[str, str] = attrs.field(factory=dict)

    @property
    def checksums(self) -> Answer:
        """The one that it has, and None for those that it has not."""
        shown: Answer = {f"Checksum{name}": None for name in sums.ALGORITHMS}
        if self.algorithm is not None:
            shown[f"Checksum{self.algorithm}"] = self._checksum(self.algorithm)
        return {**shown, "ChecksumType": self.kind}

    def shown(self) -> Answer:
        """What GET and HEAD show of it, but for its size, bytes and checksum."""
        return {"ETag": self.etag, "TagCount": len(self.tags) or None, **self.kept}

    def _checksum(self, algorithm: str) -> str:
        if self.kind == "COMPOSITE":
            return sums.composite(algorithm, self.parts)
        return sums.checksum(algorithm, self.data)


@attrs.define(eq=False)
class Upload:
    """A multipart upload, also when it is over. `became` is what it was completed to, with
    the list and the answer of that."""

    bucket: str
    key: str
    algorithm: str
    kind: str
    kept: Mapping[str, object]
    parts: dict[int, bytes] = attrs.field(factory=dict)
    is_open: bool = True
    became: Stored | None = None
    listed: list[tuple[int, str]] = attrs.field(factory=list)
    answer: Answer = attrs.field(factory=dict)


@attrs.define(eq=False)
class PlainBucket:
    objects: dict[str, Stored] = attrs.field(factory=dict)
    uploads: dict[str, Upload] = attrs.field(factory=dict)


class PlainS3:
    """Its methods for objects are in mixins by family; here is what they share."""

    def __init__(self) -> None:
        self.buckets: dict[str, PlainBucket] = {}

    def create_bucket(self, *, Bucket: str) -> Answer:
        if Bucket in self.buckets:
            raise Refused("BucketAlreadyOwnedByYou")
        self.buckets[Bucket] = PlainBucket()
        return {"Location": f"/{Bucket}"}

    def delete_bucket(self, *, Bucket: str) -> Answer:
        if self.bucket(Bucket).objects:
            raise Refused("BucketNotEmpty")
        del self.buckets[Bucket]
        return {}

    def head_bucket(self, *, Bucket: str) -> Answer:
        self.bucket(Bucket)
        return {}

    def list_buckets(self) -> Answer:
        return {"Buckets": [{"Name": name} for name in sorted(self.buckets)]}

    def bucket(self, name: str) -> PlainBucket:
        try:
            return self.buckets[name]
        except KeyError:
            raise Refused("NoSuchBucket") from None

    def object(self, bucket: str, key: str) -> Stored:
        try:
            return self.bucket(bucket).objects[key]
        except KeyError:
            raise Refused("NoSuchKey") from None

    def require(self, bucket: str, key: str, IfMatch: str = "", IfNoneMatch: str = "") -> None:
        """Conditions of a write on what it replaces."""
        there = self.bucket(bucket).objects.get(key)
        if IfMatch and there is None:
            raise Refused("NoSuchKey")
        if there is not None and (IfNoneMatch or IfMatch not in ("", there.etag)):
            raise Refused("PreconditionFailed")


def kept(given: Mapping[str, object]) -> dict[str, object]:
    """What is kept of a request's headers and metadata, and None for what is not there."""
    shown: dict[str, object] = {name: given.get(name) for name in HEADERS}
    shown["ContentType"] = shown["ContentType"] or "binary/octet-stream"
    return {**shown, "Metadata": given.get("Metadata", {})}
