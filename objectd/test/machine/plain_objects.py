"""Objects and their listings, as S3 keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from objectd.test.machine import sums
from objectd.test.machine.plain import Answer, PlainS3, Refused, Stored, kept

NO_CHECKSUMS: Answer = dict.fromkeys([*(f"Checksum{n}" for n in sums.ALGORITHMS), "ChecksumType"])


class Entry(NamedTuple):
    """A line of a listing: an object, or (None) a common prefix."""

    name: str
    stored: Stored | None


class PlainObjects(PlainS3):
    """Put, get, head, delete and list."""

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes,
        ChecksumAlgorithm: str,
        IfMatch: str = "",
        IfNoneMatch: str = "",
        **given: object,
    ) -> Answer:
        self.require(Bucket, Key, IfMatch, IfNoneMatch)
        stored = Stored(Body, sums.etag(Body), kept(given), ChecksumAlgorithm)
        self.buckets[Bucket].objects[Key] = stored
        return {"ETag": stored.etag, **stored.checksums}

    def get_object(
        self, *, Bucket: str, Key: str, Range: str = "", IfMatch: str = "", IfNoneMatch: str = ""
    ) -> Answer:
        stored = self.object(Bucket, Key)
        if IfMatch not in ("", stored.etag):
            raise Refused("PreconditionFailed")
        if IfNoneMatch == stored.etag:
            raise Refused("NotModified")
        if not Range:
            size_bytes = len(stored.data)
            whole = {"Body": stored.data, "ContentLength": size_bytes, "ContentRange": None}
            return {**stored.shown(), **stored.checksums, **whole}
        span = _span(Range, len(stored.data))
        return {**stored.shown(), **NO_CHECKSUMS, **shown_span(stored.data, span)}

    def head_object(self, *, Bucket: str, Key: str, ChecksumMode: str = "") -> Answer:
        stored = self.object(Bucket, Key)
        checksums = stored.checksums if ChecksumMode else NO_CHECKSUMS
        return {**stored.shown(), **checksums, "ContentLength": len(stored.data)}

    def delete_object(self, *, Bucket: str, Key: str, IfMatch: str = "") -> Answer:
        self.require(Bucket, Key, IfMatch)
        self.buckets[Bucket].objects.pop(Key, None)
        return {}

    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, object]) -> Answer:
        """Line by line, as if each were asked for alone."""
        self.bucket(Bucket)
        deleted, errors = [], []
        for line in cast("list[dict[str, str]]", Delete["Objects"]):
            try:
                self.delete_object(Bucket=Bucket, Key=line["Key"], IfMatch=line.get("ETag", ""))
            except Refused as refused:
                errors.append({"Key": line["Key"], "Code": refused.code})
            else:
                deleted.append({"Key": line["Key"]})
        return {"Deleted": deleted, "Errors": errors}

    def list_objects_v2(
        self,
        *,
        Bucket: str,
        Prefix: str = "",
        Delimiter: str = "",
        StartAfter: str = "",
    ) -> Answer:
        entries = self._entries(Bucket, Prefix, Delimiter, after=StartAfter)
        return {**page(entries), "KeyCount": len(entries), "IsTruncated": False}

    def list_objects(
        self, *, Bucket: str, Prefix: str = "", Delimiter: str = "", Marker: str = ""
    ) -> Answer:
        entries = self._entries(Bucket, Prefix, Delimiter)
        rest = [entry for entry in entries if entry.name.encode() > Marker.encode()]
        return {**page(rest), "IsTruncated": False}

    def _entries(self, bucket: str, prefix: str, delimiter: str, after: str = "") -> list[Entry]:
        """All that a listing shows: keys, and the prefixes that they share up to the
        delimiter."""
        objects = self.bucket(bucket).objects
        found: dict[Entry, None] = {}
        for key in sorted(objects, key=str.encode):
            if key.startswith(prefix) and key.encode() > after.encode():
                head, shared, _ = key[len(prefix) :].partition(delimiter or key + "no")
                name = prefix + head + shared
                found[Entry(name, None if shared else objects[key])] = None
        return list(found)


def page(entries: Sequence[Entry]) -> Answer:
    """A page of a listing, or all of it."""
    return {
        "Contents": [_line(name, stored) for name, stored in entries if stored is not None],
        "CommonPrefixes": [{"Prefix": name} for name, stored in entries if stored is None],
    }


def _line(key: str, stored: Stored) -> Answer:
    return {
        "Key": key,
        "ETag": stored.etag,
        "Size": len(stored.data),
        "ChecksumAlgorithm": [stored.algorithm] if stored.algorithm else None,
        "ChecksumType": stored.kind,
    }


def shown_span(data: bytes, span: slice) -> Answer:
    """Some bytes of the whole."""
    body = data[span]
    where = f"bytes {span.start}-{span.stop - 1}/{len(data)}"
    return {"Body": body, "ContentLength": len(body), "ContentRange": where}


def _span(header: str, size_bytes: int) -> slice:
    """The bytes of one range, written as 'bytes=<first>-<last>', '<first>-' or '-<count>'."""
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not first:
        span = slice(max(size_bytes - int(last), 0), size_bytes)
    else:
        span = slice(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)
    if span.start >= span.stop:
        raise Refused("InvalidRange")
    return span
