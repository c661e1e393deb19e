"""The local keyring: one file, by default beside the data.

DANGER: whoever loses the file loses all data that is encrypted for its keys, and whoever has
both the file and the drives can read it. Keep a copy elsewhere, or the file on another medium.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
from zope.interface import implementer

from objectd.errors import ConfigurationInvalid, KeyServiceFailed
from objectd.interfaces import (
    EnvelopeKey,
    Host,
    IKeyFile,
    IKeyManager,
    IKeySwitch,
    KeyDescription,
)
from objectd.keys.keyring import Keyring, RandomBytes
from objectd.secret_files import write_secret

__all__ = ["FILE_NAME", "LocalKeys", "Settings", "open_keys"]

FILE_NAME = "keyring"


@attrs.frozen
class Settings:
    """Where the keys are; a relative path lies in the data directory."""

    file: Path = Path(FILE_NAME)


@implementer(IKeyManager, IKeySwitch, IKeyFile)
class LocalKeys:
    """Reads the file again when it has become another one: a key that is rotated or disabled by
    a command is so for a running server at once."""

    def __init__(
        self,
        file: Path,
        *,
        now_us: Callable[[], int],
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        self._file = file
        self._now_us = now_us
        self._random_bytes = random_bytes
        self._keyring = Keyring()
        self._seen: tuple[int, int, int] | None = None

    async def generate(self, name: str, context: Mapping[str, str]) -> EnvelopeKey:
        return self._current().generate(name, context, self._random_bytes)

    async def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return self._current().unwrap(name, wrapped, context)

    async def describe(self, name: str) -> KeyDescription:
        return self._current().describe(name)

    async def names(self) -> Sequence[str]:
        return self._current().names

    async def create(self, name: str) -> KeyDescription:
        return self._change(name, lambda keyring: self._created(keyring, name))

    async def rotate(self, name: str) -> KeyDescription:
        return self._change(
            name, lambda keyring: keyring.rotated(name, self._now_us(), self._random_bytes)
        )

    async def switch(self, name: str, *, enabled: bool) -> KeyDescription:
        return self._change(name, lambda keyring: keyring.switched(name, enabled=enabled))

    def missing(self) -> Path | None:
        return None if self._file.exists() else self._file

    async def close(self) -> None:
        pass

    def _created(self, keyring: Keyring, name: str) -> Keyring:
        return keyring.created(name, self._now_us(), self._random_bytes)

    def _current(self) -> Keyring:
        """Looking whether the file has changed takes 2 µs; each change makes another file.
        Raises `KeyServiceFailed`."""
        try:
            found = self._file.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._keyring = _read(self._file)
                self._seen = seen
        except FileNotFoundError:
            if self._seen is not None:
                raise KeyServiceFailed(f"{self._file} is gone") from None
        except OSError as error:
            raise KeyServiceFailed(f"{self._file}: {error}") from error
        return self._keyring

    def _change(self, name: str, change: Callable[[Keyring], Keyring]) -> KeyDescription:
        try:
            with _alone(self._file):
                old = self._current()
                new = change(old)
                if new != old:
                    # What is wrapped with a key that is lost is lost.
                    write_secret(self._file, new.encoded())
            return self._current().describe(name)
        except OSError as error:
            raise KeyServiceFailed(f"{self._file}: {error}") from error


async def open_keys(settings: Settings, host: Host) -> IKeyManager:
    """Raises `ConfigurationInvalid` for a file that others may read, or that is no keyring."""
    keys = LocalKeys(host.data_directory / settings.file, now_us=lambda: time.time_ns() // 1000)
    try:
        await keys.names()
    except KeyServiceFailed as error:
        raise ConfigurationInvalid(str(error)) from error
    return keys


def _read(file: Path) -> Keyring:
    if file.stat().st_mode & 0o077:
        raise KeyServiceFailed(f"{file} may be read by others: run chmod 600 {file}")
    try:
        return Keyring.decoded(file.read_text("ascii"))
    except ValueError as error:
        raise KeyServiceFailed(f"{file}: {error}") from error


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """The only one of all processes that changes the file."""
    lock = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
