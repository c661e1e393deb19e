"""The one bridge from domain errors to S3's codes."""

from __future__ import annotations

from objectd import errors
from objectd.auth.errors import AuthError
from objectd.errors import ObjectdError
from objectd.protocol.errors import S3Error
from objectd.protocol.messages import Headers
from objectd.protocol.scalars import http_date

CODES: dict[type[ObjectdError], str] = {
    errors.AnnotationNameTooLong: "AnnotationNameTooLong",
    errors.AnnotationNotFound: "NoSuchAnnotation",
    errors.AnnotationNotText: "UnsupportedMediaType",
    errors.AnswerLost: "ServiceUnavailable",
    errors.BadDigest: "BadDigest",
    errors.BucketAlreadyExists: "BucketAlreadyExists",
    errors.BucketAlreadyOwnedByYou: "BucketAlreadyOwnedByYou",
    errors.BucketNotEmpty: "BucketNotEmpty",
    errors.BucketNotFound: "NoSuchBucket",
    errors.BucketStateInvalid: "InvalidBucketState",
    errors.ChecksumKindMismatch: "BadDigest",
    errors.ConditionalConflict: "ConditionalRequestConflict",
    errors.ConfigurationMalformed: "MalformedXML",
    errors.CustomerKeyMissing: "InvalidRequest",
    errors.CustomerKeyUnwanted: "InvalidRequest",
    errors.CustomerKeyWrong: "AccessDenied",
    errors.DeleteMarkerFound: "NoSuchKey",
    errors.EncryptionBlocked: "AccessDenied",
    errors.EntityTooLarge: "EntityTooLarge",
    errors.EntityTooSmall: "EntityTooSmall",
    errors.IncompleteBody: "IncompleteBody",
    errors.InvalidAnnotationName: "InvalidAnnotationName",
    errors.InvalidAnnotationPrefix: "InvalidPrefix",
    errors.InvalidArgument: "InvalidArgument",
    errors.InvalidBucketName: "InvalidBucketName",
    errors.InvalidOperation: "InvalidRequest",
    errors.InvalidPart: "InvalidPart",
    errors.InvalidPartOrder: "InvalidPartOrder",
    errors.InvalidRange: "InvalidRange",
    errors.InvalidTag: "InvalidTag",
    errors.KeyDisabled: "KMS.DisabledException",
    errors.KeyNotFound: "KMS.NotFoundException",
    errors.KeyServiceFailed: "ServiceUnavailable",
    errors.KeyTooLong: "KeyTooLongError",
    errors.MetadataTooLarge: "MetadataTooLarge",
    errors.NotArchived: "InvalidObjectState",
    errors.NotModified: "NotModified",
    errors.ObjectArchived: "InvalidObjectState",
    errors.ObjectLockConfigurationNotFound: "ObjectLockConfigurationNotFoundError",
    errors.ObjectLocked: "AccessDenied",
    errors.ObjectNotFound: "NoSuchKey",
    errors.ObjectNotLocked: "NoSuchObjectLockConfiguration",
    errors.OperationAborted: "OperationAborted",
    errors.OutcomeUnknown: "ServiceUnavailable",
    errors.PartNotFound: "InvalidPartNumber",
    errors.PreconditionFailed: "PreconditionFailed",
    errors.RestoreInProgress: "RestoreAlreadyInProgress",
    errors.SourceArchived: "ObjectNotInActiveTierError",
    errors.StoreBusy: "SlowDown",
    errors.StoreFull: "InsufficientStorage",
    errors.TokenMismatch: "IdempotentParameterMismatch",
    errors.TooManyAnnotations: "AnnotationLimitExceeded",
    errors.TooManyParts: "TooManyParts",
    errors.TooManyTags: "BadRequest",
    errors.UnknownStorageClass: "InvalidStorageClass",
    errors.UploadNotFound: "NoSuchUpload",
    errors.VersionIsDeleteMarker: "MethodNotAllowed",
    errors.VersionNotFound: "NoSuchVersion",
    errors.WriteOffsetInvalid: "InvalidWriteOffset",
    errors.WrittenInPart: "ServiceUnavailable",
}


def to_s3_error(error: ObjectdError) -> S3Error | None:
    """The S3 error that says what a domain error says; None for one that is our own fault
    (a damaged record, a failed store), which the client learns as an `InternalError`."""
    if isinstance(error, AuthError):
        return S3Error(error.code, str(error), extra=error.details)
    code = CODES.get(type(error))
    if code is None:
        return None
    return S3Error(code, _message(error), extra=_extra(error), headers=_headers(error))


def _message(error: ObjectdError) -> str | None:
    """Our own words where they say more than AWS's; AWS's where clients know them."""
    match error:
        case errors.InvalidArgument() | errors.InvalidBucketName() | errors.InvalidOperation():
            return str(error)
        case errors.NotArchived():
            return str(error)
        case errors.InvalidTag() | errors.TooManyTags():
            return str(error)
        case errors.BucketStateInvalid() | errors.ObjectLocked():
            return str(error)
        case errors.ChecksumKindMismatch():
            return str(error)
        case errors.CustomerKeyMissing() | errors.CustomerKeyUnwanted():
            return str(error)
        case errors.KeyNotFound() | errors.KeyDisabled():
            return str(error)
        case errors.BadDigest(algorithm=algorithm):
            return f"The {algorithm} you specified did not match the calculated checksum."
        case _:
            return None


def _extra(error: ObjectdError) -> dict[str, str]:
    """The elements that AWS adds to a document of this kind."""
    match error:
        case errors.InvalidArgument(name=name, value=value) if name:
            return {"ArgumentName": name, "ArgumentValue": value}
        case errors.PreconditionFailed(condition=condition):
            return {"Condition": condition}
        case errors.ObjectNotFound(key=key):
            return {"Key": key}
        case errors.VersionNotFound(key=key, version_id=version_id):
            return {"Key": key, "VersionId": version_id}
        case errors.VersionIsDeleteMarker():
            return {"ResourceType": "DeleteMarker"}
        case (
            errors.ObjectArchived(storage_class=storage_class)
            | errors.NotArchived(storage_class=storage_class)
        ):
            return {"StorageClass": storage_class}
        case errors.UploadNotFound(upload_id=upload_id):
            return {"UploadId": upload_id}
        case errors.InvalidPart(part_number=number):
            return {"PartNumber": str(number)}
        case errors.PartNotFound(part_number=number, parts_count=count):
            return {"PartNumberRequested": str(number), "ActualPartCount": str(count)}
        case errors.EntityTooSmall(part_number=number, size_bytes=size, size_bytes_min=least):
            return {
                "ProposedSize": str(size),
                "MinSizeAllowed": str(least),
                "PartNumber": str(number),
            }
        case errors.EntityTooLarge(size_bytes=size, size_bytes_max=most):
            return {"ProposedSize": str(size), "MaxSizeAllowed": str(most)}
        case errors.AnnotationNotFound(name=name):
            return {"AnnotationName": name}
        case errors.KeyTooLong(size_bytes=size, size_bytes_max=most):
            return {"Size": str(size), "MaxSizeAllowed": str(most)}
        case errors.MetadataTooLarge(size_bytes=size, size_bytes_max=most):
            return {"Size": str(size), "MaxSizeAllowed": str(most)}
        case errors.InvalidRange(requested=requested, size_bytes=size):
            return {"RangeRequested": requested, "ActualObjectSize": str(size)}
        case (
            errors.BucketNotFound(bucket=bucket)
            | errors.BucketAlreadyExists(bucket=bucket)
            | errors.BucketAlreadyOwnedByYou(bucket=bucket)
            | errors.BucketNotEmpty(bucket=bucket)
            | errors.InvalidBucketName(bucket=bucket)
            | errors.ObjectLockConfigurationNotFound(bucket=bucket)
        ):
            return {"BucketName": bucket}
        case _:
            return {}


def _headers(error: ObjectdError) -> Headers:
    """What a 304 must tell (RFC 9110, 15.4.5), and what AWS tells of a delete marker
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html)."""
    match error:
        case errors.NotModified(etag=etag, modified_us=modified_us):
            return ((b"ETag", f'"{etag}"'.encode()), _last_modified(modified_us))
        case errors.DeleteMarkerFound(version_id=version_id):
            return _of_marker(version_id)
        case errors.VersionIsDeleteMarker(version_id=version_id, modified_us=modified_us):
            allow = (b"Allow", b"DELETE")
            return (*_of_marker(version_id), _last_modified(modified_us), allow)
        case _:
            return ()


def _last_modified(time_us: int) -> tuple[bytes, bytes]:
    return b"Last-Modified", http_date(time_us).encode()


def _of_marker(version_id: str) -> Headers:
    return ((b"x-amz-delete-marker", b"true"), (b"x-amz-version-id", version_id.encode()))
