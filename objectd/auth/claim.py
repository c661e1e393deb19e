"""What a request says of its signature: in the Authorization header, or in the query.

Reading a claim proves nothing; `objectd.auth.sigv4.verify` does.
"""

from __future__ import annotations

import re
from datetime import datetime

import attrs

from objectd.auth.canonical import Query, parse_query
from objectd.auth.errors import (
    AccessDenied,
    AuthError,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    MalformedClaim,
    MissingContentSHA256,
    SeveralAuthMechanisms,
    UnsupportedAuthorizationType,
    UnsupportedSignatureAlgorithm,
    UnsupportedSignatureVersion,
)
from objectd.protocol.messages import HttpRequest

ALGORITHM = "AWS4-HMAC-SHA256"
ASYMMETRIC_ALGORITHM = "AWS4-ECDSA-P256-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EXPIRES_SECONDS_MAX = 7 * 24 * 3600

_V4_PARAMETERS = frozenset((b"X-Amz-Algorithm", b"X-Amz-Credential", b"X-Amz-Signature"))
_V2_PARAMETERS = frozenset((b"AWSAccessKeyId", b"Signature"))
_REQUIRED_FIELDS = {"Credential", "SignedHeaders", "Signature"}
_REQUIRED_PARAMETERS = {
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
}
_PARAMETERS = {name.encode() for name in _REQUIRED_PARAMETERS} | {
    b"X-Amz-Content-Sha256",
    b"X-Amz-Security-Token",
}
_is_timestamp = re.compile(r"\d{8}T\d{6}Z", re.ASCII).fullmatch
_is_number = re.compile(r"-?\d{1,9}", re.ASCII).fullmatch


@attrs.frozen
class Scope:
    """Where, and on which day (YYYYMMDD, UTC), a signature is good."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@attrs.frozen
class Claim:
    """Who says to have signed what, and when.

    `timestamp` is the time as it was signed (20130524T000000Z), `payload` the value of
    x-amz-content-sha256. `expires_seconds` is None in the header form.
    """

    access_key: str
    scope: Scope
    timestamp: str
    time_us: int
    signed_headers: tuple[bytes, ...]
    signature: str
    payload: str
    security_token: str | None
    expires_seconds: int | None
    query: Query = attrs.field(repr=False)
    """The query as it was signed: all of it but the signature."""

    @property
    def malformed(self) -> type[MalformedClaim]:
        """What S3 calls a mistake in a claim of this form."""
        if self.expires_seconds is None:
            return AuthorizationHeaderMalformed
        return AuthorizationQueryParametersError


def read_claim(request: HttpRequest) -> Claim:
    """The one claim of a request. An anonymous one is refused, and so is one with several."""
    authorization = request.header(b"authorization")
    query = parse_query(request.raw_query)
    names = {name for name, _ in query}
    presigned = not _V4_PARAMETERS.isdisjoint(names)
    presigned_v2 = not _V2_PARAMETERS.isdisjoint(names)
    if (authorization is not None) + presigned + presigned_v2 > 1:
        raise SeveralAuthMechanisms
    if presigned_v2:
        raise UnsupportedSignatureVersion
    if presigned:
        return _read_parameters(request, query)
    if authorization is None:
        raise AccessDenied("Access Denied")
    return _read_authorization(request, authorization, query)


def _read_authorization(request: HttpRequest, authorization: bytes, query: Query) -> Claim:
    malformed = AuthorizationHeaderMalformed
    algorithm, _, rest = _ascii(authorization, malformed).partition(" ")
    if algorithm != ALGORITHM:
        raise _unsupported(algorithm)
    parts = [part.strip().partition("=") for part in rest.split(",")]
    fields = {name: value for name, _, value in parts}
    if len(parts) != 3 or fields.keys() != _REQUIRED_FIELDS:
        raise malformed(
            "the authorization header requires three components: "
            "Credential, SignedHeaders, and Signature."
        )
    access_key, scope = _read_credential(fields["Credential"], malformed)
    timestamp, time_us = _read_date(request)
    payload = _header(request, b"x-amz-content-sha256", malformed)
    if payload is None:
        raise MissingContentSHA256
    return Claim(
        access_key=access_key,
        scope=scope,
        timestamp=timestamp,
        time_us=time_us,
        signed_headers=tuple(fields["SignedHeaders"].encode().split(b";")),
        signature=fields["Signature"],
        payload=payload,
        security_token=_header(request, b"x-amz-security-token", malformed),
        expires_seconds=None,
        query=query,
    )


def _read_parameters(request: HttpRequest, query: Query) -> Claim:
    malformed = AuthorizationQueryParametersError
    fields = _amz_parameters(query)
    if not fields.keys() >= _REQUIRED_PARAMETERS:
        raise malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, "
            "and X-Amz-Expires parameters."
        )
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise _unsupported_parameter(fields["X-Amz-Algorithm"])
    access_key, scope = _read_credential(fields["X-Amz-Credential"], malformed)
    timestamp = fields["X-Amz-Date"]
    time_us = _parse_timestamp(timestamp)
    if time_us is None:
        raise malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    # Some signers move these two into the query, like every other x-amz-* header.
    payload = fields.get("X-Amz-Content-Sha256") or _header(
        request, b"x-amz-content-sha256", malformed
    )
    token = fields.get("X-Amz-Security-Token") or _header(
        request, b"x-amz-security-token", malformed
    )
    return Claim(
        access_key=access_key,
        scope=scope,
        timestamp=timestamp,
        time_us=time_us,
        signed_headers=tuple(fields["X-Amz-SignedHeaders"].encode().split(b";")),
        signature=fields["X-Amz-Signature"],
        payload=payload or UNSIGNED_PAYLOAD,
        security_token=token,
        expires_seconds=_read_expires(fields["X-Amz-Expires"]),
        query=[pair for pair in query if pair[0] != b"X-Amz-Signature"],
    )


def _amz_parameters(query: Query) -> dict[str, str]:
    """The parameters of a presigned query. A repeated X-Amz-* one, in whatever case, leaves
    open which of them counts, and is refused."""
    malformed = AuthorizationQueryParametersError
    parameters = {}
    seen = set()
    for name, value in query:
        lower = name.lower()
        if lower.startswith(b"x-amz-"):
            if lower in seen:
                raise malformed(f"{_ascii(name, malformed)} was given more than once")
            seen.add(lower)
        if name in _PARAMETERS:
            parameters[name.decode()] = _ascii(value, malformed)
    return parameters


def _read_credential(credential: str, malformed: type[MalformedClaim]) -> tuple[str, Scope]:
    """Split <access key>/<date>/<region>/<service>/aws4_request; only the key may have a /."""
    access_key, *scope = credential.rsplit("/", 4)
    if len(scope) != 4 or not access_key or scope[3] != "aws4_request":
        raise malformed(
            "the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        )
    return access_key, Scope(*scope[:3])


def _read_date(request: HttpRequest) -> tuple[str, int]:
    """The time of a request: x-amz-date if it is there, else Date."""
    date = _header(request, b"x-amz-date", AuthorizationHeaderMalformed)
    if date is None:
        date = _from_http_date(_header(request, b"date", AuthorizationHeaderMalformed) or "")
    time_us = _parse_timestamp(date)
    if time_us is None:
        raise AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
    return date, time_us


def _from_http_date(date: str) -> str:
    try:
        return datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").strftime("%Y%m%dT%H%M%SZ")
    except ValueError:
        return date


def _parse_timestamp(timestamp: str) -> int | None:
    if not _is_timestamp(timestamp):
        return None
    try:
        return int(datetime.fromisoformat(timestamp).timestamp()) * 1_000_000
    except ValueError:
        return None


def _read_expires(text: str) -> int:
    malformed = AuthorizationQueryParametersError
    if not _is_number(text):
        raise malformed("X-Amz-Expires should be a number")
    expires_seconds = int(text)
    if expires_seconds < 1:
        raise malformed("X-Amz-Expires must be positive")
    if expires_seconds > EXPIRES_SECONDS_MAX:
        raise malformed(
            "X-Amz-Expires must be less than a week (in seconds); that is, "
            f"the given X-Amz-Expires must be less than {EXPIRES_SECONDS_MAX} seconds"
        )
    return expires_seconds


def _unsupported(scheme: str) -> AuthError:
    if scheme.startswith(ASYMMETRIC_ALGORITHM):
        return UnsupportedSignatureAlgorithm()
    if scheme == "AWS":
        return UnsupportedSignatureVersion()
    return UnsupportedAuthorizationType()


def _unsupported_parameter(algorithm: str) -> AuthError:
    if algorithm.startswith(ASYMMETRIC_ALGORITHM):
        return UnsupportedSignatureAlgorithm()
    return AuthorizationQueryParametersError(f'X-Amz-Algorithm only supports "{ALGORITHM}"')


def _header(request: HttpRequest, name: bytes, malformed: type[MalformedClaim]) -> str | None:
    value = request.header(name)
    return None if value is None else _ascii(value, malformed)


def _ascii(value: bytes, malformed: type[MalformedClaim]) -> str:
    text = value.decode("latin-1")
    if not (text.isascii() and text.isprintable()):
        raise malformed("it holds other characters than printable ASCII.")
    return text
