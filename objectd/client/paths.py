"""Keys as paths below a directory, and files below a directory as keys.

A key is any text; a path that it names could lie anywhere. Only keys whose every segment is
the plain name of a file are taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs

from objectd.client.errors import UnusableKey

__all__ = ["PARTIAL_PREFIX", "PARTIAL_SUFFIX", "LocalFile", "files_below", "path_below"]

PARTIAL_PREFIX, PARTIAL_SUFFIX = ".objectd-", ".part"
"""What unfinished downloads are called; they are no files of the user's."""


@attrs.frozen
class LocalFile:
    """A regular file; `name` is its path below the directory, with `/`, as keys have it."""

    name: str
    path: Path
    size_bytes: int
    modified_us: int


def path_below(directory: Path, name: str) -> Path:
    """Where the object of a key (or what of it follows a prefix) goes below `directory`.

    Raises `UnusableKey` for what would not be a file there: `..`, empty segments, NUL, a
    final `/`, names too long, and links that lead out of the directory."""
    if name.endswith("/"):
        raise UnusableKey(name, "ends with a slash, as a directory does")
    segments = name.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise UnusableKey(name, "has a segment that is no name of a file")
    if "\0" in name:
        raise UnusableKey(name, "holds a NUL")
    try:
        too_long = any(len(os.fsencode(segment)) > 255 for segment in segments)
    except UnicodeEncodeError:
        raise UnusableKey(name, "cannot be the name of a file in this locale") from None
    if too_long:
        raise UnusableKey(name, "is longer than a file's name can be")
    path = directory.joinpath(*segments)
    if not path.parent.resolve().is_relative_to(directory.resolve()):
        raise UnusableKey(name, f"would lie outside of {directory}, through a link")
    if path.is_dir():
        raise UnusableKey(name, f"is a directory in {directory}")
    return path


def files_below(directory: Path) -> Iterator[LocalFile | UnusableKey]:
    """The files below a directory, links followed, in the byte order of their names, which is
    that of listings; an error in place of each that cannot be stored."""
    return _walk(directory, "", frozenset())


def _walk(
    directory: Path, prefix: str, above: frozenset[tuple[int, int]]
) -> Iterator[LocalFile | UnusableKey]:
    try:
        status = directory.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            yield UnusableKey(prefix, "is a link to a directory above it")
            return
        with os.scandir(directory) as found:
            entries = sorted(found, key=_place)
    except OSError as error:
        yield UnusableKey(prefix or str(directory), f"cannot be read: {error.strerror}")
        return
    for entry in entries:
        if entry.name.startswith(PARTIAL_PREFIX) and entry.name.endswith(PARTIAL_SUFFIX):
            continue
        if _is_directory(entry):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", above | {identity})
        else:
            yield _file(entry, prefix + entry.name)


def _place(entry: os.DirEntry[str]) -> bytes:
    name = os.fsencode(entry.name)
    return name + b"/" if _is_directory(entry) else name


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _file(entry: os.DirEntry[str], name: str) -> LocalFile | UnusableKey:
    try:
        name.encode()
        if not entry.is_file():
            return UnusableKey(name, "is no regular file")
        status = entry.stat()
    except UnicodeEncodeError:
        return UnusableKey(name, "is not UTF-8, as keys are")
    except OSError as error:
        return UnusableKey(name, f"cannot be read: {error.strerror}")
    return LocalFile(name, Path(entry.path), status.st_size, status.st_mtime_ns // 1000)
