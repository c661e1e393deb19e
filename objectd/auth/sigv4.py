"""AWS Signature Version 4 as S3 asks for it: does the key that a claim names sign it?

The rules: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from objectd.auth.canonical import quick_canonical_request
from objectd.auth.claim import ALGORITHM, Claim, Scope
from objectd.auth.errors import (
    HeadersNotSigned,
    RequestExpired,
    RequestNotYetValid,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
)
from objectd.protocol.messages import HttpRequest

if TYPE_CHECKING:
    from hashlib import _Hash as HASH

_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))

SKEW_US_MAX = 15 * 60 * 1_000_000
"""How far the clocks of a client and of this server may be apart."""


class Verified(msgspec.Struct, frozen=True):
    """A claim that its key has signed; the signature seeds those of the body's chunks."""

    claim: Claim
    signing_key: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return f"Verified({self.claim!r})"


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
    missing = _unsigned(tuple(request.fields), claim.signed_headers)
    if missing:
        raise HeadersNotSigned(missing)
    canonical = quick_canonical_request(
        request, claim.canonical_query, claim.signed_headers, claim.payload
    )
    key, inner, outer = _begun(secret_key, claim.scope, claim.timestamp)
    signature = _completed(inner, outer, sha256(canonical).hexdigest().encode())
    if not hmac.compare_digest(signature, claim.signature):
        to_sign = string_to_sign(claim.timestamp, claim.scope, canonical)
        raise SignatureDoesNotMatch(claim.access_key, claim.signature, to_sign, canonical)
    return Verified(claim, key)


def string_to_sign(timestamp: str, scope: Scope, canonical: bytes) -> bytes:
    return _before_digest(timestamp, scope) + sha256(canonical).hexdigest().encode()


def _before_digest(timestamp: str, scope: Scope) -> bytes:
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n".encode()


def sign(key: bytes, to_sign: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) in hexadecimal: with the two padded forms of the key hashed
    already, it takes less than half of the time that `hmac.digest` does."""
    return _completed(*_padded(key), to_sign)


def _completed(inner: HASH, outer: HASH, rest: bytes) -> str:
    """The HMAC whose hashes have come so far; they stay as they are."""
    digest = inner.copy()
    digest.update(rest)
    whole = outer.copy()
    whole.update(digest.digest())
    return whole.hexdigest()


@lru_cache(maxsize=1024)
def _begun(secret_key: str, scope: Scope, timestamp: str) -> tuple[bytes, HASH, HASH]:
    """The key of a scope, and its two hashes once the inner one has taken all of a string to
    sign but the digest, which is what the requests of a client in one second differ in."""
    key = signing_key(secret_key, scope)
    inner, outer = _padded(key)
    inner = inner.copy()
    inner.update(_before_digest(timestamp, scope))
    return key, inner, outer


@lru_cache(maxsize=1024)
def _padded(key: bytes) -> tuple[HASH, HASH]:
    block = (sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))


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


@lru_cache(maxsize=256)
def _unsigned(names: tuple[bytes, ...], signed_headers: tuple[bytes, ...]) -> tuple[str, ...]:
    """Which headers must be signed and are not: Host and every x-amz-* header, each of which
    changes what the request means. A client sends the same names again and again."""
    wanted = {name for name in names if name.startswith(b"x-amz-")} | {b"host"}
    return tuple(sorted(name.decode("latin-1") for name in wanted - {*signed_headers}))
