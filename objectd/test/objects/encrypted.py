"""What the tests of encryption share."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from objectd.blobs.packets import PACKET_BYTES
from objectd.interfaces import Entry, EnvelopeKey
from objectd.keys.memory import MemoryKeys
from objectd.model.records import Scheme
from objectd.objects.copy_source import ObjectName
from objectd.objects.encryption import CustomerKey, EncryptionWanted
from objectd.test.objects.cases import StoreCase

MINE = CustomerKey(b"m" * 32, "md5 of mine")
OTHER = CustomerKey(b"o" * 32, "md5 of another")

SETTINGS: Mapping[str, EncryptionWanted | None] = {
    "none": None,
    "s3": EncryptionWanted(Scheme.SSE_S3),
    "kms": EncryptionWanted(Scheme.SSE_KMS, context={"a": "b"}),
    "kms of a bucket": EncryptionWanted(Scheme.SSE_KMS, bucket_key=True),
    "dsse": EncryptionWanted(Scheme.DSSE_KMS),
    "mine": EncryptionWanted(Scheme.SSE_C, customer_key=MINE),
    "other": EncryptionWanted(Scheme.SSE_C, customer_key=OTHER),
}
ENCRYPTED = {name: wanted for name, wanted in SETTINGS.items() if wanted is not None}
S3 = ENCRYPTED["s3"]
KMS = ENCRYPTED["kms"]

SOURCE = ObjectName("photos", "source")
TARGET = ObjectName("photos", "target")

SMALL = b"16 bytes or less"
"""Just what a row takes."""
EDGY = Random("edgy").randbytes(2 * PACKET_BYTES + 100)
"""Three packets."""


def key_of(wanted: EncryptionWanted | None) -> CustomerKey | None:
    return wanted.customer_key if wanted is not None else None


def raw(entry: Entry) -> bytes:
    """The value of a row that was read with it."""
    assert entry.value is not None
    return entry.value


class CountingKeys(MemoryKeys):
    """Tells how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def generate(self, name: str, context: Mapping[str, str]) -> EnvelopeKey:
        self.calls += 1
        return await super().generate(name, context)

    async def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        self.calls += 1
        return await super().unwrap(name, wrapped, context)


class EncryptionCase(StoreCase):
    def setUp(self) -> None:
        self.key_manager = self.keys = CountingKeys()
        super().setUp()

    def put(self, key: str, data: bytes, wanted: EncryptionWanted | None) -> str:
        """Returns the ETag."""
        return self.ok(self.store.objects.put("photos", key, data, encryption=wanted)).etag

    def got(
        self, key: str, customer: CustomerKey | None = None, start: int = 0, stop: int | None = None
    ) -> bytes:
        async def read() -> bytes:
            opened = await self.store.objects.get("photos", key, customer_key=customer)
            stream = opened.stream(start, stop)
            pieces = []
            while piece := await stream.read():
                pieces.append(piece)
            stream.close()
            return b"".join(pieces)

        return self.ok(read())

    def put_in_parts(self, key: str, parts: list[bytes], wanted: EncryptionWanted | None) -> None:
        upload_id = self.begun(key, wanted)
        for number, data in enumerate(parts, 1):
            self.ok(
                self.store.uploads.put_part(
                    "photos", key, upload_id, number, data, customer_key=key_of(wanted)
                )
            )
        self.complete(key, upload_id)

    def begun(self, key: str, wanted: EncryptionWanted | None) -> str:
        return self.ok(self.store.uploads.create("photos", key, encryption=wanted)).id.text()
