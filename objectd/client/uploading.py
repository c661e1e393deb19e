"""Files and streams stored as objects: small ones at once, large ones in parallel parts."""

from __future__ import annotations

import stat
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

from objectd.client.bodies import Body, BytesBody, FileSlice
from objectd.client.client import Client
from objectd.client.concurrency import for_each
from objectd.client.errors import SourceChanged, UnusableKey
from objectd.client.multipart import PARTS_AT_ONCE, Transfer, checksum_of, under_way
from objectd.errors import IncompleteBody
from objectd.streams import ByteStream

__all__ = ["upload_file", "upload_stream"]

PARTS_OF_ONE_SIZE = 1000
"""Parts of a stream of unknown length double in size after so many: 8 GiB come in parts of
8 MiB, and 10,000 parts are 8 TiB."""


async def upload_file(
    client: Client, path: Path, bucket: str, key: str, transfer: Transfer
) -> None:
    """Store a regular file. Raises `SourceChanged` if it is changed meanwhile, `UnusableKey`
    for anything else, and what `Client.call` raises; then the key keeps what it had."""
    before = await transfer.run_in_thread(path.stat)
    if not stat.S_ISREG(before.st_mode):
        # Its size says nothing about what can be read of it.
        raise UnusableKey(str(path), "is no regular file; a pipe is read as -")
    size_bytes, part_bytes = before.st_size, transfer.part_bytes_for(before.st_size)
    spans = [(at, min(at + part_bytes, size_bytes)) for at in range(0, size_bytes, part_bytes)]
    slices = [FileSlice(path, *span, transfer.run_in_thread) for span in spans or [(0, 0)]]
    try:
        if len(slices) == 1:
            await _put(client, slices[0], bucket, key, transfer)
            return
        async with under_way(client, bucket, key, transfer) as upload:

            async def send(part: tuple[int, Body]) -> None:
                await upload.send(*part)

            await for_each(enumerate(slices, 1), send, at_once=PARTS_AT_ONCE)
            after = await transfer.run_in_thread(path.stat)
            if (after.st_size, after.st_mtime_ns) != (size_bytes, before.st_mtime_ns):
                raise SourceChanged(str(path))
            await upload.complete()
    except IncompleteBody as error:
        raise SourceChanged(str(path)) from error


async def upload_stream(
    client: Client, stream: ByteStream, bucket: str, key: str, transfer: Transfer
) -> None:
    """Store a stream of unknown length, of which a few parts are in memory at a time."""
    async with aclosing(_parts_of(stream, transfer.part_bytes)) as parts:
        first = await anext(parts, b"")
        second = await anext(parts, b"")
        if not second:
            await _put(client, BytesBody(first), bucket, key, transfer)
            return

        async def numbered() -> AsyncIterator[tuple[int, bytes]]:
            yield 1, first
            yield 2, second
            number = 3
            async for part in parts:
                yield number, part
                number += 1

        async with under_way(client, bucket, key, transfer) as upload:

            async def send(part: tuple[int, bytes]) -> None:
                await upload.send(part[0], BytesBody(part[1]))

            await for_each(numbered(), send, at_once=PARTS_AT_ONCE)
            await upload.complete()


async def _put(client: Client, body: Body, bucket: str, key: str, transfer: Transfer) -> None:
    checksum = await checksum_of(body, transfer)
    await client.call(
        "PutObject", Bucket=bucket, Key=key, Body=body, **checksum, **transfer.headers
    )
    transfer.advance(body.size_bytes)


async def _parts_of(stream: ByteStream, part_bytes: int) -> AsyncGenerator[bytes, None]:
    held, number = bytearray(), 0
    while piece := await stream.read():
        held += piece
        size_bytes = part_bytes << (number // PARTS_OF_ONE_SIZE)
        while len(held) >= size_bytes:
            yield bytes(held[:size_bytes])
            del held[:size_bytes]
            number += 1
    if held:
        yield bytes(held)
