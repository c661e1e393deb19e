"""What a program must understand to open this store: set in the commit that first needs it."""

from __future__ import annotations

from msgspec import structs

from objectd.errors import DamagedRecord
from objectd.interfaces import At
from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Bucket, Format, Incompatible
from objectd.objects.classes import StorageClass
from objectd.objects.core import Core
from objectd.objects.encryption import EncryptionWanted
from objectd.objects.sealing import Sealed
from objectd.objects.shield import shield
from objectd.objects.writer import Batch


async def ensure(core: Core, feature: Incompatible) -> None:
    """The same in a commit of its own, before what needs it; once in a process. Raises
    `OperationAborted`."""
    if feature not in core.features:
        await shield(core.writer.transact(lambda batch: use(core, batch, feature)))
        core.features.add(feature)


async def use(core: Core, batch: Batch, feature: Incompatible) -> None:
    """From this commit on no program opens the store that does not know the feature. A bit that
    was set is never cleared, so nothing is expected where it is."""
    [row] = await core.metadata.get([keys.FORMAT])
    if row is None:
        raise DamagedRecord("the format of the store", "missing")
    format_ = decode(Format, row.value)
    if format_.incompatible & feature:
        return
    batch.expect(At(keys.FORMAT, row.revision))
    incompatible = int(format_.incompatible | feature)
    batch.put(keys.FORMAT, encode(structs.replace(format_, incompatible=incompatible)))


async def class_named(core: Core, name: str) -> StorageClass:
    """The storage class for what is to be kept. Raises `UnknownStorageClass`, and as `ensure`."""
    named = core.classes.named(name)
    if not named.is_plain:
        await ensure(core, Incompatible.STORAGE_CLASSES)
    return named


async def new_sealed(core: Core, wanted: EncryptionWanted, place: Bucket, key: str) -> Sealed:
    """What encrypts bytes that are to be stored. Raises as `Encryptions.new` and `ensure`."""
    await ensure(core, Incompatible.ENCRYPTION)
    return await core.encryptions.new(wanted, place, key)
