"""What becomes of objects that are there: copies, appends, renames, tags; and their parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import unquote

import attrs

from objectd.test.machine import sums
from objectd.test.machine.homes import SETTINGS
from objectd.test.machine.plain import Answer, PlainS3, Refused, Stored, kept
from objectd.test.machine.plain_objects import shown_span


class PlainChanges(PlainS3):
    def copy_object(
        self,
        *,
        Bucket: str,
        Key: str,
        CopySource: Mapping[str, str],
        MetadataDirective: str = "COPY",
        TaggingDirective: str = "COPY",
        ChecksumAlgorithm: str = "",
        CopySourceIfMatch: str = "",
        IfMatch: str = "",
        IfNoneMatch: str = "",
        **given: object,
    ) -> Answer:
        """No byte moves, so a copy keeps the ETag and the parts of its source."""
        replaces = MetadataDirective == "REPLACE"
        if CopySource == {"Bucket": Bucket, "Key": Key} and not replaces:
            raise Refused("InvalidRequest")
        self.bucket(Bucket)
        source = self.object(CopySource["Bucket"], CopySource["Key"])
        if CopySourceIfMatch not in ("", source.etag):
            raise Refused("PreconditionFailed")
        self.require(Bucket, Key, IfMatch, IfNoneMatch)
        copy = attrs.evolve(
            source,
            kept=kept(given) if replaces else source.kept,
            tags={} if TaggingDirective == "REPLACE" else dict(source.tags),
        )
        if ChecksumAlgorithm:
            copy = attrs.evolve(copy, algorithm=ChecksumAlgorithm, kind="FULL_OBJECT")
        self.buckets[Bucket].objects[Key] = copy
        return {"CopyObjectResult": {"ETag": copy.etag, **copy.checksums}}

    def append_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        WriteOffsetBytes: int,
        ChecksumAlgorithm: str,
        IfMatch: str = "",
        IfNoneMatch: str = "",
        **_: object,
    ) -> Answer:
        """A PutObject with an offset."""
        if not Body:
            raise Refused("InvalidRequest")
        self.require(Bucket, Key, IfMatch, IfNoneMatch)
        there = self.buckets[Bucket].objects.get(Key)
        if there is None and WriteOffsetBytes:
            raise Refused("NoSuchKey")
        if there is None:
            grown = Stored(Body, sums.etag(Body), kept({}), ChecksumAlgorithm)
        else:
            if len(there.data) != WriteOffsetBytes:
                raise Refused("InvalidWriteOffset")
            grown = _grown(there, Body, ChecksumAlgorithm)
        self.buckets[Bucket].objects[Key] = grown
        return {"ETag": grown.etag, "Size": len(grown.data), **grown.checksums}

    def rename_object(self, *, Bucket: str, Key: str, RenameSource: str) -> Answer:
        source = unquote(RenameSource)
        if source == Key:
            raise Refused("InvalidRequest")
        moved = self.object(Bucket, source)
        del self.buckets[Bucket].objects[source]
        self.buckets[Bucket].objects[Key] = moved
        return {}

    def put_object_tagging(self, *, Bucket: str, Key: str, Tagging: Mapping[str, object]) -> Answer:
        lines = cast("list[dict[str, str]]", Tagging["TagSet"])
        self._tag(Bucket, Key, {line["Key"]: line["Value"] for line in lines})
        return {}

    def delete_object_tagging(self, *, Bucket: str, Key: str) -> Answer:
        self._tag(Bucket, Key, {})
        return {}

    def get_object_tagging(self, *, Bucket: str, Key: str) -> Answer:
        tags = self.object(Bucket, Key).tags
        return {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}

    def get_part(self, *, Bucket: str, Key: str, PartNumber: int) -> Answer:
        """A GetObject of one part: of what was put in one go, the whole is part 1."""
        stored = self.object(Bucket, Key)
        parts = stored.parts or (stored.data,)
        if PartNumber > len(parts):
            raise Refused("InvalidPartNumber")
        start = sum(map(len, parts[: PartNumber - 1]))
        stop = start + len(parts[PartNumber - 1])
        shown = {**stored.shown(), "PartsCount": len(stored.parts) or None}
        if start == stop:
            return {**shown, "Body": b"", "ContentLength": 0, "ContentRange": None}
        return {**shown, **shown_span(stored.data, slice(start, stop))}

    def get_object_attributes(
        self, *, Bucket: str, Key: str, ObjectAttributes: Sequence[str]
    ) -> Answer:
        stored = self.object(Bucket, Key)
        checksums: Answer | None = None
        if stored.algorithm is not None:
            checksums = {
                name: str(text).partition("-")[0] if text is not None else None
                for name, text in stored.checksums.items()
            }
        parts: Answer | None = None
        if stored.parts:
            parts = {"TotalPartsCount": len(stored.parts)}
            if stored.kind == "COMPOSITE":
                parts["Parts"] = [
                    {"PartNumber": number, "Size": len(data)}
                    for number, data in enumerate(stored.parts, 1)
                ]
        return {
            "ETag": stored.etag.strip('"'),
            "ObjectSize": len(stored.data),
            "Checksum": checksums,
            "ObjectParts": parts,
        }

    def _tag(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """The object stays the version that it is, also for who completed it."""
        self.object(bucket, key).tags.clear()
        self.object(bucket, key).tags.update(tags)


def _grown(there: Stored, data: bytes, algorithm: str) -> Stored:
    """What is there, and more. A CRC goes on, any other checksum is dropped; a payload row
    grows to a larger row or to one blob, all else by parts."""
    goes_on = there.kind == "FULL_OBJECT" and there.algorithm in sums.LINEAR
    if goes_on and there.algorithm != algorithm:
        raise Refused("InvalidRequest")
    before, _, count = there.etag.strip('"').partition("-")
    chained = hashlib.md5(bytes.fromhex(before) + hashlib.md5(data).digest()).hexdigest()
    parts: tuple[bytes, ...] = ()
    if there.parts or len(there.data) > SETTINGS.inline_bytes_max:
        parts = (*(there.parts or (there.data,)), data)
    return Stored(
        there.data + data,
        f'"{chained}-{int(count or 1) + 1}"',
        there.kept,
        there.algorithm if goes_on else None,
        "FULL_OBJECT" if goes_on else None,
        parts,
        dict(there.tags),
    )
