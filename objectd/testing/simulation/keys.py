"""The key manager of a simulated store: one keyring, which each process reaches in steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
from zope.interface import implementer

from objectd.interfaces import EnvelopeKey, IKeyManager, KeyDescription
from objectd.keys.keyring import Keyring
from objectd.model.records import Scheme
from objectd.objects.encryption import CustomerKey, EncryptionWanted
from objectd.testing.simulation.schedule import Process

STORES_KEY = EncryptionWanted(Scheme.SSE_S3)
TWO_KEYS = EncryptionWanted(Scheme.DSSE_KMS)
CUSTOMER = CustomerKey(b"a key that only this client has.", "its MD5")
CUSTOMERS_KEY = EncryptionWanted(Scheme.SSE_C, customer_key=CUSTOMER)


@attrs.define
class Keys:
    """What all processes share."""

    ring: Keyring = attrs.field(factory=Keyring)


@implementer(IKeyManager)
class KeyAccess:
    """What one process sees of the keys. They are random as the seed says."""

    def __init__(self, keys: Keys, process: Process) -> None:
        self._keys = keys
        self._process = process
        self._random_bytes = process.schedule.random.randbytes

    async def generate(self, name: str, context: Mapping[str, str]) -> EnvelopeKey:
        return await self._process.wait(
            "draws a key", lambda: self._keys.ring.generate(name, context, self._random_bytes)
        )

    async def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return await self._process.wait(
            "unwraps a key", lambda: self._keys.ring.unwrap(name, wrapped, context)
        )

    async def describe(self, name: str) -> KeyDescription:
        return await self._process.wait("asks for a key", lambda: self._keys.ring.describe(name))

    async def names(self) -> Sequence[str]:
        return await self._process.wait("asks for keys", lambda: self._keys.ring.names)

    async def create(self, name: str) -> KeyDescription:
        def make() -> KeyDescription:
            self._keys.ring = self._keys.ring.created(name, 0, self._random_bytes)
            return self._keys.ring.describe(name)

        return await self._process.wait("makes a key", make)

    async def rotate(self, name: str) -> KeyDescription:
        def rotate() -> KeyDescription:
            self._keys.ring = self._keys.ring.rotated(name, 0, self._random_bytes)
            return self._keys.ring.describe(name)

        return await self._process.wait("rotates a key", rotate)

    async def close(self) -> None:
        return None
