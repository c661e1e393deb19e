"""One multipart upload: begun or resumed, its parts sent, completed or aborted."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import cast

import attrs

from objectd.client.bodies import Body, BytesBody, FileSlice, RunInThread
from objectd.client.client import Client
from objectd.client.errors import ClientError
from objectd.digests import combined, new_hasher
from objectd.protocol.calls import Result

__all__ = ["MultipartUpload", "Transfer", "checksum_of", "under_way"]

MIB = 1 << 20
PARTS_MAX = 10_000
PART_BYTES = 8 * MIB
PARTS_AT_ONCE = 4


def _ignore(size_bytes: int) -> None:
    return None


@attrs.frozen
class Transfer:
    """How objects are written.

    `checksum` is one of `digests.COMBINABLE`, or "" for a server that knows none. `headers`
    are arguments of PutObject, such as ContentType and Metadata. `advance` is told how many
    bytes have been sent. With `resume` a multipart upload that fails is left for a later
    attempt, which sends only the parts that the server does not have.
    """

    run_in_thread: RunInThread
    advance: Callable[[int], object] = _ignore
    part_bytes: int = PART_BYTES
    checksum: str = "CRC64NVME"
    headers: Mapping[str, object] = attrs.field(factory=dict)
    resume: bool = False

    def part_bytes_for(self, size_bytes: int) -> int:
        """Grown, in whole MiB, as far as it must be for `PARTS_MAX` parts to be enough."""
        needed = -(-size_bytes // PARTS_MAX)
        return self.part_bytes if needed <= self.part_bytes else -(-needed // MIB) * MIB


@attrs.frozen
class _Part:
    """A part that the server has; `checksum` in base64, "" if there is none."""

    size_bytes: int
    etag: str
    checksum: str


class MultipartUpload:
    """An upload of `under_way`."""

    def __init__(
        self,
        client: Client,
        bucket: str,
        key: str,
        upload_id: str,
        transfer: Transfer,
        there: Mapping[int, _Part],
    ) -> None:
        self._client = client
        self._names = {"Bucket": bucket, "Key": key, "UploadId": upload_id}
        self._transfer = transfer
        self._there = there
        self._parts: dict[int, _Part] = {}

    async def send(self, number: int, body: Body) -> None:
        """Send a part, if the server does not have these very bytes."""
        transfer = self._transfer
        there = self._there.get(number)
        if there is not None and await self._is_same(there, body):
            part = there
        else:
            checksum = await checksum_of(body, transfer)
            result = await self._client.call(
                "UploadPart", PartNumber=number, Body=body, **self._names, **checksum
            )
            value = checksum.get(f"Checksum{transfer.checksum}", "")
            part = _Part(body.size_bytes, cast(str, result["ETag"]), value)
        self._parts[number] = part
        transfer.advance(body.size_bytes)

    async def copy(self, number: int, source: Mapping[str, object], start: int, stop: int) -> None:
        """Have the server copy bytes start <= i < stop of another object as a part."""
        result = await self._client.call(
            "UploadPartCopy",
            PartNumber=number,
            CopySourceRange=f"bytes={start}-{stop - 1}",
            **self._names,
            **source,
        )
        copied = cast("Mapping[str, str]", result["CopyPartResult"])
        checksum = copied.get(f"Checksum{self._transfer.checksum}", "")
        self._parts[number] = _Part(stop - start, copied["ETag"], checksum)
        self._transfer.advance(stop - start)

    async def complete(self) -> Result:
        algorithm = self._transfer.checksum
        parts = sorted(self._parts.items())
        whole: dict[str, str] = {}
        if algorithm and all(part.checksum for _, part in parts):
            values = [(base64.b64decode(part.checksum), part.size_bytes) for _, part in parts]
            whole = {
                f"Checksum{algorithm}": base64.b64encode(combined(algorithm, values)).decode(),
                "ChecksumType": "FULL_OBJECT",
            }
        listed = [{"PartNumber": number, "ETag": part.etag} for number, part in parts]
        return await self._client.call(
            "CompleteMultipartUpload", MultipartUpload={"Parts": listed}, **self._names, **whole
        )

    async def abort(self) -> None:
        await self._client.call("AbortMultipartUpload", **self._names)

    async def _is_same(self, part: _Part, body: Body) -> bool:
        if part.size_bytes != body.size_bytes:
            return False
        md5 = await _digest(body, "MD5", self._transfer)
        if part.etag.strip('"') == md5.hex():
            return True
        own = await checksum_of(body, self._transfer)
        return bool(part.checksum) and part.checksum in own.values()


@asynccontextmanager
async def under_way(
    client: Client, bucket: str, key: str, transfer: Transfer
) -> AsyncIterator[MultipartUpload]:
    """An upload that is aborted if what is done with it fails or is cancelled; with
    `transfer.resume` it is left, and the latest one that was left for the key is taken up.

    What is taken up keeps the headers that it was begun with: S3 does not tell them."""
    upload = await _find(client, bucket, key, transfer) if transfer.resume else None
    if upload is None:
        upload = await _create(client, bucket, key, transfer)
    try:
        yield upload
    except BaseException:
        if not transfer.resume:
            # What went wrong first is what is told.
            with suppress(ClientError):
                await upload.abort()
        raise


async def checksum_of(body: Body, transfer: Transfer) -> dict[str, str]:
    """The argument that carries a body's checksum."""
    if not transfer.checksum:
        return {}
    value = await _digest(body, transfer.checksum, transfer)
    return {f"Checksum{transfer.checksum}": base64.b64encode(value).decode()}


async def _digest(body: Body, algorithm: str, transfer: Transfer) -> bytes:
    digest = new_hasher(algorithm)
    if isinstance(body, BytesBody):
        await transfer.run_in_thread(partial(digest.update, body.data))
    elif isinstance(body, FileSlice):
        await transfer.run_in_thread(partial(body.feed, digest.update))
    else:
        raise TypeError(f"{body!r} cannot be read twice")
    return digest.digest()


async def _create(client: Client, bucket: str, key: str, transfer: Transfer) -> MultipartUpload:
    checksum = (
        {"ChecksumAlgorithm": transfer.checksum, "ChecksumType": "FULL_OBJECT"}
        if transfer.checksum
        else {}
    )
    result = await client.call(
        "CreateMultipartUpload", Bucket=bucket, Key=key, **checksum, **transfer.headers
    )
    return MultipartUpload(client, bucket, key, cast(str, result["UploadId"]), transfer, {})


async def _find(
    client: Client, bucket: str, key: str, transfer: Transfer
) -> MultipartUpload | None:
    """The latest upload of the key that is under way and carries the checksums that are asked
    for, or none; there are rarely more than a few."""
    result = await client.call("ListMultipartUploads", Bucket=bucket, Prefix=key)
    uploads = cast("Sequence[Mapping[str, object]]", result.get("Uploads", ()))
    mine = [upload for upload in uploads if upload.get("Key") == key and _fits(upload, transfer)]
    if not mine:
        return None
    latest = max(mine, key=lambda upload: cast(int, upload.get("Initiated", 0)))
    upload_id = cast(str, latest["UploadId"])
    algorithm = cast(str, latest.get("ChecksumAlgorithm", ""))
    transfer = attrs.evolve(transfer, checksum=algorithm)
    there = await _parts_of(client, bucket, key, upload_id, algorithm)
    return MultipartUpload(client, bucket, key, upload_id, transfer, there)


def _fits(upload: Mapping[str, object], transfer: Transfer) -> bool:
    """Servers that know no checksums show none, and those of another program's upload may be
    of parts only: then the one of the whole cannot be told at its end."""
    algorithm = upload.get("ChecksumAlgorithm", "")
    return algorithm in ("", transfer.checksum) and upload.get("ChecksumType") != "COMPOSITE"


async def _parts_of(
    client: Client, bucket: str, key: str, upload_id: str, algorithm: str
) -> dict[int, _Part]:
    found: dict[int, _Part] = {}
    marker: object = None
    while True:
        result = await client.call(
            "ListParts", Bucket=bucket, Key=key, UploadId=upload_id, PartNumberMarker=marker
        )
        for part in cast("Sequence[Mapping[str, object]]", result.get("Parts", ())):
            found[cast(int, part["PartNumber"])] = _Part(
                cast(int, part["Size"]),
                cast(str, part["ETag"]),
                cast(str, part.get(f"Checksum{algorithm}", "")),
            )
        if not result.get("IsTruncated"):
            return found
        marker = result["NextPartNumberMarker"]
