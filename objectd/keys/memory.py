"""Keys in memory, gone with the process: for stores that are gone with it too."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from zope.interface import implementer

from objectd.interfaces import EnvelopeKey, IKeyManager, IKeySwitch, KeyDescription
from objectd.keys.keyring import Keyring

__all__ = ["MemoryKeys"]


@implementer(IKeyManager, IKeySwitch)
class MemoryKeys:
    def __init__(self, keyring: Keyring = Keyring()) -> None:  # noqa: B008 - frozen
        self.keyring = keyring

    async def generate(self, name: str, context: Mapping[str, str]) -> EnvelopeKey:
        return self.keyring.generate(name, context, os.urandom)

    async def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return self.keyring.unwrap(name, wrapped, context)

    async def describe(self, name: str) -> KeyDescription:
        return self.keyring.describe(name)

    async def names(self) -> Sequence[str]:
        return self.keyring.names

    async def create(self, name: str) -> KeyDescription:
        self.keyring = self.keyring.created(name, _now_us(), os.urandom)
        return self.keyring.describe(name)

    async def rotate(self, name: str) -> KeyDescription:
        self.keyring = self.keyring.rotated(name, _now_us(), os.urandom)
        return self.keyring.describe(name)

    async def switch(self, name: str, *, enabled: bool) -> KeyDescription:
        self.keyring = self.keyring.switched(name, enabled=enabled)
        return self.keyring.describe(name)

    async def close(self) -> None:
        pass


def _now_us() -> int:
    return time.time_ns() // 1000
