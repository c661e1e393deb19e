"""The keys of every row family: one function a family, as `docs/format.md` fixes them.

A key is a tag byte and big-endian fields, so that byte order is the order we scan in.
Bucket names and object keys come last (or escaped and ended by 00 01), which is what lets a
listing be a scan.
"""

from __future__ import annotations

import struct

BUCKET_PREFIX_BYTES = 9
"""The tag and the bucket's id, which begin the keys of all that a bucket holds."""

UID_BYTES = 12
"""Blobs, versions, uploads and attempts at parts are named by incarnation ‖ counter."""

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")
_TIME_MAX = (1 << 64) - 1

FORMAT = b"f"
SWEEP_HOLD = b"h"
"""While this row is there (an older backup was restored), no stray file is removed."""

CLOCK_MARK = b"w"
"""How far time has come: locks end by it (`objectd.objects.trusted_time`)."""

PLACES = b"z"
"""Which further blob store has which number."""

JOURNAL = b"j"
CLIENT_TOKENS = b"k"
INCARNATIONS = b"i"
BUCKET_NAMES = b"n"
USAGES = b"a"

BUCKETS = b"b"
LIVES = b"l"
CONFIGURATIONS = b"s"
OBJECTS = b"o"
PAYLOADS = b"p"
VERSIONS = b"v"
VERSION_PAYLOADS = b"q"
NULL_VERSIONS = b"y"
ANNOTATIONS = b"A"
UPLOADS = b"u"
PARTS = b"t"
MANIFESTS = b"m"
MANIFEST_REFS = b"M"
BLOBS = b"B"
CONTENTS = b"c"
REFS = b"r"
"""What the keys of whole families begin with."""

CANDIDATES = b"d"
TRASH = b"x"
BLOB_CANDIDATES = b"db"
MANIFEST_CANDIDATES = b"dm"
PARTS_CANDIDATES = b"dp"
BUCKET_CANDIDATES = b"dB"
ANNOTATION_CANDIDATES = b"da"
BLOB_TRASH = b"xb"
MANIFEST_TRASH = b"xm"
"""The collector's queues. What follows the two bytes says what is queued."""


def after(prefix: bytes) -> bytes:
    """The first key after all that begin with `prefix`, which must not be all FF."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def span(prefix: bytes) -> tuple[bytes, bytes]:
    """The range of all keys that begin with `prefix`."""
    return prefix, after(prefix)


def escape(key: bytes) -> bytes:
    """00 becomes 00 FF and the end is 00 01: byte order and prefixes hold."""
    return escaped_prefix(key) + b"\0\x01"


def escaped_prefix(prefix: bytes) -> bytes:
    """What the escaped forms of all keys with this prefix begin with."""
    return prefix.replace(b"\0", b"\0\xff")


def unescape(data: bytes) -> tuple[bytes, bytes]:
    """Split what `escape` made from what follows it."""
    end = data.index(b"\0\x01")
    return data[:end].replace(b"\0\xff", b"\0"), data[end + 2 :]


def descending(time_us: int) -> bytes:
    """A time such that later ones sort first."""
    return _U64.pack(_TIME_MAX - time_us)


# Which rows may be kept beside the store

GROUPED = frozenset(BUCKET_NAMES + BUCKETS + LIVES + OBJECTS + PAYLOADS)
"""The families that `objectd.metadata.caching` keeps."""


def group(key: bytes) -> bytes | None:
    """What names the rows that are kept, and change, together: an object's record and its
    payload, a bucket and its being alive. None for families that are never kept.

    It is what follows the tag. Should that be the same for rows that have nothing to do with
    each other, they are taken for changed too often, never too seldom.
    """
    return key[1:] if key and key[0] in GROUPED else None


def incarnation(number: int) -> bytes:
    return b"i" + _U32.pack(number)


def incarnation_number(key: bytes) -> int:
    return int(_U32.unpack_from(key, 1)[0])


def drive(number: int) -> bytes:
    return b"D" + _U16.pack(number)


# Buckets


def bucket_name(name: str) -> bytes:
    return b"n" + name.encode()


def bucket(bucket_id: int) -> bytes:
    return b"b" + _U64.pack(bucket_id)


def live(bucket_id: int, versioning: int = 0) -> bytes:
    """The row that every change of a bucket's current objects expects. Only that of the bucket's
    present versioning is there, so who decided under another one meets a conflict."""
    return b"l" + _U64.pack(bucket_id) + (bytes((versioning,)) if versioning else b"")


def configurations(bucket_id: int) -> bytes:
    return b"s" + _U64.pack(bucket_id)


def configuration(bucket_id: int, name: bytes) -> bytes:
    """What a bucket is told about itself under this name."""
    return b"s" + _U64.pack(bucket_id) + name


LIFECYCLE = b"lifecycle"
LIFECYCLE_PASS = b"lifecycle-pass"
BUCKET_TAGS = b"tagging"
"""The name of the one configuration that a bucket may be born with."""


USAGE_OBJECTS = b"n"
USAGE_BYTES = b"s"
"""What is counted."""


def usage(bucket_id: int, shard: int, quantity: bytes) -> bytes:
    """A usage counter: one shard an incarnation, shard 0 is the folded base."""
    return b"a" + _U64.pack(bucket_id) + quantity + _U32.pack(shard)


def usages(bucket_id: int) -> bytes:
    return b"a" + _U64.pack(bucket_id)


def usage_fields(key: bytes) -> tuple[int, bytes, int]:
    """(bucket id, quantity, shard) of a usage counter's key."""
    return _U64.unpack_from(key, 1)[0], key[9:10], _U32.unpack_from(key, 10)[0]


# Objects


def objects(bucket_id: int) -> bytes:
    """The prefix of a bucket's current objects."""
    return b"o" + _U64.pack(bucket_id)


def object_(bucket_id: int, key: bytes) -> bytes:
    return b"o" + _U64.pack(bucket_id) + key


def versions(bucket_id: int) -> bytes:
    return b"v" + _U64.pack(bucket_id)


def key_versions(bucket_id: int, key: bytes) -> bytes:
    """The prefix of a key's noncurrent versions and delete markers, newest first."""
    return b"v" + _U64.pack(bucket_id) + escape(key)


def version(bucket_id: int, key: bytes, time_us: int, version_uid: bytes) -> bytes:
    return key_versions(bucket_id, key) + descending(time_us) + version_uid


def first_version_after(bucket_id: int, key: bytes, time_us: int, version_uid: bytes) -> bytes:
    """The least key of the key's versions that are older than this one."""
    return version(bucket_id, key, time_us, version_uid) + b"\0"


def version_fields(row_key: bytes) -> tuple[bytes, int, bytes]:
    """(key, time, uid) of the version whose row has this key."""
    key, rest = unescape(row_key[BUCKET_PREFIX_BYTES:])
    return key, _TIME_MAX - int(_U64.unpack_from(rest)[0]), rest[8:]


def null_version(bucket_id: int, key: bytes) -> bytes:
    return b"y" + _U64.pack(bucket_id) + key


def null_versions(bucket_id: int) -> bytes:
    return b"y" + _U64.pack(bucket_id)


def version_payload(bucket_id: int, version_uid: bytes) -> bytes:
    """The bytes of a small noncurrent version."""
    return b"q" + _U64.pack(bucket_id) + version_uid


def version_payloads(bucket_id: int) -> bytes:
    return b"q" + _U64.pack(bucket_id)


def version_annotations(version_uid: bytes) -> bytes:
    """The prefix of all that a version's annotations have."""
    return b"A" + version_uid


def annotation(version_uid: bytes, name: bytes) -> bytes:
    """The record; those of one version lie together, in the order of their names."""
    return annotation_piece(version_uid, name, 0)


def annotation_piece(version_uid: bytes, name: bytes, number: int) -> bytes:
    """A piece of the payload, from number 1 on."""
    return version_annotations(version_uid) + bytes((number,)) + name


def annotation_place(row_key: bytes) -> bytes:
    """What is the same in the keys of all versions: the number of the piece, and the name."""
    return row_key[1 + UID_BYTES :]


def annotation_name(row_key: bytes) -> bytes:
    return row_key[2 + UID_BYTES :]


def payload(bucket_id: int, key: bytes) -> bytes:
    """The bytes of a small current object: known before its record is read, so that one
    round trip fetches both."""
    return b"p" + _U64.pack(bucket_id) + key


def object_and_payload(bucket_id: int, key: bytes) -> tuple[bytes, bytes]:
    """Both of a current object, for whoever reads it."""
    named = _U64.pack(bucket_id) + key
    return b"o" + named, b"p" + named


def client_tokens(day: int) -> bytes:
    """The prefix of the tokens that clients used on a day: days since 1970 UTC."""
    return CLIENT_TOKENS + _U32.pack(day)


def client_token(day: int, bucket_id: int, digest: bytes) -> bytes:
    """A token that a client gave with a request: `digest` is its SHA-256."""
    return client_tokens(day) + _U64.pack(bucket_id) + digest


# Multipart uploads


def uploads(bucket_id: int) -> bytes:
    return b"u" + _U64.pack(bucket_id)


def upload_uid(key: bytes) -> bytes:
    """The upload whose row has this key."""
    return key[-UID_BYTES:]


def key_uploads(bucket_id: int, key: bytes) -> bytes:
    return b"u" + _U64.pack(bucket_id) + escape(key)


def upload(bucket_id: int, key: bytes, time_us: int, upload_uid: bytes) -> bytes:
    """An upload that is open or completing; by key, then by its start."""
    return key_uploads(bucket_id, key) + _U64.pack(time_us) + upload_uid


def parts(upload_uid: bytes) -> bytes:
    return b"t" + upload_uid


def part(upload_uid: bytes, number: int) -> bytes:
    return b"t" + upload_uid + _U16.pack(number)


def part_number(key: bytes) -> int:
    """The number of the part whose row has this key."""
    return int(_U16.unpack_from(key, 1 + UID_BYTES)[0])


def manifest(upload_uid: bytes) -> bytes:
    """A completed upload, whose parts objects and copies share."""
    return b"m" + upload_uid


def manifest_ref(upload_uid: bytes, version_uid: bytes) -> bytes:
    return b"M" + upload_uid + version_uid


def manifest_refs(upload_uid: bytes) -> bytes:
    return b"M" + upload_uid


# Blobs


def blob(blob_uid: bytes) -> bytes:
    return b"B" + blob_uid


def content(account: int, digest: bytes, codec: int, storage_class: str) -> bytes:
    """Where equal content of one account is already stored in the same way."""
    return b"c" + _U64.pack(account) + digest + bytes((codec,)) + storage_class.encode()


def referred_uid(key: bytes) -> bytes:
    """The blob or the manifest that a reference is to."""
    return key[1 : 1 + UID_BYTES]


def refs(blob_uid: bytes) -> bytes:
    return b"r" + blob_uid


def version_ref(blob_uid: bytes, version_uid: bytes) -> bytes:
    return b"r" + blob_uid + b"v" + version_uid


def part_ref(blob_uid: bytes, attempt_uid: bytes) -> bytes:
    return b"r" + blob_uid + b"p" + attempt_uid


# What the collector works through


def blob_candidate(blob_uid: bytes) -> bytes:
    return BLOB_CANDIDATES + blob_uid


def manifest_candidate(upload_uid: bytes) -> bytes:
    return MANIFEST_CANDIDATES + upload_uid


def parts_candidate(upload_uid: bytes) -> bytes:
    """Parts to be dropped: all of an aborted upload, the unlisted ones of a completed one."""
    return PARTS_CANDIDATES + upload_uid


def bucket_candidate(bucket_id: int) -> bytes:
    return BUCKET_CANDIDATES + _U64.pack(bucket_id)


def annotation_candidate(version_uid: bytes) -> bytes:
    """Annotations of a version that will be put, unless that fails."""
    return ANNOTATION_CANDIDATES + version_uid


def blob_trash(blob_uid: bytes) -> bytes:
    return BLOB_TRASH + blob_uid


def manifest_trash(upload_uid: bytes) -> bytes:
    return MANIFEST_TRASH + upload_uid


def queued_uid(key: bytes) -> bytes:
    """The blob or upload that a row of the collector's queues is about."""
    return key[2:]


def queued_bucket(key: bytes) -> int:
    return int(_U64.unpack_from(key, 2)[0])
