"""One row of every kind, as `golden/` holds them for ever.

`values-1.txt` has the rows of version 0.1: they are out there, so they are read for ever, with
the defaults of fields that were appended since, and not written any more. `values-2.txt` has
the same rows as they are written now, and those that are new. Until it is released a new field
changes that file; after that it gets a file of its own. Keys never change: their files only
grow in number.
"""

from __future__ import annotations

from pathlib import Path

from objectd.model import blobs, keys, lifecycle, locks, records
from objectd.model.codec import (
    encode,
    encode_counter,
    encode_object,
    encode_payload,
)

GOLDEN = Path(__file__).parent / "golden"

BUCKET = 0x0000000700000001
KEY = "dir/ä\0b".encode()
TIME = 1_700_000_000_000_000
VERSION, UPLOAD, BLOB, ATTEMPT = (
    bytes.fromhex(f"000000070000000000000{n:03x}") for n in (1, 2, 3, 0xFFF)
)
DIGEST = bytes(range(32))
CHECKSUMS = (records.Checksum("CRC64NVME", bytes(range(8))),)
HEADERS = records.Headers(
    content_type="image/jpeg",
    content_encoding="gzip",
    content_disposition="attachment",
    content_language="de",
    cache_control="no-cache",
    expires="Thu, 01 Dec 1994 16:00:00 GMT",
    website_redirect_location="/other",
)
HEAD = records.ObjectHead(
    size_bytes=5 << 30,
    modified_us=TIME,
    etag="900150983cd24fb0d6963f7d28e17f72-2",
    version=VERSION,
    owner=1,
    storage_class="STANDARD_IA",
    checksum_algorithm="CRC64NVME",
    checksum_kind="FULL_OBJECT",
    version_is_null=False,
)
TAILS = {
    "in-row": records.ObjectTail(records.InRow()),
    "in-blob": records.ObjectTail(records.InBlob(BLOB), HEADERS, {"colour": "grün"}, CHECKSUMS),
    "in-manifest": records.ObjectTail(
        records.InManifest(UPLOAD, b"\x03", ((5 << 20, 1), (1, 1))), tags={"a": "b"}
    ),
    "nothing": records.ObjectTail(records.Nothing()),
}

RECORDS: dict[str, records.Record] = {
    "format": records.Format(0, 0, 0, bytes(16), DIGEST, TIME, "objectd 0.1"),
    "sweep-hold": records.SweepHold(TIME),
    "incarnation": records.Incarnation(TIME),
    "bucket-name": records.BucketName(BUCKET),
    "bucket": records.Bucket(BUCKET, "photos", 1, TIME, "us-east-1", deduplicate=False),
    "live": records.Live(),
    "upload": records.Upload(
        state=records.UploadState.COMPLETING,
        upload=UPLOAD,
        owner=1,
        started_us=TIME,
        storage_class="STANDARD",
        headers=HEADERS,
        metadata={"colour": "grün"},
        tags={"a": "b"},
        checksum_algorithm="SHA256",
        checksum_kind="COMPOSITE",
        list_digest=DIGEST,
        attempt=ATTEMPT,
    ),
    "client-token": records.ClientToken(DIGEST),
    "part": records.Part(
        5 << 20, TIME, "900150983cd24fb0d6963f7d28e17f72", BLOB, ATTEMPT, CHECKSUMS
    ),
    "manifest": records.Manifest(
        BUCKET, KEY, UPLOAD, DIGEST, VERSION, HEAD.etag, CHECKSUMS, b"\x03"
    ),
    "blob": blobs.Blob(
        drive=1,
        digest=DIGEST,
        size_bytes=5 << 20,
        account=1,
        codec=blobs.Codec.PLAIN,
        key_id="key",
        envelope=b"\x01\x02",
        storage_class="STANDARD_IA",
        damaged=True,
    ),
    "content": blobs.Content(BLOB),
    "ref": blobs.Ref(),
    "candidate": blobs.Candidate(TIME),
    "blob-trash": blobs.BlobTrash(1, DIGEST, 5 << 20),
    "manifest-trash": blobs.ManifestTrash(TIME),
    "journal-entry": records.JournalEntry(
        records.JournalKind.OBJECT_COMPLETED, TIME, BUCKET, KEY, VERSION
    ),
}

ENCRYPTION = records.Encryption(
    records.Scheme.DSSE_KMS,
    (records.Layer(b"\x01" * 112, "key", b"\x02" * 85), records.Layer(b"\x03" * 112, "s3")),
    "arn:aws:kms:us-east-1:000000000001:key/key",
    '{"aws:s3:arn": "arn:aws:s3:::photos/a"}',
    bucket_key=True,
)
LOCK = locks.Lock(locks.Retention(locks.RetentionMode.COMPLIANCE, TIME), True)
EVENT_HELD = locks.Lock(
    locks.Retention(locks.RetentionMode.GOVERNANCE, TIME),
    event_hold=True,
    event_hold_duration=locks.EventHoldDuration(days=30),
)
EVENT_RELEASED = locks.Lock(LOCK.retention, event_hold=False)
RECORDS_2: dict[str, records.Record] = {
    "format-versions": records.Format(
        0, 0, records.Incompatible.VERSIONS, bytes(16), DIGEST, TIME, "objectd 0.1"
    ),
    "clock-mark": records.ClockMark(TIME, "boot", 7, TIME + 1),
    "places": records.Places(("cold", "deep-archive")),
    "bucket-name-versioned": records.BucketName(BUCKET, versioned=True, lifecycle=UPLOAD),
    "bucket-versioned": records.Bucket(
        BUCKET,
        "photos",
        1,
        TIME,
        "us-east-1",
        versioning=records.Versioning.SUSPENDED,
        lifecycle=UPLOAD,
        object_lock_enabled=True,
        default_retention=locks.DefaultRetention(locks.RetentionMode.GOVERNANCE, days=30),
        encryption=records.DefaultEncryption(records.Scheme.SSE_KMS, "key", True, True),
    ),
    "bucket-event-hold": records.Bucket(
        BUCKET,
        "photos",
        1,
        TIME,
        "us-east-1",
        default_retention=locks.DefaultRetention(
            locks.RetentionMode.COMPLIANCE, event_hold=locks.EventHoldDuration(years=5)
        ),
    ),
    "bucket-tags": records.BucketTags({"a": "b"}),
    "lifecycle": lifecycle.Lifecycle(
        UPLOAD,
        (
            lifecycle.LifecycleRule(
                "old",
                True,
                lifecycle.LifecycleFilter("logs/", {"a": "b"}, 1, 2),
                expire_days=3,
                expire_date_us=TIME,
                expire_markers=True,
                noncurrent_days=4,
                noncurrent_kept=5,
                abort_days=6,
                is_v1=True,
            ),
            lifecycle.LifecycleRule(
                "cold",
                True,
                lifecycle.LifecycleFilter(),
                transitions=(
                    lifecycle.Transition("STANDARD_IA", days=30),
                    lifecycle.Transition("GLACIER", date_us=TIME),
                ),
                noncurrent_transitions=(lifecycle.NoncurrentTransition("DEEP_ARCHIVE", 7, 8),),
            ),
        ),
        lifecycle.TransitionMinimum.VARIES,
    ),
    "lifecycle-pass": lifecycle.LifecyclePass(
        UPLOAD, 19_675, lifecycle.LifecyclePhase.VERSIONS, KEY
    ),
    "null-version": records.NullVersion(TIME, VERSION),
    "annotation": records.Annotation(5, TIME, "5d41402abc4b2a76b9719d911017c592", CHECKSUMS),
    "annotation-encrypted": records.Annotation(
        5, TIME, "5d41402abc4b2a76b9719d911017c592", CHECKSUMS, layers=2
    ),
    "upload-encrypted": records.Upload(
        state=records.UploadState.OPEN,
        upload=UPLOAD,
        owner=1,
        started_us=TIME,
        storage_class="STANDARD",
        headers=HEADERS,
        metadata={},
        tags={},
        lock=LOCK,
        encryption=ENCRYPTION,
    ),
    "blob-encrypted": blobs.Blob(
        drive=1,
        digest=DIGEST,
        size_bytes=(5 << 20) + 1280,
        account=1,
        codec=blobs.Codec.PACKETS,
        envelope=bytes(32),
    ),
    "blob-compressed": blobs.Blob(
        drive=256,
        digest=DIGEST,
        size_bytes=5 << 10,
        account=1,
        codec=blobs.Codec.FRAMES_IN_PACKETS,
        envelope=bytes(32),
        storage_class="GLACIER",
        frames=bytes(12),
    ),
    "manifest-versioned": records.Manifest(
        bucket_id=BUCKET,
        key=KEY,
        upload=UPLOAD,
        list_digest=DIGEST,
        version=VERSION,
        etag="900150983cd24fb0d6963f7d28e17f72-2",
        checksums=CHECKSUMS,
        listed=b"\x03",
        version_id="00060a24181e4000" + VERSION.hex(),
    ),
}
OBJECTS_2: dict[str, tuple[records.ObjectHead, records.ObjectTail]] = {
    "delete-marker": (
        records.ObjectHead(0, TIME, "", VERSION, 1, is_delete_marker=True),
        records.ObjectTail(records.Nothing()),
    ),
    "encrypted": (
        HEAD,
        records.ObjectTail(
            records.InBlob(BLOB),
            encryption=records.Encryption(
                records.Scheme.DSSE_KMS,
                (records.Layer(b"sealed", "key", b"wrapped"), records.Layer(b"again")),
                key_id="key",
                context="{}",
                bucket_key=True,
            ),
        ),
    ),
    "locked": (HEAD, records.ObjectTail(records.InBlob(BLOB), annotations=3, lock=LOCK)),
    "event-held": (HEAD, records.ObjectTail(records.InBlob(BLOB), lock=EVENT_HELD)),
    "event-released": (HEAD, records.ObjectTail(records.InBlob(BLOB), lock=EVENT_RELEASED)),
    "restored": (
        HEAD,
        records.ObjectTail(records.InBlob(BLOB), restore=records.Restore(TIME, TIME + 1)),
    ),
}

VALUES: dict[str, bytes] = {
    **{name: encode(record) for name, record in (RECORDS | RECORDS_2).items()},
    **{f"object-{name}": encode_object(HEAD, tail) for name, tail in TAILS.items()},
    **{f"object-{name}": encode_object(*both) for name, both in OBJECTS_2.items()},
    "payload": encode_payload(b"hello"),
    "counter": encode_counter(-42),
}

KEYS: dict[str, bytes] = {
    "format": keys.FORMAT,
    "sweep-hold": keys.SWEEP_HOLD,
    "incarnation": keys.incarnation(7),
    "drive": keys.drive(1),
    "bucket-name": keys.bucket_name("photos"),
    "bucket": keys.bucket(BUCKET),
    "live": keys.live(BUCKET),
    "usage": keys.usage(BUCKET, 7, b"n"),
    "object": keys.object_(BUCKET, KEY),
    "version": keys.version(BUCKET, KEY, TIME, VERSION),
    "payload": keys.payload(BUCKET, KEY),
    "upload": keys.upload(BUCKET, KEY, TIME, UPLOAD),
    "client-token": keys.client_token(19_675, BUCKET, DIGEST),
    "part": keys.part(UPLOAD, 10_000),
    "manifest": keys.manifest(UPLOAD),
    "manifest-ref": keys.manifest_ref(UPLOAD, VERSION),
    "blob": keys.blob(BLOB),
    "content": keys.content(1, DIGEST, blobs.Codec.PLAIN, "STANDARD"),
    "version-ref": keys.version_ref(BLOB, VERSION),
    "part-ref": keys.part_ref(BLOB, ATTEMPT),
    "blob-candidate": keys.blob_candidate(BLOB),
    "manifest-candidate": keys.manifest_candidate(UPLOAD),
    "parts-candidate": keys.parts_candidate(UPLOAD),
    "bucket-candidate": keys.bucket_candidate(BUCKET),
    "blob-trash": keys.blob_trash(BLOB),
    "manifest-trash": keys.manifest_trash(UPLOAD),
    "journal": keys.JOURNAL,
}
KEYS_2: dict[str, bytes] = {
    "clock-mark": keys.CLOCK_MARK,
    "places": keys.PLACES,
    "live-enabled": keys.live(BUCKET, records.Versioning.ENABLED),
    "live-suspended": keys.live(BUCKET, records.Versioning.SUSPENDED),
    "bucket-tags": keys.configuration(BUCKET, keys.BUCKET_TAGS),
    "lifecycle": keys.configuration(BUCKET, keys.LIFECYCLE),
    "lifecycle-pass": keys.configuration(BUCKET, keys.LIFECYCLE_PASS),
    "null-version": keys.null_version(BUCKET, KEY),
    "version-payload": keys.version_payload(BUCKET, VERSION),
    "annotation": keys.annotation(VERSION, "grün".encode()),
    "annotation-piece": keys.annotation_piece(VERSION, "grün".encode(), 2),
    "annotation-candidate": keys.annotation_candidate(VERSION),
}


def read(name: str) -> dict[str, bytes]:
    """A golden file: lines of a name and bytes in hex."""
    lines = (GOLDEN / name).read_text().splitlines()
    return {what: bytes.fromhex(data) for what, data in (line.split() for line in lines)}


def write(name: str, rows: dict[str, bytes]) -> None:
    lines = [f"{what} {data.hex()}\n" for what, data in rows.items()]
    (GOLDEN / name).write_text("".join(lines))


if __name__ == "__main__":
    write("values-2.txt", VALUES)
    write("keys-2.txt", KEYS_2)
