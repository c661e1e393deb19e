"""Objects read in parallel ranges, into files or as a stream."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from functools import partial as partial_of
from hashlib import sha256
from pathlib import Path
from typing import cast

import attrs

from objectd.client.bodies import PIECE_BYTES, RunInThread
from objectd.client.client import Client
from objectd.client.concurrency import in_order
from objectd.client.digests import Expected, expected_of
from objectd.client.errors import Damaged, Refused, SourceChanged, UnusableKey
from objectd.client.paths import PARTIAL_PREFIX, PARTIAL_SUFFIX

__all__ = ["Download", "Remote", "look_up", "read"]

RANGE_BYTES = 8 << 20
RANGES_AT_ONCE = 4
"""A download holds so many ranges in memory at most."""

Advance = Callable[[int], object]


@attrs.frozen
class Remote:
    """An object as it was when it was looked up; `etag` with its quotes, `version_id` if a
    version was named."""

    bucket: str
    key: str
    size_bytes: int
    etag: str
    modified_us: int
    expected: Expected | None
    version_id: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


async def look_up(client: Client, bucket: str, key: str, *, version_id: str = "") -> Remote:
    """Raises `Refused`: 404 if there is no such object or version, 405 if that is a delete
    marker."""
    result = await client.call(
        "HeadObject", Bucket=bucket, Key=key, ChecksumMode="ENABLED", VersionId=version_id or None
    )
    return Remote(
        bucket,
        key,
        cast(int, result.get("ContentLength", 0)),
        cast(str, result.get("ETag", "")),
        cast(int, result.get("LastModified", 0)),
        expected_of(result),
        version_id,
    )


async def read(client: Client, remote: Remote) -> AsyncGenerator[bytes, None]:
    """All bytes, in order, verified at the end: only then are they known to be right.

    They are those of the very object that was looked up. Raises `SourceChanged` if another
    has the key by now, `Damaged`, and what `Client.call` raises. Close it (`aclosing`).
    """
    digest = remote.expected.start() if remote.expected else None
    async with aclosing(_pieces(client, remote)) as pieces:
        async for piece in pieces:
            if digest is not None:
                digest.update(piece)
            yield piece
    if digest is not None and remote.expected and digest.digest() != remote.expected.value:
        raise Damaged(str(remote), remote.expected.algorithm)


def _pieces(
    client: Client,
    remote: Remote,
    start: int = 0,
    *,
    range_bytes: int = RANGE_BYTES,
    at_once: int = RANGES_AT_ONCE,
) -> AsyncGenerator[bytes, None]:
    size_bytes = remote.size_bytes
    spans = [
        (first, min(first + range_bytes, size_bytes))
        for first in range(start, size_bytes, range_bytes)
    ]

    async def fetch(span: tuple[int, int]) -> bytes:
        return await _fetch(client, remote, *span)

    return in_order(spans, fetch, at_once=at_once)


async def _fetch(client: Client, remote: Remote, start: int, stop: int) -> bytes:
    try:
        return await client.fetch(
            "GetObject",
            size_bytes=stop - start,
            Bucket=remote.bucket,
            Key=remote.key,
            IfMatch=remote.etag or None,
            Range=f"bytes={start}-{stop - 1}",
            VersionId=remote.version_id or None,
        )
    except Refused as error:
        if error.status in (412, 416):
            raise SourceChanged(str(remote)) from error
        raise


@attrs.frozen
class Download:
    """One object on its way into a file.

    The bytes go in order into a file beside the target, whose name tells the very object, so
    that a later download can go on where it ends. Only when all are there, verified and
    synced, it gets the name of the target: nobody ever sees half a file under it. A link of
    that name is replaced, not followed; `UnusableKey` is raised for what is no file.
    """

    client: Client
    remote: Remote
    target: Path
    run_in_thread: RunInThread
    ranges_at_once: int = RANGES_AT_ONCE
    range_bytes: int = RANGE_BYTES

    @property
    def partial(self) -> Path:
        remote = self.remote
        name = f"{self.target.name}\0{remote.bucket}\0{remote.key}\0{remote.etag}"
        digest = sha256(os.fsencode(name)).hexdigest()
        return self.target.parent / f"{PARTIAL_PREFIX}{digest[:24]}{PARTIAL_SUFFIX}"

    async def run(self, *, advance: Advance, keep_partial: bool) -> None:
        """With `keep_partial` an earlier attempt is continued, and this one is kept if it
        fails or is cancelled. `advance` is told how many bytes have come."""
        partial = self.partial
        try:
            have_bytes = await self.run_in_thread(lambda: self._begin(keep_partial))
            advance(have_bytes)
            fetched = _pieces(
                self.client,
                self.remote,
                have_bytes,
                range_bytes=self.range_bytes,
                at_once=self.ranges_at_once,
            )
            async with aclosing(fetched) as pieces:
                async for piece in pieces:
                    await self.run_in_thread(partial_of(_append, partial, piece))
                    advance(len(piece))
            await self.run_in_thread(self._finish)
        except Damaged:
            partial.unlink(missing_ok=True)
            raise
        except BaseException:
            if not keep_partial:
                partial.unlink(missing_ok=True)
            raise

    def _begin(self, keep_partial: bool) -> int:
        """Make the file; returns how many bytes it has already."""
        partial = self.partial
        if self.target.exists() and not self.target.is_file():
            raise UnusableKey(str(self.target), "is there, and is no regular file")
        if not keep_partial:
            partial.unlink(missing_ok=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(partial, flags, 0o666)
        try:
            size_bytes = os.fstat(descriptor).st_size
            if size_bytes > self.remote.size_bytes:
                os.ftruncate(descriptor, 0)
                return 0
            return size_bytes
        finally:
            os.close(descriptor)

    def _finish(self) -> None:
        """Verify what is on the disk, sync it and give it its name."""
        partial = self.partial
        descriptor = os.open(partial, os.O_RDWR | os.O_CLOEXEC)
        try:
            if self.remote.expected is not None:
                _verify(descriptor, self.remote.expected, str(self.remote))
            os.utime(descriptor, ns=(self.remote.modified_us * 1000,) * 2)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.replace(self.target)
        _sync_directory(self.target.parent)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


def _verify(descriptor: int, expected: Expected, what: str) -> None:
    digest, position = expected.start(), 0
    while piece := os.pread(descriptor, PIECE_BYTES, position):
        digest.update(piece)
        position += len(piece)
    if digest.digest() != expected.value:
        raise Damaged(what, expected.algorithm)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network file systems have no such thing.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
