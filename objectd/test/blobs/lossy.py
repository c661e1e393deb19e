"""A file system in memory that fails when told to and forgets what was not synced."""

from __future__ import annotations

import errno
import itertools
import os
from random import Random
from typing import TypeAlias

import attrs

_PAGE_BYTES = 4096


class PowerLost(Exception):
    """The machine is off: no system call will do anything any more."""


@attrs.define(eq=False)
class _File:
    data: bytearray = attrs.Factory(bytearray)
    durable: bytes = b""

    def sync(self) -> None:
        self.durable = bytes(self.data)

    def survivor(self, random: Random) -> _File:
        """The synced bytes, and of what was written since, any pages up to any length."""
        synced_bytes = len(self.durable)
        size_bytes = random.choice(
            [synced_bytes, len(self.data), random.randint(synced_bytes, len(self.data))]
        )
        data = bytearray(self.data[:size_bytes])
        for start in range(synced_bytes, size_bytes, _PAGE_BYTES):
            if random.random() < 0.5:
                stop = min(start + _PAGE_BYTES, size_bytes)
                data[start:stop] = bytes(stop - start)
        return _File(data, bytes(data))


@attrs.define(eq=False)
class _Directory:
    entries: dict[str, _Node] = attrs.Factory(dict)
    durable: dict[str, _Node] = attrs.Factory(dict)

    def sync(self) -> None:
        self.durable = dict(self.entries)

    def survivor(self, random: Random, survivors: dict[int, _Node]) -> _Directory:
        """Every change since the last sync is there or not, whatever the order was.

        A file that was moved may thus be in both directories, or in neither.
        """
        entries: dict[str, _Node] = {}
        for name in sorted({*self.entries, *self.durable}):
            node = random.choice((self.entries, self.durable)).get(name)
            if node is not None:
                if id(node) not in survivors:
                    survivors[id(node)] = (
                        node.survivor(random)
                        if isinstance(node, _File)
                        else node.survivor(random, survivors)
                    )
                entries[name] = survivors[id(node)]
        return _Directory(entries, dict(entries))


_Node: TypeAlias = _File | _Directory


class LossyFiles:
    """Provides `objectd.blobs.files.Files`.

    `calls_left` changes or syncs are done, then the power goes. `errors` maps the name of a
    method to the `errno` that it fails with. All drives share `free_bytes_left`.
    """

    def __init__(self) -> None:
        self.calls_left = 1 << 60
        self.calls = 0
        self.errors: dict[str, int] = {}
        self.free_bytes_left = 1 << 40
        self._roots: dict[str, _Directory] = {}
        self._open: dict[int, _Node] = {}
        self._locked: set[int] = set()
        self._descriptors = itertools.count(100)

    @property
    def descriptors(self) -> int:
        """How many are open."""
        return len(self._open)

    def after_kill(self) -> LossyFiles:
        """What the next process finds if only this one dies: everything."""
        other = LossyFiles()
        other._roots = self._roots
        return other

    def after_power_loss(self, random: Random) -> LossyFiles:
        """What is left when the power comes back."""
        other = LossyFiles()
        for path, root in self._roots.items():
            other._roots[path] = root.survivor(random, {})
        return other

    def content(self, path: str, *, root: str) -> bytearray:
        """The bytes of a file, to look at and to damage."""
        node = self._find(path, self._roots[root])
        assert isinstance(node, _File)
        return node.data

    def paths(self, root: str) -> set[str]:
        """All files below a root."""
        return set(_paths("", self._roots[root]))

    def open_root(self, path: str) -> int:
        self._read("open_root")
        return self._opened(self._roots.setdefault(path, _Directory()))

    def open_directory(self, path: str, *, root: int) -> int:
        self._read("open_directory")
        node = self._find(path, self._open[root])
        if not isinstance(node, _Directory):
            raise _error(errno.ENOTDIR)
        return self._opened(node)

    def open_to_read(self, path: str, *, root: int) -> int:
        self._read("open_to_read")
        return self._opened(self._find(path, self._open[root]))

    def create(self, path: str, *, root: int) -> int:
        self._change("create")
        directory, name = self._parent(path, root)
        if name in directory.entries:
            raise _error(errno.EEXIST)
        directory.entries[name] = _File()
        return self._opened(directory.entries[name])

    def lock(self, path: str, *, root: int) -> int:
        self._change("lock")
        directory, name = self._parent(path, root)
        node = directory.entries.setdefault(name, _File())
        if any(self._open[descriptor] is node for descriptor in self._locked):
            raise _error(errno.EWOULDBLOCK)
        descriptor = self._opened(node)
        self._locked.add(descriptor)
        return descriptor

    def read(self, descriptor: int, size_bytes: int, offset: int) -> bytes:
        self._read("read")
        return bytes(self._file(descriptor).data[offset : offset + size_bytes])

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        self._change("write")
        taken = data[: max(1, len(data) // 2)]  # short writes are allowed
        if len(taken) > self.free_bytes_left:
            raise _error(errno.ENOSPC)
        self.free_bytes_left -= len(taken)
        self._file(descriptor).data += taken
        return len(taken)

    def size_bytes(self, descriptor: int) -> int:
        self._read("size_bytes")
        return len(self._file(descriptor).data)

    def free_bytes(self, descriptor: int) -> int:
        self._read("free_bytes")
        return self.free_bytes_left

    def sync(self, descriptor: int) -> None:
        self._change("sync")
        self._open[descriptor].sync()

    def close(self, descriptor: int) -> None:
        del self._open[descriptor]
        self._locked.discard(descriptor)

    def list(self, descriptor: int) -> list[str]:
        self._read("list")
        node = self._open[descriptor]
        assert isinstance(node, _Directory)
        return list(node.entries)

    def make_directory(self, path: str, *, root: int) -> None:
        self._change("make_directory")
        directory, name = self._parent(path, root)
        if name in directory.entries:
            raise _error(errno.EEXIST)
        directory.entries[name] = _Directory()

    def remove_directory(self, path: str, *, root: int) -> None:
        self._change("remove_directory")
        directory, name = self._parent(path, root)
        node = self._find(path, self._open[root])
        if isinstance(node, _Directory) and node.entries:
            raise _error(errno.ENOTEMPTY)
        del directory.entries[name]

    def rename(self, path: str, new_path: str, *, root: int) -> None:
        self._change("rename")
        directory, name = self._parent(path, root)
        new_directory, new_name = self._parent(new_path, root)
        node = self._find(path, self._open[root])
        del directory.entries[name]
        new_directory.entries[new_name] = node

    def unlink(self, path: str, *, root: int) -> None:
        self._change("unlink")
        directory, name = self._parent(path, root)
        self._find(path, self._open[root])
        del directory.entries[name]

    def _read(self, method: str) -> None:
        if not self.calls_left:
            raise PowerLost
        if method in self.errors:
            raise _error(self.errors[method])

    def _change(self, method: str) -> None:
        self._read(method)
        self.calls_left -= 1
        self.calls += 1

    def _opened(self, node: _Node) -> int:
        descriptor = next(self._descriptors)
        self._open[descriptor] = node
        return descriptor

    def _file(self, descriptor: int) -> _File:
        node = self._open[descriptor]
        assert isinstance(node, _File)
        return node

    def _parent(self, path: str, root: int) -> tuple[_Directory, str]:
        directory_path, _, name = path.rpartition("/")
        directory = self._find(directory_path, self._open[root])
        assert isinstance(directory, _Directory)
        return directory, name

    def _find(self, path: str, node: _Node) -> _Node:
        for name in filter(None, path.split("/")):
            if name == ".":
                continue
            if not isinstance(node, _Directory):
                raise _error(errno.ENOTDIR)
            if name not in node.entries:
                raise _error(errno.ENOENT)
            node = node.entries[name]
        return node


def _paths(prefix: str, directory: _Directory) -> list[str]:
    found = []
    for name, node in directory.entries.items():
        if isinstance(node, _File):
            found.append(prefix + name)
        else:
            found += _paths(f"{prefix}{name}/", node)
    return found


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
