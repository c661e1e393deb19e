"""AWS Signature Version 4 as S3 asks for it: does the key that a claim names sign it?

The rules: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256

import attrs

from objectd.auth.canonical import canonical_request
from objectd.auth.claim import ALGORITHM, Claim, Scope
from objectd.auth.errors import (
    HeadersNotSigned,
    RequestExpired,
    RequestNotYetValid,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
)
from objectd.protocol.messages import Headers, HttpRequest

SKEW_US_MAX = 15 * 60 * 1_000_000
"""How far the clocks of a client and of this server may be apart."""


@attrs.frozen
class Verified:
    """A claim that its key has signed; the signature seeds those of the body's chunks."""

    claim: Claim
    signing_key: bytes = attrs.field(repr=False)


def verify(
    request: HttpRequest,
    claim: Claim,
    secret_key: str,
    *,
    now_us: int,
    region: str | None = None,
    service: str = "s3",
) -> Verified:
    """Check all that `claim`, read from this very request, says. `region` None allows any."""
    _check_time(claim, now_us)
    _check_scope(claim, region, service)
    _check_coverage(request.headers, claim.signed_headers)
    canonical = canonical_request(
        request.method,
        request.raw_path,
        claim.query,
        request.headers,
        claim.signed_headers,
        claim.payload,
    )
    key = signing_key(secret_key, claim.scope)
    to_sign = string_to_sign(claim.timestamp, claim.scope, canonical)
    if not hmac.compare_digest(sign(key, to_sign), claim.signature):
        raise SignatureDoesNotMatch(claim.access_key, claim.signature, to_sign, canonical)
    return Verified(claim, key)


def string_to_sign(timestamp: str, scope: Scope, canonical: bytes) -> bytes:
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{sha256(canonical).hexdigest()}".encode()


def sign(key: bytes, to_sign: bytes) -> str:
    return hmac.digest(key, to_sign, "sha256").hex()


@lru_cache(maxsize=1024)
def signing_key(secret_key: str, scope: Scope) -> bytes:
    """The key of one day: four HMACs, so the ones in use are kept."""
    key = b"AWS4" + secret_key.encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _check_time(claim: Claim, now_us: int) -> None:
    if claim.expires_seconds is None:
        if abs(now_us - claim.time_us) > SKEW_US_MAX:
            raise RequestTimeTooSkewed(claim.timestamp, now_us, SKEW_US_MAX)
        return
    if claim.time_us - now_us > SKEW_US_MAX:
        raise RequestNotYetValid(now_us)
    expired_us = claim.time_us + claim.expires_seconds * 1_000_000
    if now_us > expired_us:
        raise RequestExpired(claim.expires_seconds, expired_us, now_us)


def _check_scope(claim: Claim, region: str | None, service: str) -> None:
    scope = claim.scope
    if scope.date != claim.timestamp[:8]:
        raise claim.malformed(
            f'Invalid credential date "{scope.date}". This date is not the same as '
            f'X-Amz-Date: "{claim.timestamp[:8]}".'
        )
    if scope.service != service:
        raise claim.malformed(
            f'incorrect service "{scope.service}". This endpoint belongs to "{service}".'
        )
    if region is not None and scope.region != region:
        raise claim.malformed(
            f"the region '{scope.region}' is wrong; expecting '{region}'", {"Region": region}
        )


def _check_coverage(headers: Headers, signed_headers: tuple[bytes, ...]) -> None:
    """Host and every x-amz-* header must be signed: each changes what the request means."""
    unsigned = {name for name, _ in headers if name.startswith(b"x-amz-")} | {b"host"}
    unsigned.difference_update(signed_headers)
    if unsigned:
        raise HeadersNotSigned(sorted(name.decode("latin-1") for name in unsigned))
