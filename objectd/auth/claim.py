"""What a request says of its signature: in the Authorization header, or in the query.

Reading a claim proves nothing; `objectd.auth.sigv4.verify` does.

All but the signature is the same in many requests of one client: what a query or a header
says without its signature is read once and remembered, by its very bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from objectd.auth.canonical import Query, canonical_query, parse_query
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
from objectd.protocol.presigned import apart

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
_OF_SIGNATURE = {name.lower().encode() for name in _REQUIRED_PARAMETERS}
_REMEMBERED_BYTES_MAX = 1024
"""Longer texts are read anew each time, so that nobody can fill the memory with them."""

_is_timestamp = re.compile(r"\d{8}T\d{6}Z", re.ASCII).fullmatch
_is_number = re.compile(r"-?\d{1,9}", re.ASCII).fullmatch


class Scope(NamedTuple):
    """Where, and on which day (YYYYMMDD, UTC), a signature is good."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


class Claim(msgspec.Struct, frozen=True):
    """Who says to have signed what, and when.

    `timestamp` is the time as it was signed (20130524T000000Z), `payload` the value of
    x-amz-content-sha256. `expires_seconds` is None in the header form. `query` is all that
    was signed of it, everything but the signature, and `canonical_query` its one spelling;
    `hoists`: it carries headers of S3 that are not of the signature.
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
    query: Query
    canonical_query: bytes
    hoists: bool

    @property
    def malformed(self) -> type[MalformedClaim]:
        """What S3 calls a mistake in a claim of this form."""
        if self.expires_seconds is None:
            return AuthorizationHeaderMalformed
        return AuthorizationQueryParametersError


class _SignedQuery(msgspec.Struct, frozen=True):
    """A query without its signature; `v4` and `v2`: it is that of a presigned request."""

    pairs: Query
    canonical: bytes
    v4: bool
    v2: bool
    hoists: bool


class _Authorization(msgspec.Struct, frozen=True):
    access_key: str
    scope: Scope
    signed_headers: tuple[bytes, ...]
    signature: str


class _Parameters(msgspec.Struct, frozen=True):
    """`payload` and `token` are '' where the query does not have them."""

    access_key: str
    scope: Scope
    timestamp: str
    time_us: int
    signed_headers: tuple[bytes, ...]
    signature: str
    payload: str
    token: str
    expires_seconds: int


def read_claim(request: HttpRequest) -> Claim:
    """The one claim of a request. An anonymous one is refused, and so is one with several."""
    authorization = request.fields.get(b"authorization")
    raw_query = request.signed_query
    remember = len(raw_query) <= _REMEMBERED_BYTES_MAX
    query = (_read_query if remember else _read_query.__wrapped__)(raw_query)
    if (authorization is not None) + query.v4 + query.v2 > 1:
        raise SeveralAuthMechanisms
    if query.v2:
        raise UnsupportedSignatureVersion
    if query.v4:
        read = _read_parameters if remember else _read_parameters.__wrapped__
        return _claim_in_query(request, query, read(raw_query))
    if authorization is None:
        raise AccessDenied("Access Denied")
    return _claim_in_header(request, query, authorization)


def _claim_in_header(request: HttpRequest, query: _SignedQuery, authorization: bytes) -> Claim:
    text, signature = apart(authorization, b"Signature=", (b",", b", "), b",")
    remember = len(text) <= _REMEMBERED_BYTES_MAX
    said = (_read_authorization if remember else _read_authorization.__wrapped__)(text)
    fields = request.fields
    timestamp, time_us = _read_date(fields.get(b"x-amz-date"), fields)
    malformed = AuthorizationHeaderMalformed
    payload = fields.get(b"x-amz-content-sha256")
    if payload is None:
        raise MissingContentSHA256
    token = fields.get(b"x-amz-security-token")
    return Claim(
        said.access_key,
        said.scope,
        timestamp,
        time_us,
        said.signed_headers,
        signature or said.signature,
        _ascii(payload, malformed),
        None if token is None else _ascii(token, malformed),
        None,
        query.pairs,
        query.canonical,
        query.hoists,
    )


def _claim_in_query(request: HttpRequest, query: _SignedQuery, said: _Parameters) -> Claim:
    # Some signers move these two into the query, like every other x-amz-* header.
    malformed = AuthorizationQueryParametersError
    payload: str | None = said.payload
    if not payload and b"x-amz-content-sha256" in request.fields:
        payload = _ascii(request.fields[b"x-amz-content-sha256"], malformed)
    token: str | None = said.token or None
    if token is None and b"x-amz-security-token" in request.fields:
        token = _ascii(request.fields[b"x-amz-security-token"], malformed)
    return Claim(
        said.access_key,
        said.scope,
        said.timestamp,
        said.time_us,
        said.signed_headers,
        request.signature or said.signature,
        payload or UNSIGNED_PAYLOAD,
        token,
        said.expires_seconds,
        query.pairs,
        query.canonical,
        query.hoists,
    )


@lru_cache(maxsize=1024)
def _read_query(raw_query: bytes) -> _SignedQuery:
    pairs = parse_query(raw_query)
    names = {name for name, _ in pairs}
    signed = [pair for pair in pairs if pair[0] != b"X-Amz-Signature"]
    return _SignedQuery(
        pairs=signed,
        canonical=canonical_query(signed),
        v4=not _V4_PARAMETERS.isdisjoint(names),
        v2=not _V2_PARAMETERS.isdisjoint(names),
        hoists=any(
            name.startswith(b"x-amz-") and name not in _OF_SIGNATURE
            for name in map(bytes.lower, names)
        ),
    )


@lru_cache(maxsize=1024)
def _read_authorization(authorization: bytes) -> _Authorization:
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
    signed_headers = tuple(fields["SignedHeaders"].encode().split(b";"))
    return _Authorization(access_key, scope, signed_headers, fields["Signature"])


@lru_cache(maxsize=1024)
def _read_parameters(raw_query: bytes) -> _Parameters:
    malformed = AuthorizationQueryParametersError
    fields = _amz_parameters(parse_query(raw_query))
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
    return _Parameters(
        access_key=access_key,
        scope=scope,
        timestamp=timestamp,
        time_us=time_us,
        signed_headers=tuple(fields["X-Amz-SignedHeaders"].encode().split(b";")),
        signature=fields["X-Amz-Signature"],
        payload=fields.get("X-Amz-Content-Sha256", ""),
        token=fields.get("X-Amz-Security-Token", ""),
        expires_seconds=_read_expires(fields["X-Amz-Expires"]),
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


def _read_date(amz_date: bytes | None, fields: Mapping[bytes, bytes]) -> tuple[str, int]:
    """The time of a request: x-amz-date if it is there, else Date."""
    if amz_date is not None:
        remember = len(amz_date) <= _REMEMBERED_BYTES_MAX
        read = _read_amz_date if remember else _read_amz_date.__wrapped__
        timestamp, time_us = read(amz_date)
    else:
        date = _ascii(fields.get(b"date", b""), AuthorizationHeaderMalformed)
        timestamp = _from_http_date(date)
        time_us = _parse_timestamp(timestamp)
    if time_us is None:
        raise AccessDenied("AWS authentication requires a valid Date or x-amz-date header")
    return timestamp, time_us


@lru_cache(maxsize=1024)
def _read_amz_date(amz_date: bytes) -> tuple[str, int | None]:
    timestamp = _ascii(amz_date, AuthorizationHeaderMalformed)
    return timestamp, _parse_timestamp(timestamp)


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


def _ascii(value: bytes, malformed: type[MalformedClaim]) -> str:
    if value.isalnum():
        return value.decode()
    text = value.decode("latin-1")
    if not (text.isascii() and text.isprintable()):
        raise malformed("it holds other characters than printable ASCII.")
    return text
