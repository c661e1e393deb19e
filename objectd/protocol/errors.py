"""The closed table of S3 error codes, and the one exception that carries one.

Codes, statuses and messages are those of
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from objectd.protocol.messages import Headers
from objectd.protocol.xml_text import XML_DECLARATION, escape


@attrs.frozen
class ErrorKind:
    """What a code means: its HTTP status and the message where there is no better one."""

    status: int
    message: str


_TABLE = """\
AccessControlListNotSupported 400 The bucket does not allow ACLs.
AccessDenied 403 Access Denied
AccountProblem 403 There is a problem with your account.
AnnotationLimitExceeded 400 The request would exceed the maximum number of annotations allowed per
    object.
AnnotationNameTooLong 400 The annotation name exceeds 512 bytes.
AuthorizationHeaderMalformed 400 The authorization header that you provided is not valid.
AuthorizationQueryParametersError 400 The authorization query parameters that you provided are
    not valid.
BadDigest 400 The Content-MD5 or checksum value that you specified did not match what the server
    received.
BadRequest 400 Bad Request
BucketAlreadyExists 409 The requested bucket name is not available. The bucket namespace is
    shared by all users of the system. Please select a different name and try again.
BucketAlreadyOwnedByYou 409 Your previous request to create the named bucket succeeded and you
    already own it.
BucketNotEmpty 409 The bucket you tried to delete is not empty
ConditionalRequestConflict 409 The conditional request cannot succeed due to a conflicting
    operation against this resource.
CredentialsNotSupported 400 This request does not support credentials.
CrossLocationLoggingProhibited 403 Cross-location logging is not allowed.
EntityTooLarge 400 Your proposed upload exceeds the maximum allowed object size.
EntityTooSmall 400 Your proposed upload is smaller than the minimum allowed object size.
ExpiredToken 400 The provided token has expired.
IdempotentParameterMismatch 400 The request uses the same client token as a previous,
    but non-identical request. Do not reuse a client token with different requests, unless the
    requests are identical.
IllegalLocationConstraintException 400 The specified location-constraint is not valid for this
    endpoint.
IllegalVersioningConfigurationException 400 The versioning configuration specified in the
    request is not valid.
IncompleteBody 400 You did not provide the number of bytes specified by the Content-Length HTTP
    header.
InsufficientStorage 507 There is no space left to store this.
InternalError 500 We encountered an internal error. Please try again.
InvalidAccessKeyId 403 The AWS access key ID that you provided does not exist in our records.
InvalidAnnotationName 400 The annotation name you provided is invalid.
InvalidArgument 400 Invalid Argument
InvalidBucketOwnerAWSAccountID 400 The value of the expected bucket owner parameter must be an
    AWS account ID.
InvalidBucketName 400 The specified bucket is not valid.
InvalidBucketState 409 The request is not valid for the current state of the bucket.
InvalidChunkSizeError 400 A chunk of the body has a size that is not allowed.
InvalidDigest 400 The Content-MD5 you specified was invalid.
InvalidEncryptionAlgorithmError 400 The encryption request that you specified is not valid.
InvalidHostHeader 400 The host headers provided in the request are not valid.
InvalidLocationConstraint 400 The specified location (Region) constraint is not valid.
InvalidObjectState 403 The operation is not valid for the object's current state.
InvalidPart 400 One or more of the specified parts could not be found. The part may not have
    been uploaded, or the specified entity tag may not match the part's entity tag.
InvalidPartNumber 416 The requested partnumber is not satisfiable
InvalidPartOrder 400 The list of parts was not in ascending order. The parts list must be
    specified in order by part number.
InvalidPolicyDocument 400 The content of the form does not meet the conditions.
InvalidPrefix 400 The annotation prefix you provided is invalid.
InvalidRange 416 The requested range is not satisfiable
InvalidRequest 400 The request is not valid.
InvalidSecurity 403 The provided security credentials are not valid.
InvalidStorageClass 400 The storage class you specified is not valid
InvalidTag 400 The tag provided was not a valid tag.
InvalidTargetBucketForLogging 400 The target bucket for logging does not exist or is not owned
    by you.
InvalidToken 400 The provided token is malformed or otherwise not valid.
InvalidURI 400 Couldn't parse the specified URI.
InvalidWriteOffset 400 The write offset value that you specified does not match the current
    object size.
KeyTooLongError 400 Your key is too long.
KMS.DisabledException 400 The KMS key is disabled.
KMS.NotFoundException 400 The KMS key was not found.
MalformedACLError 400 The XML you provided was not well-formed or did not validate against our
    published schema
MalformedPolicy 400 Policies must be valid JSON and the first byte must be '{'
MalformedPOSTRequest 400 The body of your POST request is not well-formed multipart/form-data.
MalformedTrailerError 400 The request contained trailing data that was not well-formed or did
    not conform to our published schema.
MalformedXML 400 The XML you provided was not well-formed or did not validate against our
    published schema
MaxMessageLengthExceeded 400 Your request was too large.
MetadataTooLarge 400 Your metadata headers exceed the maximum allowed metadata size.
MethodNotAllowed 405 The specified method is not allowed against this resource.
MissingContentLength 411 You must provide the Content-Length HTTP header.
MissingRequestBodyError 400 Request body is empty.
MissingSecurityHeader 400 Your request was missing a required header.
NoSuchAnnotation 404 The specified annotation does not exist on this object.
NoSuchBucket 404 The specified bucket does not exist
NoSuchBucketPolicy 404 The bucket policy does not exist
NoSuchConfiguration 404 The specified configuration does not exist.
NoSuchCORSConfiguration 404 The CORS configuration does not exist
NoSuchKey 404 The specified key does not exist.
NoSuchLifecycleConfiguration 404 The lifecycle configuration does not exist
NoSuchObjectLockConfiguration 404 The specified object does not have a ObjectLock configuration
NoSuchPublicAccessBlockConfiguration 404 The public access block configuration was not found
NoSuchTagSet 404 The TagSet does not exist
NoSuchUpload 404 The specified upload does not exist. The upload ID may be invalid, or the
    upload may have been aborted or completed.
NoSuchVersion 404 The specified version does not exist.
NoSuchWebsiteConfiguration 404 The specified bucket does not have a website configuration
NotImplemented 501 A header or query you provided implies functionality that is not implemented
NotModified 304 Not Modified
ObjectLockConfigurationNotFoundError 404 Object Lock configuration does not exist for this
ObjectNotInActiveTierError 403 The source object of the COPY action is not in the active tier.
    bucket
OperationAborted 409 A conflicting conditional operation is currently in progress against this
    resource. Please try again.
OwnershipControlsNotFoundError 404 The bucket ownership controls were not found
PermanentRedirect 301 The bucket you are attempting to access must be addressed using the
    specified endpoint. Please send all future requests to this endpoint.
PreconditionFailed 412 At least one of the pre-conditions you specified did not hold
ReplicationConfigurationNotFoundError 404 The replication configuration was not found
RequestHeaderSectionTooLarge 400 Your request header section exceeds the maximum allowed size.
RequestTimeout 400 Your socket connection to the server was not read from or written to within
    the timeout period.
RequestTimeTooSkewed 403 The difference between the request time and the server's time is too
    large.
RestoreAlreadyInProgress 409 Object restore is already in progress
ServerSideEncryptionConfigurationNotFoundError 404 The server side encryption configuration was
    not found
ServiceUnavailable 503 Service is unable to handle request.
SignatureDoesNotMatch 403 The request signature we calculated does not match the signature you
    provided. Check your key and signing method.
SlowDown 503 Please reduce your request rate.
TooManyBuckets 400 You have attempted to create more buckets than allowed.
TooManyParts 400 You have attempted to add more parts than the maximum of 10000 that are
    allowed for this object.
TooManyTags 400 The number of tags exceeds the limit.
UnexpectedContent 400 This request does not support content.
UnsupportedMediaType 415 The annotation payload is not valid UTF-8 encoded text.
XAmzContentChecksumMismatch 400 The provided 'x-amz-checksum' header does not match what was
    computed.
XAmzContentSHA256Mismatch 400 The provided 'x-amz-content-sha256' header does not match what was
    computed.
"""


def _read_table(table: str) -> Mapping[str, ErrorKind]:
    rows = (line.split(" ", 2) for line in table.replace("\n    ", " ").splitlines())
    return {code: ErrorKind(int(status), message) for code, status, message in rows}


ERRORS = _read_table(_TABLE)


class S3Error(Exception):
    """An answer that is an error; `code` must be in `ERRORS`.

    `extra` become elements of the document (`BucketName`, `Key`, `ArgumentName`, …) and
    `headers` are added to the response.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        extra: Mapping[str, str] | None = None,
        headers: Headers = (),
    ) -> None:
        kind = ERRORS[code]
        self.code = code
        self.message = kind.message if message is None else message
        self.status = kind.status if status is None else status
        self.extra = {} if extra is None else dict(extra)
        self.headers = headers
        super().__init__(f"{code}: {self.message}")


def invalid_argument(name: str, value: str, message: str) -> S3Error:
    """What AWS answers to a query parameter or header with a bad value."""
    return S3Error("InvalidArgument", message, extra={"ArgumentName": name, "ArgumentValue": value})


def render_error(error: S3Error, resource: str, request_id: str, host_id: str) -> bytes:
    """The error document. The answer to a HEAD, and a 304, have no body: do not send it."""
    elements = {
        "Code": error.code,
        "Message": error.message,
        **error.extra,
        "Resource": resource,
        "RequestId": request_id,
        "HostId": host_id,
    }
    body = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
    return f"{XML_DECLARATION}<Error>{body}</Error>".encode()
