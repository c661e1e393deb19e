"""cp, mv and cat: one object, or all below a directory or prefix."""

from __future__ import annotations

import mimetypes
import os
from contextlib import aclosing
from functools import partial
from pathlib import Path

import attrs
import click

from objectd.cli.places import Local, ObjectPlace, Pipe, Place
from objectd.cli.session import Session
from objectd.cli.trees import Item, below, items_below
from objectd.client.concurrency import for_each
from objectd.client.copying import copy_object
from objectd.client.downloading import RANGES_AT_ONCE, Download, look_up, read
from objectd.client.errors import UnusableKey
from objectd.client.multipart import Transfer
from objectd.client.syncing import Filters
from objectd.client.uploading import upload_file, upload_stream

__all__ = ["FILES_AT_ONCE", "Copying", "cat", "copy_all", "copy_one"]

FILES_AT_ONCE = 8
RANGES_OF_ONE_FILE = 2
"""Of each of several files that are downloaded at once: they share the memory."""

PIPE_BYTES = 1 << 20
_STDIN, _STDOUT = 0, 1


@attrs.frozen
class Copying:
    """How things are copied, or `moved`: then the source goes once the copy is known to be
    whole. `dry_run` only says what would be done."""

    session: Session
    transfer: Transfer
    moved: bool = False
    dry_run: bool = False
    ranges_at_once: int = RANGES_AT_ONCE

    async def copy(self, source: Local | ObjectPlace, target: Local | ObjectPlace) -> None:
        """Raises `ObjectdError` and `OSError`; then the target is what it was."""
        if str(source) == str(target):
            raise UnusableKey(str(source), "cannot be copied onto itself")
        line = f"{self._verb(source, target)}: {source} to {target}"
        if self.dry_run:
            self.session.report.line(f"(dry run) {line}")
            return
        if isinstance(source, ObjectPlace):
            await self._from_object(source, target)
        elif isinstance(target, ObjectPlace):
            await self._upload(source.path, target)
        self.session.report.line(line)

    async def copy_below(self, item: Item, root: Local | ObjectPlace) -> None:
        """One of many: what fails is told, and the rest goes on. Objects that stand for a
        directory are passed over on the way to files, which have their directories anyway."""
        if item.marks_directory and isinstance(root, Local):
            return
        with self.session.report.attempt(str(item.place)):
            await self.copy(item.place, below(root, item.name))

    def _verb(self, source: Local | ObjectPlace, target: Local | ObjectPlace) -> str:
        if self.moved:
            return "move"
        if isinstance(source, Local):
            return "upload"
        return "copy" if isinstance(target, ObjectPlace) else "download"

    async def _from_object(self, source: ObjectPlace, target: Local | ObjectPlace) -> None:
        client, run_in_thread = self.session.client, self.session.run_in_thread
        remote = await look_up(client, source.bucket, source.key)
        self.session.report.expect(remote.size_bytes)
        if isinstance(target, ObjectPlace):
            await copy_object(client, remote, target.bucket, target.key, self.transfer)
        else:
            download = Download(client, remote, target.path, run_in_thread, self.ranges_at_once)
            await download.run(advance=self.transfer.advance, keep_partial=self.transfer.resume)
        if self.moved:
            await client.call("DeleteObject", Bucket=source.bucket, Key=source.key)

    async def _upload(self, path: Path, target: ObjectPlace) -> None:
        transfer = _with_type(self.transfer, path.name)
        self.session.report.expect((await self.session.run_in_thread(path.stat)).st_size)
        await upload_file(self.session.client, path, target.bucket, target.key, transfer)
        if self.moved:
            await self.session.run_in_thread(path.unlink)


async def copy_one(copying: Copying, source: Place, target: Place) -> None:
    """A file, an object or a pipe; a target that is a directory gets the source's name."""
    if isinstance(source, Pipe):
        if not isinstance(target, ObjectPlace) or target.is_directory:
            raise click.UsageError("what comes from - goes to s3://BUCKET/KEY")
        await _from_pipe(copying, target)
    elif isinstance(target, Pipe):
        if not isinstance(source, ObjectPlace):
            raise click.UsageError("what goes to - comes from s3://BUCKET/KEY")
        if not source.key:
            raise click.UsageError(f"{source} names no object: write s3://BUCKET/KEY")
        await cat(copying.session, source)
    else:
        check_kinds(source, target)
        if isinstance(source, ObjectPlace) and source.is_directory:
            raise click.UsageError(f"{source} names no object: use --recursive")
        if isinstance(source, Local) and source.path.is_dir():
            raise click.UsageError(f"{source} is a directory: use --recursive")
        name = str(source).rpartition("/")[2]
        with copying.session.report.attempt(str(source)):
            whole = below(target, name) if target.is_directory else _followed(target)
            await copying.copy(source, whole)


async def copy_all(copying: Copying, source: Place, target: Place, filters: Filters) -> None:
    """Everything below a directory or prefix. What fails is told, and the rest goes on."""
    source, target = directories(source, target)
    copying = attrs.evolve(copying, ranges_at_once=RANGES_OF_ONE_FILE)

    async def copy(item: Item) -> None:
        await copying.copy_below(item, target)

    async with aclosing(items_below(copying.session, source, filters)) as found:
        await for_each(found, copy, at_once=FILES_AT_ONCE)


async def cat(session: Session, source: ObjectPlace, *, version_id: str = "") -> None:
    """Write an object, or a version of it, to the standard output. A failure in its middle is a
    failure in the end only: what was written before cannot be taken back."""
    with session.report.attempt(str(source)):
        client = session.client
        remote = await look_up(client, source.bucket, source.key, version_id=version_id)
        async with aclosing(read(client, remote)) as pieces:
            async for piece in pieces:
                await session.run_on_pipe(partial(_write_all, piece))


def _followed(target: Local | ObjectPlace) -> Local | ObjectPlace:
    """A link that was named is written through, as cp of a shell does: /dev/stdout is one."""
    if isinstance(target, Local) and target.path.is_symlink():
        return Local(target.path.resolve(), is_directory=False)
    return target


def check_kinds(source: Local | ObjectPlace, target: Local | ObjectPlace) -> None:
    if isinstance(source, Local) and isinstance(target, Local):
        raise click.UsageError("neither is an s3:// address: use cp")


def directories(source: Place, target: Place) -> tuple[Local | ObjectPlace, Local | ObjectPlace]:
    """Source and target of what concerns everything below them."""
    if isinstance(source, Pipe) or isinstance(target, Pipe):
        raise click.UsageError("- is one object, not several")
    check_kinds(source, target)
    if isinstance(source, Local) and not source.path.is_dir():
        raise click.UsageError(f"{source} is no directory")
    return _as_directory(source), _as_directory(target)


def _as_directory(place: Local | ObjectPlace) -> Local | ObjectPlace:
    return place.as_directory() if isinstance(place, ObjectPlace) else place


async def _from_pipe(copying: Copying, target: ObjectPlace) -> None:
    session = copying.session
    if copying.dry_run:
        session.report.line(f"(dry run) upload: - to {target}")
        return
    transfer = _with_type(copying.transfer, target.key)
    await upload_stream(
        session.client, _StandardInput(session), target.bucket, target.key, transfer
    )
    session.report.line(f"upload: - to {target}")


@attrs.frozen
class _StandardInput:
    """Read without Python's own buffer, whose lock a blocked thread would hold at exit."""

    _session: Session

    async def read(self) -> bytes:
        return await self._session.run_on_pipe(partial(os.read, _STDIN, PIPE_BYTES))

    def close(self) -> None:
        """It is not ours to close."""


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(_STDOUT, view) :]


def _with_type(transfer: Transfer, name: str) -> Transfer:
    """With the type and encoding that the name tells, unless they are given."""
    content_type, encoding = mimetypes.guess_type(name)
    guessed = {} if content_type is None else {"ContentType": content_type}
    if encoding is not None:
        # The bytes are those of an archive, whatever is in it.
        guessed = {"ContentType": f"application/{encoding}"}
    return attrs.evolve(transfer, headers={**guessed, **transfer.headers})
