"""Requests drawn from AWS's model of S3: most of them good, some of them odd, some forged."""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import cast
from urllib.parse import quote

import attrs

from objectd.protocol.model import OperationModel, Scope, load_s3_model
from objectd.protocol.operations import compiled
from objectd.s3.operations import OPERATIONS
from objectd.test.fuzz import oddities, spoiling
from objectd.test.fuzz.bodies import Body, draw_body, in_chunks
from objectd.test.fuzz.dice import Dice
from objectd.test.fuzz.documents import spoilt_document
from objectd.test.fuzz.heads import Field, Head, Keys, Signed, sign_in_header, sign_in_query
from objectd.test.protocol.boto import serialized
from objectd.test.protocol.values import Values, to_boto

MODEL = load_s3_model()
HOST = "fuzz.test:9000"

VAULT = "vault"
"""A bucket that no request names but those that hide in the bodies of others."""

ANCHOR = "anchor"
"""A key in each bucket that no request names, so that none of them can be deleted."""

BUCKETS = ("fuzz-a", "fuzz-b")
LOCKED = "fuzz-locked"
"""A bucket with Object Lock. What is locked there stays, so few requests are for it."""

_LOCKING = ("PutObjectRetention", "GetObjectRetention", "PutObjectLegalHold", "GetObjectLegalHold")
_BUCKETS_FOR = {
    **dict.fromkeys(_LOCKING, (LOCKED,)),
    "GetObjectLockConfiguration": (*BUCKETS, LOCKED),
    "PutObjectLockConfiguration": (*BUCKETS, LOCKED),
    "PutObject": (*BUCKETS * 3, LOCKED),
    "CreateBucket": ("fuzz-c",),
    "DeleteBucket": ("fuzz-c",),
    "PutBucketEncryption": ("fuzz-b", "fuzz-c"),
    "UpdateObjectEncryption": ("fuzz-b",),
    "PutBucketVersioning": ("fuzz-b", "fuzz-c"),  # some requests are for buckets without versions
}
_OTHER_BUCKETS = ("fuzz-c", "never-made", "a", "B_A_D", "xn--x", "192.168.0.1", "x" * 64, "..")
_KEYS = (
    "k",
    "a/b",
    "a/c",
    "a/b/c",
    "ü",
    "a b+c",
    "漢😀",
    "large",
    "..",
    "a//b",
    ".",
    "%2e",
    "<&>\"'",
)
_CLASSES = ["STANDARD", "GLACIER_IR", "GLACIER", "SNOW"]
_DATES = tuple(datetime(year, 1, 1, tzinfo=UTC) for year in (2001, 2100, 2100, 2200))
_KEY_ARN = "arn:aws:kms:eu-west-1:000000000001:key/objectd-kms"
_ENCRYPTION = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}],
}
_LIFECYCLE = {"Rules": [{"Status": "Enabled", "Prefix": "a/", "Expiration": {"Days": 30}}]}
_SIZES = (0, 1, 5, 100, 4000, 65_536, 65_537, 70_000, 300_000)

_WRITES = ["PutObject", "UploadPart", "CompleteMultipartUpload"]
_SUPPORTED = [
    *OPERATIONS,
    *[name for name in OPERATIONS if MODEL.operations[name].scope is Scope.OBJECT] * 3,
    *_WRITES * 6,
]
"""Those with much to go wrong, and those that others need before them, more than once."""

_SUPPORTED_GIVEN = 0.12
_REFUSED_GIVEN = 0.006
"""How likely a member that need not be there is, which the server takes, and which it does not."""


@attrs.define
class Known:
    """What earlier answers told: requests built on it reach further."""

    uploads: deque[tuple[str, str, str]] = attrs.field(factory=lambda: deque(maxlen=20))
    etags: deque[str] = attrs.field(factory=lambda: deque(maxlen=20))
    tokens: deque[str] = attrs.field(factory=lambda: deque(maxlen=5))
    versions: deque[tuple[str, str]] = attrs.field(factory=lambda: deque(maxlen=60))
    """The path of an object, and the id of a version of it or of a delete marker."""
    parts: dict[str, dict[int, str]] = attrs.field(factory=dict)
    """The ETags of an upload's parts."""


@attrs.frozen
class Sent:
    """One request as bytes. `intact`: they are, beyond doubt, one well-formed HTTP request.
    `refused`: HTTP forbids it, so that the server must close the connection after its answer,
    whatever follows. Otherwise nobody knows how many requests they are."""

    data: bytes
    method: str
    target: bytes
    operation: str
    intact: bool = True
    refused: bool = False
    waits: int | None = None
    """The length of the head of a request that says `Expect: 100-continue`."""

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]


class Requests:
    """Draws requests for a server with the buckets `BUCKETS` and `VAULT`."""

    def __init__(self, dice: Dice, keys: Keys, known: Known) -> None:
        self._dice = dice
        self._keys = keys
        self._known = known

    def draw(self, *, wild: bool) -> Sent:
        """A request; a `wild` one may be anything, any other is `intact` or `refused`."""
        dice = self._dice
        operation = self._operation()
        target, fields, document = self._parts(operation)
        if compiled(MODEL, operation.name).streaming_input:
            document = self._data(hide=not wild)
        elif document and dice.happens(0.25):
            document = spoilt_document(dice, document)
        body = draw_body(dice, document)
        if not compiled(MODEL, operation.name).streaming_input and dice.happens(0.8):
            digest = base64.b64encode(hashlib.md5(document).digest())
            body = attrs.evolve(body, fields=(*body.fields, (b"Content-MD5", digest)))
        if dice.happens(0.15):
            target = spoiling.odd_target(dice, target)
        method = operation.method
        if dice.happens(0.01):
            method = dice.one_of(["OPTIONS", "PATCH", "get", "PROPFIND", "X-!", "TRACE", "HEAD"])
        more = spoiling.odd_fields(dice) if dice.happens(0.25) else []
        head = Head(method, target, ((b"Host", HOST.encode()), *fields, *body.fields, *more))
        signed = self._signed(head, body)
        content = body.frame(signed.chunks)
        return self._framed(operation, signed.head, content, wild=wild)

    # What is asked for

    def _operation(self) -> OperationModel:
        names = _SUPPORTED if self._dice.happens(0.85) else [*MODEL.operations]
        return MODEL.operations[self._dice.one_of(names)]

    def _parts(self, operation: OperationModel) -> tuple[bytes, list[Field], bytes]:
        """Target, header fields and document, as botocore writes them."""
        if operation.input is None or operation.literal_path:
            return b"/" + (operation.literal_path or "").encode(), [], b""
        try:
            request, document = serialized(operation.name, self._arguments(operation))
        except ValueError:  # botocore refuses some values, such as an empty key
            return b"/", [], b""
        fields = [field for field in request.headers if field[0] != b"content-md5"]
        return request.target, fields, document if isinstance(document, bytes) else b""

    def _arguments(self, operation: OperationModel) -> dict[str, object]:
        dice, shape = self._dice, operation.input
        assert shape is not None
        row = OPERATIONS.get(operation.name)
        drawn = Values(dice.number(0, 1 << 30)).structure(shape)
        values = cast("dict[str, object]", to_boto(drawn, shape))
        streamed = compiled(MODEL, operation.name).streaming_input
        given: dict[str, object] = {}
        bucket, key, upload_id = self._place(operation)
        for member in shape.members.values():
            supported = row is None or member.name in row.supported | row.ignored
            likely = _SUPPORTED_GIVEN if supported else _REFUSED_GIVEN
            if member.name.startswith("Checksum") or member.name == "ContentLength":
                continue  # `draw_body` declares what is right, mostly
            if member.name == shape.payload and streamed:
                continue
            needed = member.name in shape.required | {shape.payload} or member.location == "uri"
            if not (needed or dice.happens(likely)):
                continue
            value = self._known_value(member.name, bucket, key, upload_id)
            if member.name == "Tagging":
                tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
                value = tags if member.location == "body" else "a=b&c"
            if value is None:
                value = values.get(member.name)
            if value is not None and value != "":
                given[member.name] = value
        return given

    def _place(self, operation: OperationModel) -> tuple[str, str, str]:
        """A bucket, a key, and an upload that there was for it once."""
        dice, uploads = self._dice, [*self._known.uploads]
        if operation.name == "CompleteMultipartUpload":
            uploads = [upload for upload in uploads if upload[2] in self._known.parts] or uploads
        if uploads and dice.happens(0.9 if "uploadId" in operation.required_query else 0.1):
            return dice.one_of(uploads)
        usual = _BUCKETS_FOR.get(operation.name, BUCKETS)
        bucket = dice.one_of(usual) if dice.happens(0.93) else dice.one_of(_OTHER_BUCKETS)
        key = dice.one_of(_KEYS) if dice.happens(0.97) else "k" * dice.number(1020, 1030)
        return bucket, key, "none"

    def _known_value(self, name: str, bucket: str, key: str, upload_id: str) -> object:
        makers: dict[str, Callable[[], object]] = {
            "Bucket": lambda: bucket,
            "Key": lambda: key,
            "UploadId": lambda: upload_id,
            "PartNumber": lambda: self._dice.one_of([1, 1, 2, 2, 3, 3, 10_000, 10_001, 0]),
            "CopySource": lambda: self._source(self._dice.one_of(BUCKETS), key),
            "RenameSource": lambda: f"/{bucket}/{key}",
            "ACL": lambda: "private",
            "AnnotationDirective": lambda: "COPY",
            "AnnotationName": lambda: self._dice.one_of(["note"] * 8 + ["s3", "n" * 513]),
            "StorageClass": lambda: self._dice.one_of(_CLASSES),
            "RestoreRequest": lambda: {"Days": self._dice.one_of([1, 1, 1, 0])},
            "ObjectOwnership": lambda: "BucketOwnerEnforced",
            "VersionId": lambda: self._version(bucket, key),
            "VersioningConfiguration": lambda: {
                "Status": self._dice.one_of(["Enabled", "Enabled", "Suspended"])
            },
            "Retention": lambda: {
                "Mode": self._dice.one_of(["GOVERNANCE", "COMPLIANCE"]),
                "RetainUntilDate": self._dice.one_of(_DATES),
            },
            "LegalHold": lambda: {"Status": self._dice.one_of(["ON", "OFF"])},
            "ObjectLockConfiguration": lambda: {"ObjectLockEnabled": "Enabled"},
            "ObjectLockMode": lambda: "GOVERNANCE",
            "ObjectLockRetainUntilDate": lambda: self._dice.one_of(_DATES),
            "ServerSideEncryption": lambda: self._dice.one_of(["AES256", "aws:kms"]),
            "ServerSideEncryptionConfiguration": lambda: _ENCRYPTION,
            "ObjectEncryption": lambda: {"SSEKMS": {"KMSKeyArn": _KEY_ARN}},
            "LifecycleConfiguration": lambda: _LIFECYCLE,
            "ExpectedBucketOwner": lambda: "",
            "ExpectedSourceBucketOwner": lambda: "",
            "IfMatch": self._etag,
            "IfNoneMatch": self._etag,
            "Range": lambda: self._dice.one_of(oddities.RANGES),
            "MaxKeys": lambda: self._dice.one_of([0, 1, 2, 1000, 1001]),
            "MaxParts": lambda: self._dice.one_of([0, 1, 2, 1000, 1001]),
            "ContinuationToken": lambda: self._dice.one_of(self._known.tokens or ["x"]),
            "Prefix": lambda: self._dice.one_of(["", "a", "a/", "k", "ü", "l" * 1025]),
            "Delimiter": lambda: self._dice.one_of(["/", "b", "//", "ü"]),
            "Delete": lambda: {
                "Objects": [self._unwanted(bucket) for _ in range(3)],
                "Quiet": self._dice.happens(0.5),
            },
            "MultipartUpload": lambda: {"Parts": self._part_list(upload_id)},
            "CreateBucketConfiguration": lambda: {"LocationConstraint": "eu-west-1"},
        }  # fmt: skip
        return makers[name]() if name in makers else None

    def _version(self, bucket: str, key: str) -> str:
        known = [version for path, version in self._known.versions if path == f"/{bucket}/{key}"]
        return self._dice.one_of([*known, "null"]) if self._dice.happens(0.9) else "0" * 40

    def _source(self, bucket: str, key: str) -> str:
        source = quote(f"{bucket}/{key}")
        named = self._dice.happens(0.3)
        return f"{source}?versionId={self._version(bucket, key)}" if named else source

    def _unwanted(self, bucket: str) -> dict[str, object]:
        key = self._dice.one_of(_KEYS)
        named = self._dice.happens(0.4)
        return {"Key": key, "VersionId": self._version(bucket, key)} if named else {"Key": key}

    def _part_list(self, upload_id: str) -> list[dict[str, object]]:
        known = self._known.parts.get(upload_id) or {1: self._etag(), 2: self._etag()}
        numbers = sorted(known) if self._dice.happens(0.9) else self._dice.random.choices([*known])
        return [{"PartNumber": number, "ETag": known[number]} for number in numbers]

    def _etag(self) -> str:
        return self._dice.one_of(self._known.etags or ['"none"'])

    def _data(self, *, hide: bool) -> bytes:
        """An object's bytes; with `hide`, perhaps a request that must not be carried out."""
        if hide and self._dice.happens(0.3):
            return self._hidden()
        return self._dice.data(self._dice.one_of(_SIZES))

    def _hidden(self) -> bytes:
        method, target = self._dice.one_of([("DELETE", b"/vault/kept"), ("PUT", b"/vault/new")])
        head = Head(method, target, ((b"Host", HOST.encode()), (b"Content-Length", b"0")))
        request = sign_in_header(head, "UNSIGNED-PAYLOAD", self._keys).head.wire()
        before = self._dice.one_of([b"", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"x" * 65_536])
        return before + request

    # Who asks

    def _signed(self, head: Head, body: Body) -> Signed:
        dice, payload = self._dice, body.payload
        if dice.happens(0.12):
            return spoiling.forged(dice, head, payload, self._keys)
        if dice.happens(0.2):
            expires = dice.one_of([1000, 604_800])
            hoist = dice.happens(0.5)
            return sign_in_query(head, payload, self._keys, hoist=hoist, expires=expires)
        return sign_in_header(head, payload, self._keys)

    # How it is framed

    def _framed(self, operation: OperationModel, head: Head, content: bytes, *, wild: bool) -> Sent:
        dice = self._dice
        sent = partial(Sent, method=head.method, target=head.target, operation=operation.name)
        if dice.happens(0.04):
            fields, content = spoiling.forbidden_framing(dice, content)
            return sent(head.plus(*fields).wire() + content, intact=False, refused=True)
        if dice.happens(0.25):
            framing = (b"Transfer-Encoding", dice.one_of([b"chunked", b"Chunked"]))
            framed = in_chunks(dice, content)
        elif content or (operation.method in ("PUT", "POST") and dice.happens(0.95)):
            framing, framed = (b"Content-Length", b"%d" % len(content)), content
        else:
            framing, framed = (b"X-No-Body", b"1"), b""
        head = head.plus(framing)
        waits = None
        if framed and dice.happens(0.2):
            head = head.plus((b"Expect", b"100-continue"))
            waits = len(head.wire())
        if dice.happens(0.05):
            head = head.plus((b"Connection", dice.one_of(oddities.CONNECTION_VALUES)))
        if wild and dice.happens(0.5):
            return sent(self._broken(head, framed), intact=False)
        return sent(head.wire() + framed, waits=waits)

    def _broken(self, head: Head, framed: bytes) -> bytes:
        dice = self._dice
        match dice.number(0, 3):
            case 0:
                return dice.spoilt(head.wire()) + framed
            case 1:
                return head.wire() + dice.spoilt(framed)
            case 2:
                return head.plus(dice.one_of(oddities.MALFORMED_FIELDS)).wire() + framed
            case _:
                return spoiling.broken_line(dice, head) + framed
