"""Listings of the uploads in progress."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from objectd.errors import InvalidArgument, UploadNotFound
from objectd.interfaces import SCAN_ROWS_MAX, Entry, IMetadataStore, Scan
from objectd.model import keys
from objectd.model.records import Upload
from objectd.objects.damage import decoded
from objectd.objects.names import utf8


class UploadId(NamedTuple):
    """What a client holds in its hand: enough to find the upload's row by its key."""

    time_us: int
    uid: bytes

    def text(self) -> str:
        return f"{self.time_us:016x}{self.uid.hex()}"

    @classmethod
    def of(cls, upload: Upload) -> UploadId:
        return cls(upload.started_us, upload.upload)

    @classmethod
    def parse(cls, text: str) -> UploadId:
        """Raises `UploadNotFound` for what was never an upload id."""
        if len(text) != 40 or not set(text) <= set("0123456789abcdef"):
            raise UploadNotFound(text)
        return cls(int(text[:16], 16), bytes.fromhex(text[16:]))


@attrs.frozen
class UploadPage:
    """Uploads in progress, with their keys, by key and then by their start."""

    uploads: list[tuple[str, Upload]]
    prefixes: list[str]
    more: bool

    @property
    def next_markers(self) -> tuple[str, str]:
        """Key marker and upload id marker of the next page; '' where there is none."""
        last_key, last = self.uploads[-1] if self.uploads else ("", None)
        last_prefix = self.prefixes[-1] if self.prefixes else ""
        if not self.more:
            return "", ""
        if last is None or last_prefix.encode() > last_key.encode():
            return last_prefix, ""
        return last_key, UploadId.of(last).text()


async def list_uploads(
    metadata: IMetadataStore,
    bucket_id: int,
    *,
    prefix: str,
    delimiter: str,
    key_marker: str,
    upload_id_marker: str,
    uploads_max: int,
) -> UploadPage:
    """Uploads in progress after (key marker, upload id marker). A marker that lies in a
    common prefix skips that prefix."""
    base = keys.uploads(bucket_id)
    start, stop = keys.span(base + keys.escaped_prefix(utf8(prefix, "prefix")))
    start = max(start, _marker_position(bucket_id, key_marker, upload_id_marker))
    found = _Found(uploads_max, prefix, delimiter, skip=key_marker)
    more = True
    while more and start < stop and not found.full:
        limit = min(SCAN_ROWS_MAX, found.missing + 1)
        page = await metadata.scan(Scan(start, stop, limit=limit))
        more = page.more
        for entry in page.entries:
            start = entry.key + b"\0"
            if common := found.add(entry):  # the rest of its keys are sought past, not read
                start, more = keys.after(base + keys.escaped_prefix(common)), True
                break
    return found.page()


class _Found:
    """Collects a page of uploads and the common prefixes between them."""

    def __init__(self, uploads_max: int, prefix: str, delimiter: str, skip: str) -> None:
        self._max = uploads_max
        self._prefix = prefix
        self._delimiter = delimiter
        self._skip = skip
        self._uploads: list[tuple[str, Upload]] = []
        self._prefixes: list[str] = []
        self.full = uploads_max == 0
        self._more = False

    @property
    def missing(self) -> int:
        return self._max - len(self._uploads) - len(self._prefixes)

    def add(self, entry: Entry) -> bytes:
        """Returns the common prefix that the upload's key is rolled up to, or b''."""
        raw_key, _ = keys.unescape(entry.key[keys.BUCKET_PREFIX_BYTES :])
        key = raw_key.decode()
        common = self._common_prefix(key)
        if common and self._skip.startswith(common):
            return common.encode()
        if self.missing == 0:
            self.full = self._more = True
        elif common:
            self._prefixes.append(common)
        elif upload := decoded(Upload, entry.key, entry.value):
            self._uploads.append((key, upload))
        return common.encode()

    def page(self) -> UploadPage:
        return UploadPage(self._uploads, self._prefixes, self._more)

    def _common_prefix(self, key: str) -> str:
        if not self._delimiter:
            return ""
        end = key.find(self._delimiter, len(self._prefix))
        return key[: end + len(self._delimiter)] if end >= 0 else ""


def _marker_position(bucket_id: int, key_marker: str, upload_id_marker: str) -> bytes:
    """Where the uploads after a marker begin: without an upload id, after all of the key."""
    if not key_marker:
        return keys.uploads(bucket_id)
    if not upload_id_marker:
        return keys.after(keys.key_uploads(bucket_id, utf8(key_marker, "key-marker")))
    try:
        marker = UploadId.parse(upload_id_marker)
    except UploadNotFound:
        raise InvalidArgument(
            "Invalid uploadId marker", name="upload-id-marker", value=upload_id_marker
        ) from None
    return (
        keys.upload(bucket_id, utf8(key_marker, "key-marker"), marker.time_us, marker.uid) + b"\0"
    )
