"""Why a request or its body is not what its signature says, named after the domain.

`code` is the S3 error code; `details` are the elements that S3 adds to its error document
for that code, in their order. `objectd.s3.errors` adds the HTTP status and renders them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import ClassVar

from objectd.errors import ObjectdError


class AuthError(ObjectdError):
    """Base of everything that `objectd.auth` refuses."""

    code: ClassVar[str]

    def __init__(self, message: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.details = dict(details or {})


# Who the request says it is from


class AccessDenied(AuthError):
    code = "AccessDenied"


class HeadersNotSigned(AccessDenied):
    """A header that must be covered by the signature is not."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            "There were headers present in the request which were not signed",
            {"HeadersNotSigned": ", ".join(names)},
        )


class RequestExpired(AccessDenied):
    """A presigned request came after its time."""

    def __init__(self, expires_seconds: int, expired_us: int, now_us: int) -> None:
        super().__init__(
            "Request has expired",
            {
                "X-Amz-Expires": str(expires_seconds),
                "Expires": _iso(expired_us),
                "ServerTime": _iso(now_us),
            },
        )


class RequestNotYetValid(AccessDenied):
    """A presigned request came more than the allowed skew before its time."""

    def __init__(self, now_us: int) -> None:
        super().__init__("Request is not yet valid", {"ServerTime": _iso(now_us)})


class SeveralAuthMechanisms(AuthError):
    """Credentials in more than one place: nobody may choose which of them counts."""

    code = "InvalidArgument"

    def __init__(self) -> None:
        super().__init__(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
            "Signature query string parameter or the Authorization header should be specified"
        )


class UnsupportedAuthorizationType(AuthError):
    code = "InvalidArgument"

    def __init__(self) -> None:
        super().__init__("Unsupported Authorization Type")


class UnsupportedSignatureVersion(AuthError):
    """Signature Version 2."""

    code = "InvalidRequest"

    def __init__(self) -> None:
        super().__init__(
            "The authorization mechanism you have provided is not supported. "
            "Please use AWS4-HMAC-SHA256."
        )


class UnsupportedSignatureAlgorithm(AuthError):
    """Signature Version 4A: asymmetric keys, several regions."""

    code = "NotImplemented"

    def __init__(self) -> None:
        super().__init__("AWS4-ECDSA-P256-SHA256 is not implemented; use AWS4-HMAC-SHA256.")


class MalformedClaim(AuthError):
    """What should say who signed, when and for which scope, is incomplete or wrong."""


class AuthorizationHeaderMalformed(MalformedClaim):
    code = "AuthorizationHeaderMalformed"

    def __init__(self, why: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(f"The authorization header is malformed; {why}", details)


class AuthorizationQueryParametersError(MalformedClaim):
    code = "AuthorizationQueryParametersError"


class InvalidAccessKeyId(AuthError):
    code = "InvalidAccessKeyId"

    def __init__(self, access_key: str) -> None:
        super().__init__(
            "The AWS Access Key Id you provided does not exist in our records.",
            {"AWSAccessKeyId": access_key},
        )


class InvalidToken(AuthError):
    """A security token came with the request, and none was ever issued."""

    code = "InvalidToken"

    def __init__(self) -> None:
        super().__init__("The provided token is malformed or otherwise invalid.")


class RequestTimeTooSkewed(AuthError):
    code = "RequestTimeTooSkewed"

    def __init__(self, request_time: str, now_us: int, skew_us_max: int) -> None:
        super().__init__(
            "The difference between the request time and the current time is too large.",
            {
                "RequestTime": request_time,
                "ServerTime": _iso(now_us),
                "MaxAllowedSkewMilliseconds": str(skew_us_max // 1000),
            },
        )


class SignatureDoesNotMatch(AuthError):
    """The signature of a request, of a chunk or of the trailers is not that of its key.

    As S3 does, tell what was signed here, so that the two sides can be compared; a chunk
    has no canonical request.
    """

    code = "SignatureDoesNotMatch"

    def __init__(
        self, access_key: str, signature: str, string_to_sign: bytes, canonical: bytes = b""
    ) -> None:
        details = {
            "AWSAccessKeyId": access_key,
            "StringToSign": string_to_sign.decode("utf-8", "replace"),
            "SignatureProvided": signature,
            "StringToSignBytes": string_to_sign.hex(" "),
        }
        if canonical:
            details["CanonicalRequest"] = canonical.decode("utf-8", "replace")
            details["CanonicalRequestBytes"] = canonical.hex(" ")
        super().__init__(
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
            details,
        )


# What the request says of its body, and what came


class MissingContentSHA256(AuthError):
    code = "InvalidRequest"

    def __init__(self) -> None:
        super().__init__("Missing required header for this request: x-amz-content-sha256")


class InvalidContentSHA256(AuthError):
    code = "InvalidArgument"

    def __init__(self) -> None:
        super().__init__(
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
            "or a valid sha256 value."
        )


class MissingDecodedLength(AuthError):
    """A chunked body without a number in x-amz-decoded-content-length."""

    code = "MissingContentLength"

    def __init__(self) -> None:
        super().__init__("You must provide the x-amz-decoded-content-length HTTP header.")


class TrailerNotAllowed(AuthError):
    """Trailers are announced and the kind of payload has none: they would go unchecked."""

    code = "InvalidRequest"

    def __init__(self) -> None:
        super().__init__(
            "The x-amz-trailer header needs an x-amz-content-sha256 that ends in -TRAILER."
        )


class XAmzContentSHA256Mismatch(AuthError):
    code = "XAmzContentSHA256Mismatch"

    def __init__(self, declared: str, computed: str) -> None:
        super().__init__(
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            {"ClientComputedContentSHA256": declared, "S3ComputedContentSHA256": computed},
        )


class InvalidChunkSize(AuthError):
    """A signed chunk is larger than what may be held back until it is verified."""

    code = "InvalidChunkSizeError"

    def __init__(self, size_bytes: int, size_bytes_max: int) -> None:
        super().__init__(f"A signed chunk has {size_bytes} bytes; {size_bytes_max} are allowed.")


class MalformedTrailer(AuthError):
    """The trailers are not well-formed, or not those that x-amz-trailer announced."""

    code = "MalformedTrailerError"

    def __init__(self) -> None:
        super().__init__(
            "The request contained trailing data that was not well-formed or did not conform "
            "to our published schema."
        )


def _iso(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
