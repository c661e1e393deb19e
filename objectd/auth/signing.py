"""The client's half of Signature Version 4: a request gets the signature that `sigv4.verify`
asks for, in its headers or in its query."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import attrs
from msgspec import structs

from objectd.auth.canonical import canonical_request, parse_query
from objectd.auth.claim import ALGORITHM, EXPIRES_SECONDS_MAX, UNSIGNED_PAYLOAD, Scope
from objectd.auth.sigv4 import sign, signing_key, string_to_sign
from objectd.protocol.messages import Headers, HttpRequest

__all__ = ["KeyPair", "presigned", "signed"]


@attrs.frozen
class KeyPair:
    """Whom a client speaks for; temporary keys come with a session token."""

    access_key: str
    secret_key: str = attrs.field(repr=False)
    session_token: str = attrs.field(default="", repr=False)


def signed(
    request: HttpRequest,
    key_pair: KeyPair,
    *,
    payload: str,
    region: str,
    now_us: int,
    service: str = "s3",
) -> HttpRequest:
    """The request with its signature in the headers, all of which are signed: those that
    belong to the connection must come later.

    `request` has its Host, and its path and query are percent-encoded. `payload` is the
    SHA-256 of the body in hexadecimal, or what stands for it.
    """
    timestamp = _timestamp(now_us)
    headers: Headers = (
        *request.headers,
        (b"x-amz-content-sha256", payload.encode()),
        (b"x-amz-date", timestamp.encode()),
    )
    if key_pair.session_token:
        headers += ((b"x-amz-security-token", key_pair.session_token.encode()),)
    names = _names(headers)
    scope = Scope(timestamp[:8], region, service)
    canonical = canonical_request(
        request.method, request.raw_path, parse_query(request.raw_query), headers, names, payload
    )
    signature = _signature(key_pair, timestamp, scope, canonical)
    claim = (
        f"{ALGORITHM} Credential={key_pair.access_key}/{scope},"
        f"SignedHeaders={b';'.join(names).decode()},Signature={signature}"
    )
    return structs.replace(request, headers=(*headers, (b"authorization", claim.encode())))


def presigned(
    request: HttpRequest,
    key_pair: KeyPair,
    *,
    region: str,
    now_us: int,
    expires_seconds: int,
    service: str = "s3",
) -> HttpRequest:
    """The request with its signature in the query, so that whoever has the URL may send it.

    x-amz-* headers move to the query; any other must be sent as it is here. `ValueError` for
    a time that is not between a second and a week.
    """
    if not 1 <= expires_seconds <= EXPIRES_SECONDS_MAX:
        raise ValueError(f"a URL can expire in 1 to {EXPIRES_SECONDS_MAX} seconds")
    timestamp = _timestamp(now_us)
    scope = Scope(timestamp[:8], region, service)
    moved = [(name, value) for name, value in request.headers if name.startswith(b"x-amz-")]
    headers = tuple(header for header in request.headers if header not in moved)
    names = _names(headers)
    parameters = [
        *((name.decode(), value.decode()) for name, value in moved),
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{key_pair.access_key}/{scope}"),
        ("X-Amz-Date", timestamp),
        ("X-Amz-Expires", str(expires_seconds)),
        ("X-Amz-SignedHeaders", b";".join(names).decode()),
    ]
    if key_pair.session_token:
        parameters.append(("X-Amz-Security-Token", key_pair.session_token))
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters).encode()
    query = b"&".join(filter(None, (request.raw_query, added)))
    canonical = canonical_request(
        request.method, request.raw_path, parse_query(query), headers, names, UNSIGNED_PAYLOAD
    )
    signature = _signature(key_pair, timestamp, scope, canonical).encode()
    target = b"%b?%b&X-Amz-Signature=%b" % (request.raw_path, query, signature)
    return structs.replace(request, target=target, headers=headers)


def _timestamp(now_us: int) -> str:
    return datetime.fromtimestamp(now_us // 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")


def _names(headers: Headers) -> list[bytes]:
    return sorted({name for name, _ in headers})


def _signature(key_pair: KeyPair, timestamp: str, scope: Scope, canonical: bytes) -> str:
    return sign(
        signing_key(key_pair.secret_key, scope), string_to_sign(timestamp, scope, canonical)
    )
