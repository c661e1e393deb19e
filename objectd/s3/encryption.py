"""Server-side encryption on the wire: what requests ask for, what answers show, and the
operations about it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import cast

from objectd.model.records import DefaultEncryption, Encryption, Scheme
from objectd.objects.encryption import (
    ARN_CONTEXT,
    CUSTOMER_KEY_BYTES,
    CustomerKey,
    EncryptionWanted,
)
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.s3.call import Answer, Call

CUSTOMER_KEY = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
SOURCE_CUSTOMER_KEY = tuple(f"CopySource{name}" for name in CUSTOMER_KEY)
WANTED = ("ServerSideEncryption", "SSEKMSKeyId", "SSEKMSEncryptionContext", *CUSTOMER_KEY)
"""The members that say something of encryption, but for `BucketKeyEnabled`."""

_SCHEMES = {
    "AES256": Scheme.SSE_S3,
    "aws:kms": Scheme.SSE_KMS,
    "aws:kms:dsse": Scheme.DSSE_KMS,
}
_NAMES = {scheme: name for name, scheme in _SCHEMES.items()}
_KMS = (Scheme.SSE_KMS, Scheme.DSSE_KMS)
_ALGORITHM = "AES256"
_CUSTOMER = "Requests specifying Server Side Encryption with Customer provided keys must "
_HEADER = "x-amz-server-side-encryption"
_CONTEXT_HEADER = f"{_HEADER}-context"


def encryption_wanted(
    call: Call, given: Mapping[str, str], bucket_key: bool | None
) -> EncryptionWanted | None:
    """What a request that stores something asks for. Raises `S3Error`."""
    customer = customer_key(call, given)
    name, key_id = given.get("ServerSideEncryption", ""), given.get("SSEKMSKeyId", "")
    context = given.get("SSEKMSEncryptionContext", "")
    if customer is not None:
        if name or key_id or context or bucket_key is not None:
            raise invalid_argument(
                _HEADER,
                name,
                "Server Side Encryption with Customer provided keys is incompatible with the "
                "encryption method specified",
            )
        return EncryptionWanted(Scheme.SSE_C, customer_key=customer)
    if name and name not in _SCHEMES:
        message = "The encryption method specified is not supported"
        raise invalid_argument(_HEADER, name, message)
    scheme = _SCHEMES.get(name)
    if (key_id or context) and scheme not in _KMS:
        raise invalid_argument(
            _HEADER,
            name,
            "Server Side Encryption with AWS KMS managed key requires HTTP header "
            "x-amz-server-side-encryption : aws:kms",
        )
    if bucket_key and scheme is Scheme.DSSE_KMS:
        raise invalid_argument(
            f"{_HEADER}-bucket-key-enabled", "true", "Bucket keys do not go with aws:kms:dsse."
        )
    if scheme is None:
        return None
    return EncryptionWanted(scheme, key_id, _context(context), bucket_key)


def customer_key(call: Call, given: Mapping[str, str], prefix: str = "") -> CustomerKey | None:
    """The key that came with a request, `prefix` CopySource: that of the source of a copy.
    Raises `S3Error`.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
    """
    algorithm, text, md5 = (given.get(f"{prefix}{name}") for name in CUSTOMER_KEY)
    if algorithm is None and text is None and md5 is None:
        return None
    header = f"x-amz-{'copy-source-' if prefix else ''}server-side-encryption-customer"
    if not (call.request.secure or call.sse_c_without_tls):
        raise S3Error("InvalidRequest", f"{_CUSTOMER}be made over a secure connection.")
    if not algorithm:
        message = f"{_CUSTOMER}provide a valid encryption algorithm."
        raise invalid_argument(f"{header}-algorithm", "", message)
    if algorithm != _ALGORITHM:
        raise S3Error(
            "InvalidEncryptionAlgorithmError",
            "The encryption request you specified is not valid. The valid value is AES256.",
            extra={"ArgumentName": f"{header}-algorithm", "ArgumentValue": algorithm},
        )
    if not text:
        message = f"{_CUSTOMER}provide an appropriate secret key."
        raise invalid_argument(f"{header}-key", "", message)
    secret = _decoded(text)
    if secret is None or len(secret) != CUSTOMER_KEY_BYTES:
        # Without what was sent: it may be a key but for a letter.
        raise S3Error("InvalidArgument", "The secret key was invalid for the specified algorithm.")
    if not md5:
        message = f"{_CUSTOMER}provide the client calculated MD5 of the secret key."
        raise invalid_argument(f"{header}-key-MD5", "", message)
    computed = b64encode(hashlib.md5(secret, usedforsecurity=False).digest()).decode()
    if md5 != computed:
        raise invalid_argument(
            f"{header}-key-MD5",
            md5,
            "The calculated MD5 hash of the key did not match the hash that was provided.",
        )
    return CustomerKey(secret, computed)


def shown_key(key: CustomerKey | None) -> dict[str, object]:
    """What an answer tells of the customer's key that came with the request."""
    if key is None:
        return {}
    return {"SSECustomerAlgorithm": _ALGORITHM, "SSECustomerKeyMD5": key.md5}


def shown_encryption(encryption: Encryption | None) -> dict[str, object]:
    """What every answer about an object tells of it; a customer's key `shown_key` tells of."""
    if encryption is None or encryption.scheme is Scheme.SSE_C:
        return {}
    return {
        "ServerSideEncryption": _NAMES[encryption.scheme],
        "SSEKMSKeyId": encryption.key_id or None,
        "BucketKeyEnabled": encryption.bucket_key or None,
    }


def shown_new_encryption(
    encryption: Encryption | None, wanted: EncryptionWanted | None = None
) -> dict[str, object]:
    """What the answer tells to who has made the object: the context too."""
    if wanted is not None and wanted.customer_key is not None:
        return shown_key(wanted.customer_key)
    shown = shown_encryption(encryption)
    if encryption is not None and encryption.context:
        shown["SSEKMSEncryptionContext"] = b64encode(encryption.context.encode()).decode()
    return shown


def _context(header: str) -> Mapping[str, str]:
    if not header:
        return {}
    try:
        context = json.loads(_decoded(header) or b"")
    except ValueError:
        context = None
    if not isinstance(context, dict) or not all(isinstance(text, str) for text in context.values()):
        raise invalid_argument(
            _CONTEXT_HEADER,
            header,
            "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 "
            "string holding JSON which represents a string-string map",
        )
    if ARN_CONTEXT in context:
        message = f"The encryption context may not hold {ARN_CONTEXT}, which is added to it."
        raise invalid_argument(_CONTEXT_HEADER, header, message)
    return context


def _decoded(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


# The default of a bucket


async def put_bucket_encryption(
    call: Call, *, Bucket: str, ServerSideEncryptionConfiguration: Mapping[str, object]
) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketEncryption.html"""
    rules = ServerSideEncryptionConfiguration.get("Rules", ())
    if not isinstance(rules, Sequence) or len(rules) != 1:
        raise S3Error("MalformedXML")
    await call.store.bucket_encryption.put(Bucket, _default_in(rules[0]))
    return Answer()


async def get_bucket_encryption(call: Call, *, Bucket: str) -> Answer:
    default = (await call.store.buckets.get(Bucket)).encryption
    if default is None:
        code = "ServerSideEncryptionConfigurationNotFoundError"
        raise S3Error(code, extra={"BucketName": Bucket})
    rule: dict[str, object] = {"BucketKeyEnabled": default.bucket_key}
    if default.scheme is not None:
        rule["ApplyServerSideEncryptionByDefault"] = {
            "SSEAlgorithm": _NAMES[default.scheme],
            "KMSMasterKeyID": default.key_id or None,
        }
    if default.customer_keys_blocked:
        rule["BlockedEncryptionTypes"] = {"EncryptionType": ["SSE-C"]}
    return Answer({"ServerSideEncryptionConfiguration": {"Rules": [rule]}})


async def delete_bucket_encryption(call: Call, *, Bucket: str) -> Answer:
    """Afterwards nothing is encrypted by default; on AWS it is SSE-S3 again."""
    await call.store.bucket_encryption.put(Bucket, None)
    return Answer()


def _default_in(rule: Mapping[str, object]) -> DefaultEncryption:
    applied = cast("Mapping[str, str]", rule.get("ApplyServerSideEncryptionByDefault", {}))
    blocked = cast("Mapping[str, Sequence[str]]", rule.get("BlockedEncryptionTypes", {}))
    types = set(blocked.get("EncryptionType", ()))
    if not types <= {"NONE", "SSE-C"} or len(types) > 1 or (not applied and not types):
        raise S3Error("MalformedXML")
    name, key_id = applied.get("SSEAlgorithm", ""), applied.get("KMSMasterKeyID", "")
    if applied and name not in _SCHEMES:
        raise S3Error("MalformedXML")
    scheme = _SCHEMES.get(name)
    if key_id and scheme not in _KMS:
        raise invalid_argument(
            "KMSMasterKeyID",
            key_id,
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or "
            "aws:kms:dsse",
        )
    bucket_key = bool(rule.get("BucketKeyEnabled"))
    if bucket_key and scheme is Scheme.DSSE_KMS:
        message = "Bucket keys do not go with aws:kms:dsse."
        raise invalid_argument("BucketKeyEnabled", "true", message)
    return DefaultEncryption(scheme, key_id, bucket_key, "SSE-C" in types)


# The encryption of an object that is there


async def update_object_encryption(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    ObjectEncryption: Mapping[str, object],
    VersionId: str = "",
) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html"""
    wanted = _update_in(ObjectEncryption)
    await call.store.object_encryption.update(Bucket, Key, wanted, version_id=VersionId)
    return Answer()


def _update_in(wanted: Mapping[str, object]) -> EncryptionWanted:
    """The model knows no way back to SSE-S3."""
    if wanted.keys() != {"SSEKMS"}:
        raise S3Error("MalformedXML")
    kms = cast("Mapping[str, object]", wanted["SSEKMS"])
    key_id = str(kms.get("KMSKeyArn", ""))
    if not key_id.startswith("arn:"):
        raise invalid_argument("KMSKeyArn", key_id, "The ARN of a KMS key is needed.")
    return EncryptionWanted(Scheme.SSE_KMS, key_id, bucket_key=bool(kms.get("BucketKeyEnabled")))
