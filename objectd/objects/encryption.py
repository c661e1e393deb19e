"""Server-side encryption: what is encrypted for which key, and where that key is.

The key of the key manager (or the customer's) is two steps away from the bytes: it wraps an
envelope key, which seals the data key of a version. So a version is given another key by sealing
its data key again; its bytes stay where they are.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TypeAlias

import attrs

from objectd.errors import (
    CustomerKeyMissing,
    CustomerKeyUnwanted,
    CustomerKeyWrong,
    DamagedRecord,
    EncryptionBlocked,
    InvalidOperation,
    KeyNotFound,
    KeyServiceFailed,
    WrappedKeyDamaged,
)
from objectd.interfaces import KEY_NAME_PATTERN, EnvelopeKey, IKeyManager
from objectd.model.records import Bucket, Encryption, Layer, Scheme
from objectd.objects.envelopes import Envelopes
from objectd.objects.sealing import (
    RandomBytes,
    Sealed,
    Secret,
    WrongKey,
    new_secret,
    open_key,
    seal_key,
)

CUSTOMER_KEY_BYTES = 32

ARN_CONTEXT = "aws:s3:arn"
"""What AWS adds to every context: of the object, or with a bucket key of the bucket.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"""

_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]*:([0-9]*):(?:key/|(?=alias/))(.+)")
_NAME = re.compile(KEY_NAME_PATTERN)

Context: TypeAlias = Mapping[str, str]


@attrs.frozen
class EncryptionSettings:
    """`s3_key` and `kms_key` are the names of the keys that SSE-S3 uses, and SSE-KMS where no
    other is named; they are made when they are first needed."""

    sse_c_without_tls: bool = False
    s3_key: str = attrs.field(
        default="objectd-s3", validator=attrs.validators.matches_re(KEY_NAME_PATTERN)
    )
    kms_key: str = attrs.field(
        default="objectd-kms", validator=attrs.validators.matches_re(KEY_NAME_PATTERN)
    )


@attrs.frozen
class CustomerKey:
    """32 bytes, and their MD5 in base64."""

    secret: bytes = attrs.field(repr=False)
    md5: str


@attrs.frozen
class EncryptionWanted:
    """What a request asks for. `key_id` is '' for the default key; `bucket_key` None for what the
    bucket says."""

    scheme: Scheme
    key_id: str = ""
    context: Context = attrs.field(factory=dict)
    bucket_key: bool | None = None
    customer_key: CustomerKey | None = None

    @property
    def layers(self) -> int:
        """How often bytes are encrypted."""
        return 2 if self.scheme is Scheme.DSSE_KMS else 1


def wanted_in(bucket: Bucket, wanted: EncryptionWanted | None) -> EncryptionWanted | None:
    """What becomes of what comes into a bucket: as it is wished, or else by default. Raises
    `EncryptionBlocked`."""
    default = bucket.encryption
    if default is None:
        return wanted
    if wanted is None:
        if default.scheme is None:
            return None
        return EncryptionWanted(default.scheme, default.key_id, bucket_key=default.bucket_key)
    if wanted.scheme is Scheme.SSE_C and default.customer_keys_blocked:
        raise EncryptionBlocked(f"bucket {bucket.name!r} takes no customers' keys")
    if wanted.scheme is Scheme.SSE_KMS and wanted.bucket_key is None:
        return attrs.evolve(wanted, bucket_key=default.bucket_key)
    return wanted


def require_unencrypted(bucket: Bucket, encryption: Encryption | None, what: str) -> None:
    """Raises `InvalidOperation` for an encrypted object, and where one would become of it."""
    default = bucket.encryption
    if encryption is not None or (default is not None and default.scheme is not None):
        raise InvalidOperation(f"Objects that are encrypted cannot be {what}.")


@attrs.frozen
class Encryptions:
    """Makes and opens data keys."""

    _manager: IKeyManager | None
    _settings: EncryptionSettings
    _envelopes: Envelopes
    _random_bytes: RandomBytes

    async def new(self, wanted: EncryptionWanted, bucket: Bucket, key: str) -> Sealed:
        """A fresh data key, sealed as it is wanted for this object. Nothing of it is durable.

        Raises `KeyNotFound`, `KeyDisabled`, `KeyServiceFailed`.
        """
        return await self.again(new_secret(wanted.layers, self._random_bytes), wanted, bucket, key)

    async def again(
        self, secret: Secret, wanted: EncryptionWanted, bucket: Bucket, key: str
    ) -> Sealed:
        """The same data key sealed in another way, of as many layers. Raises as `new`."""
        match wanted.scheme:
            case Scheme.SSE_C:
                encryption = self._for_customer(secret, wanted)
            case Scheme.SSE_S3:
                layer = await self._for_store(secret.keys[0])
                encryption = Encryption(Scheme.SSE_S3, (layer,))
            case _:
                encryption = await self._for_manager(secret, wanted, bucket, key)
        return Sealed(encryption, secret, self._random_bytes)

    def sealed(self, encryption: Encryption | None, secret: Secret) -> Sealed:
        """More bytes under keys that were opened."""
        if encryption is None:
            raise TypeError("there is nothing that could be sealed")
        return Sealed(encryption, secret, self._random_bytes)

    async def open(self, encryption: Encryption | None, customer: CustomerKey | None) -> Secret:
        """The data keys of a version. Raises `CustomerKeyMissing`, `CustomerKeyUnwanted`,
        `CustomerKeyWrong`, `KeyNotFound`, `KeyDisabled`, `KeyServiceFailed`, `DamagedRecord`."""
        check_customer_key(encryption, customer)
        if encryption is None:
            raise TypeError("there is nothing to open")
        if customer is not None:
            [layer] = encryption.layers
            return Secret((_opened_by_customer(layer, customer),))
        contexts = [_context_in(encryption), *({} for _ in encryption.layers[1:])]
        cached = encryption.bucket_key or encryption.scheme is Scheme.SSE_S3
        return Secret(
            tuple(
                [
                    await self._opened(layer, context, cached=cached or index > 0)
                    for index, (layer, context) in enumerate(
                        zip(encryption.layers, contexts, strict=True)
                    )
                ]
            )
        )

    def name_of(self, key_id: str) -> str:
        """The key manager's name for what a client calls a key: its name or an ARN that ends in
        it; an alias is a name too, and that of AWS's own key means ours. Raises `KeyNotFound`."""
        arn = _KEY_ARN.fullmatch(key_id)
        name = (arn[2] if arn else key_id).removeprefix("alias/")
        if name in ("", "aws/s3"):
            return self._settings.kms_key
        if _NAME.fullmatch(name) is None:
            raise KeyNotFound(key_id)
        return name

    def _for_customer(self, secret: Secret, wanted: EncryptionWanted) -> Encryption:
        if wanted.customer_key is None:
            raise CustomerKeyMissing("SSE-C is for a key that comes with the request")
        [key], customer = secret.keys, wanted.customer_key
        layer = Layer(seal_key(key, customer.secret, self._random_bytes))
        return Encryption(Scheme.SSE_C, (layer,))

    async def _for_manager(
        self, secret: Secret, wanted: EncryptionWanted, bucket: Bucket, key: str
    ) -> Encryption:
        name = self.name_of(wanted.key_id)
        bucket_key = wanted.scheme is Scheme.SSE_KMS and bool(wanted.bucket_key)
        arn = f"arn:aws:s3:::{bucket.name}" + ("" if bucket_key else f"/{key}")
        context = {**wanted.context, ARN_CONTEXT: arn}
        envelope = await self._envelope(name, context, shared=bucket_key)
        layers = [self._layer(secret.keys[0], name, envelope)]
        if wanted.scheme is Scheme.DSSE_KMS:
            layers.append(await self._for_store(secret.keys[1]))
        return Encryption(
            wanted.scheme,
            tuple(layers),
            key_id=f"arn:aws:kms:{bucket.region}:{bucket.owner:012}:key/{name}",
            context=json.dumps(context, sort_keys=True),
            bucket_key=bucket_key,
        )

    async def _for_store(self, key: bytes) -> Layer:
        """Sealed for the store's own key."""
        name = self._settings.s3_key
        return self._layer(key, name, await self._envelope(name, {}, shared=True))

    def _layer(self, key: bytes, name: str, envelope: EnvelopeKey) -> Layer:
        sealed = seal_key(key, envelope.plain, self._random_bytes)
        return Layer(sealed, name, envelope.wrapped)

    async def _envelope(self, name: str, context: Context, *, shared: bool) -> EnvelopeKey:
        """`shared`: the same one may seal many data keys, each under a salt of its own."""
        known = self._envelopes.current(name, context) if shared else None
        if known is not None:
            return known
        manager = self._require_manager()
        try:
            envelope = await manager.generate(name, context)
        except KeyNotFound:
            if name not in (self._settings.s3_key, self._settings.kms_key):
                raise
            await manager.create(name)
            envelope = await manager.generate(name, context)
        if shared:
            self._envelopes.share(name, context, envelope)
        return envelope

    async def _opened(self, layer: Layer, context: Context, *, cached: bool) -> bytes:
        plain = self._envelopes.opened(layer, context) if cached else None
        if plain is None:
            try:
                plain = await self._require_manager().unwrap(layer.key_id, layer.wrapped, context)
            except WrappedKeyDamaged as error:
                raise DamagedRecord("envelope key", str(error)) from error
            if cached:
                self._envelopes.keep(layer, context, plain)
        try:
            return open_key(layer.sealed, plain)
        except WrongKey:
            raise DamagedRecord("data key", "its envelope key is another one") from None

    def _require_manager(self) -> IKeyManager:
        if self._manager is None:
            raise KeyServiceFailed("this store was opened without a key manager")
        return self._manager


def check_customer_key(encryption: Encryption | None, customer: CustomerKey | None) -> None:
    """Whether there is a customer's key just where one is needed, and the right one. Raises
    `CustomerKeyMissing`, `CustomerKeyUnwanted`, `CustomerKeyWrong`."""
    is_needed = encryption is not None and encryption.scheme is Scheme.SSE_C
    if customer is None:
        if is_needed:
            raise CustomerKeyMissing(
                "The object was stored using a form of Server Side Encryption. The correct "
                "parameters must be provided to retrieve the object."
            )
        return
    if encryption is None or not is_needed:
        raise CustomerKeyUnwanted("The encryption parameters are not applicable to this object.")
    [layer] = encryption.layers
    _opened_by_customer(layer, customer)


def _opened_by_customer(layer: Layer, customer: CustomerKey) -> bytes:
    try:
        return open_key(layer.sealed, customer.secret)
    except WrongKey:
        raise CustomerKeyWrong("this is encrypted for another key") from None


def _context_in(encryption: Encryption) -> Context:
    context: Context = json.loads(encryption.context) if encryption.context else {}
    return context
