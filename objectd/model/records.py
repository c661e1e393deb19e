"""The values of every row family, as `docs/format.md` fixes them.

Fields are append-only: a new one comes last and has a default, so that older rows still
decode and older readers skip what they do not know. What cannot be done that way takes a
new record version and a feature bit (`Format`).

Sizes are bytes, times are microseconds since 1970 UTC, digests are raw bytes.
"""

from __future__ import annotations

import enum

import msgspec

from objectd.model.locks import DefaultRetention, Lock


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value that `objectd.model.codec` writes as one checksummed msgpack array."""


# The store itself


class Format(Record, frozen=True):
    """What a program must understand to open this store.

    Unknown `compatible` bits may be ignored, unknown `read_compatible` ones allow reading
    only, unknown `incompatible` ones allow nothing.
    """

    compatible: int
    read_compatible: int
    incompatible: int
    store_uuid: bytes
    digest_key: bytes
    created_us: int
    created_by: str


class Incompatible(enum.IntFlag):
    """The bits of `Format.incompatible`."""

    VERSIONS = 1
    """Some bucket has, or had, versioning: keys have versions beneath the current one, and
    writers expect a live row that tells the bucket's versioning."""

    ENCRYPTION = 2
    """Some version, or part, is stored encrypted."""

    STORAGE_CLASSES = 4
    """Some version, or upload, has another storage class than STANDARD: its bytes may be
    compressed, or in a further blob store, or archived."""

    EVENT_HOLDS = 8
    """Some version, or upload, is under an event hold, or a bucket puts one on what comes: until
    it is released the version does not go, whatever its date."""


class SweepHold(Record, frozen=True):
    since_us: int


class Incarnation(Record, frozen=True):
    started_us: int


class ClockMark(Record, frozen=True):
    """Until when time is known to have passed (`objectd.objects.trusted_time`): at `boottime_us`
    after the boot `boot_id` it was `trusted_us`. Of that, `followed_us` were taken from the wall
    clock of this boot, which was ahead."""

    trusted_us: int
    boot_id: str
    boottime_us: int
    followed_us: int = 0


class Places(Record, frozen=True):
    """The names of the further blob stores, in the order of their numbers, which begin at 1. It
    only ever gets longer: blobs tell by these numbers where they lie."""

    names: tuple[str, ...]


# Buckets


class BucketName(Record, frozen=True):
    """`versioned`: versioning was on at some time, so a key may have more than one version.
    `lifecycle` as in `Bucket`, for those who read objects."""

    bucket_id: int
    versioned: bool = False
    lifecycle: bytes = b""


class Versioning(enum.IntEnum):
    """What becomes of a version that is replaced or deleted."""

    NEVER = 0
    """It is gone; and so it was for as long as there is the bucket."""

    ENABLED = 1
    SUSPENDED = 2
    """The null version is gone, others stay."""


class Scheme(enum.IntEnum):
    """Whose key the bytes of a version are encrypted for."""

    SSE_S3 = 1
    SSE_KMS = 2
    DSSE_KMS = 3
    """Twice over: for a key of the client's choice and for the store's own."""

    SSE_C = 4
    """For a key that comes with each request and is kept nowhere."""


class DefaultEncryption(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a bucket encrypts what comes without a wish of its own; None: not at all. `key_id` is
    '' for the default key. Customers' keys may be refused altogether."""

    scheme: Scheme | None = None
    key_id: str = ""
    bucket_key: bool = False
    customer_keys_blocked: bool = False


class Bucket(Record, frozen=True):
    """`lifecycle` names the configuration of the bucket's lifecycle; it is empty if there is
    none."""

    bucket_id: int
    name: str
    owner: int
    created_us: int
    region: str
    deduplicate: bool = True
    versioning: Versioning = Versioning.NEVER
    lifecycle: bytes = b""
    object_lock_enabled: bool = False
    default_retention: DefaultRetention | None = None
    encryption: DefaultEncryption | None = None


class BucketTags(Record, frozen=True):
    """A configuration of a bucket: its own tags, which are not those of its objects."""

    tags: dict[str, str]


class Live(Record, frozen=True):
    """Nothing: its presence says that objects may be changed as the versioning in its key
    demands."""


# Objects


class Checksum(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`kind` is 'FULL_OBJECT' or 'COMPOSITE', `algorithm` as S3 writes it ('CRC64NVME')."""

    algorithm: str
    value: bytes
    kind: str = "FULL_OBJECT"


class ObjectHead(Record, frozen=True):
    """All that a listing shows of an object. `etag` is without quotes."""

    size_bytes: int
    modified_us: int
    etag: str
    version: bytes
    owner: int
    storage_class: str = "STANDARD"
    checksum_algorithm: str = ""
    checksum_kind: str = ""
    version_is_null: bool = True
    is_delete_marker: bool = False


class NullVersion(Record, frozen=True):
    """Where the null version of a key lies among its noncurrent versions and markers."""

    modified_us: int
    version: bytes


class InRow(msgspec.Struct, frozen=True, array_like=True, tag_field="in", tag=0, gc=False):
    """The bytes are a payload row, which the object's own row leads to."""


class InBlob(msgspec.Struct, frozen=True, array_like=True, tag_field="in", tag=1, gc=False):
    blob: bytes


class InManifest(msgspec.Struct, frozen=True, array_like=True, tag_field="in", tag=2, gc=False):
    """The listed parts of a completed upload: `listed` has bit n-1 set for part n, and
    `sizes` gives, in order, runs of (size of a part, how many parts)."""

    upload: bytes
    listed: bytes
    sizes: tuple[tuple[int, int], ...]


class Nothing(msgspec.Struct, frozen=True, array_like=True, tag_field="in", tag=3, gc=False):
    """The object has no bytes."""


Source = InRow | InBlob | InManifest | Nothing


class Headers(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The standard headers that S3 keeps with an object, each '' where it was not given."""

    content_type: str = ""
    content_encoding: str = ""
    content_disposition: str = ""
    content_language: str = ""
    cache_control: str = ""
    expires: str = ""
    website_redirect_location: str = ""


NO_HEADERS = Headers()


class Layer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One data key. `sealed` is the data key under an envelope key; `wrapped` is that one under
    the key `key_id` of the key manager, or b'' where the customer has it."""

    sealed: bytes
    key_id: str = ""
    wrapped: bytes = b""


class Encryption(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How the bytes of a version, or of an upload's parts, are encrypted: once with the data key
    of each layer, the first one innermost.

    `key_id` is the key as clients are shown it, `context` the JSON of what the key manager was
    told of the first layer. Of a customer's key nothing is kept, not even its MD5.
    """

    scheme: Scheme
    layers: tuple[Layer, ...]
    key_id: str = ""
    context: str = ""
    bucket_key: bool = False


class Restore(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """That an archived version may be read again: from `ready_us` until `expires_us`."""

    ready_us: int
    expires_us: int


class ObjectTail(Record, frozen=True):
    """What GET and HEAD show besides. `metadata` keys are lower case, without x-amz-meta-.
    `annotations` says how many there are."""

    source: Source
    headers: Headers = NO_HEADERS
    metadata: dict[str, str] = {}
    checksums: tuple[Checksum, ...] = ()
    tags: dict[str, str] = {}
    annotations: int = 0
    lock: Lock | None = None
    encryption: Encryption | None = None
    restore: Restore | None = None


class Annotation(Record, frozen=True):
    """A named text that a version carries; its name is in the key, its bytes lie beside it.
    `etag` is without quotes; `layers` is how often the bytes are encrypted, with the data keys
    of the version."""

    size_bytes: int
    modified_us: int
    etag: str
    checksums: tuple[Checksum, ...] = ()
    layers: int = 0


class ClientToken(Record, frozen=True):
    """A request that was carried out; `request` is the SHA-256 of what it asked for."""

    request: bytes


# Multipart uploads


class UploadState(enum.IntEnum):
    OPEN = 0
    COMPLETING = 1


class Upload(Record, frozen=True):
    """An upload in progress. `list_digest` and `attempt` belong to the Complete that froze
    the parts last, or only `attempt` to the process that moves the parts of an object."""

    state: UploadState
    upload: bytes
    owner: int
    started_us: int
    storage_class: str
    headers: Headers
    metadata: dict[str, str]
    tags: dict[str, str]
    checksum_algorithm: str = ""
    checksum_kind: str = ""
    list_digest: bytes = b""
    attempt: bytes = b""
    lock: Lock | None = None
    encryption: Encryption | None = None

    @property
    def is_of_move(self) -> bool:
        """Whether the parts of an object are moved under it, and no client goes on with it."""
        return self.state is UploadState.COMPLETING and not self.list_digest


class Part(Record, frozen=True):
    """An uploaded part; `attempt` is the referrer that holds its blob."""

    size_bytes: int
    modified_us: int
    etag: str
    blob: bytes
    attempt: bytes
    checksums: tuple[Checksum, ...] = ()


class Manifest(Record, frozen=True):
    """A completed upload; it answers a repeated Complete with the same list. Or what an
    append made of an object, with no list. `listed` are the parts of all objects that share it."""

    bucket_id: int
    key: bytes
    upload: bytes
    list_digest: bytes
    version: bytes
    etag: str
    checksums: tuple[Checksum, ...] = ()
    listed: bytes = b""
    version_id: str = ""


# The journal


class JournalKind(enum.IntEnum):
    BUCKET_CREATED = 1
    BUCKET_DELETED = 2
    OBJECT_PUT = 3
    OBJECT_DELETED = 4
    OBJECT_COMPLETED = 5
    OBJECT_COPIED = 6
    OBJECT_TAGGED = 7
    OBJECT_APPENDED = 8
    OBJECT_RENAMED_FROM = 9
    OBJECT_RENAMED_TO = 10
    DELETE_MARKER_PUT = 11
    VERSION_DELETED = 12
    BUCKET_CHANGED = 13
    OBJECT_LOCK_CHANGED = 14
    OBJECT_ANNOTATED = 20
    OBJECT_ENCRYPTION_UPDATED = 21
    OBJECT_TRANSITIONED = 22
    OBJECT_RESTORED = 23


class JournalEntry(Record, frozen=True):
    kind: JournalKind
    time_us: int
    bucket_id: int
    key: bytes = b""
    version: bytes = b""
