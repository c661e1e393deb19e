"""Heads of requests, and signing them whatever they hold.

The canonical form is made by the server's own functions: what is sought here is not whether
signatures are verified rightly (`objectd.test.auth` does that, with botocore) but what the
layers behind them make of requests that no client library would send.
"""

from __future__ import annotations

import time
from urllib.parse import quote_from_bytes

import attrs

from objectd.auth.canonical import canonical_request, parse_query
from objectd.auth.claim import ALGORITHM, Scope
from objectd.auth.sigv4 import sign, signing_key, string_to_sign
from objectd.test.auth.signing import ChunkSigner

Field = tuple[bytes, bytes]


@attrs.frozen
class Keys:
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    service: str = "s3"
    ahead_seconds: int = 0
    """How far the signer's clock is ahead."""

    @property
    def timestamp(self) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + self.ahead_seconds))

    def scope(self, timestamp: str) -> Scope:
        return Scope(timestamp[:8], self.region, self.service)


@attrs.frozen
class Head:
    """A request line and header fields, as they are to be sent."""

    method: str
    target: bytes
    fields: tuple[Field, ...]

    def plus(self, *fields: Field) -> Head:
        return attrs.evolve(self, fields=(*self.fields, *fields))

    def wire(self) -> bytes:
        line = b"%b %b HTTP/1.1" % (self.method.encode("latin-1"), self.target)
        lines = [b"%b: %b" % field for field in self.fields]
        return b"\r\n".join([line, *lines, b"", b""])

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        return self.target.partition(b"?")[2]

    def _canonical(self, signed_names: list[bytes], payload: str) -> bytes:
        fields = tuple((name.lower(), value.strip(b" \t")) for name, value in self.fields)
        query = parse_query(self.query)
        return canonical_request(self.method, self.path, query, fields, signed_names, payload)

    def _names_to_sign(self) -> list[bytes]:
        names = {name.lower() for name, _ in self.fields}
        return sorted({name for name in names if name.startswith(b"x-amz-")} | {b"host"})


@attrs.frozen
class Signed:
    """A head with its signature; `chunks` signs the chunks of the body that follows it."""

    head: Head
    chunks: ChunkSigner


def sign_in_header(head: Head, payload: str, keys: Keys) -> Signed:
    timestamp = keys.timestamp
    scope = keys.scope(timestamp)
    head = head.plus(
        (b"x-amz-date", timestamp.encode()), (b"x-amz-content-sha256", payload.encode())
    )
    names = head._names_to_sign()
    key = signing_key(keys.secret_key, scope)
    signature = sign(key, string_to_sign(timestamp, scope, head._canonical(names, payload)))
    authorization = (
        f"{ALGORITHM} Credential={keys.access_key}/{scope}, "
        f"SignedHeaders={b';'.join(names).decode('latin-1')}, Signature={signature}"
    )
    head = head.plus((b"Authorization", authorization.encode("latin-1")))
    return Signed(head, ChunkSigner(timestamp, str(scope), key, signature))


def sign_in_query(head: Head, payload: str, keys: Keys, *, hoist: bool, expires: int) -> Signed:
    """`hoist` moves the headers of S3 into the query, as some signers do."""
    timestamp = keys.timestamp
    scope = keys.scope(timestamp)
    hoisted = [f for f in head.fields if hoist and f[0].lower().startswith(b"x-amz-")]
    head = attrs.evolve(head, fields=tuple(f for f in head.fields if f not in hoisted))
    names = head._names_to_sign()
    parameters: list[Field] = [
        *hoisted,
        (b"X-Amz-Algorithm", ALGORITHM.encode()),
        (b"X-Amz-Credential", f"{keys.access_key}/{scope}".encode()),
        (b"X-Amz-Date", timestamp.encode()),
        (b"X-Amz-Expires", b"%d" % expires),
        (b"X-Amz-SignedHeaders", b";".join(names)),
    ]
    if payload != "UNSIGNED-PAYLOAD":
        parameters.append((b"X-Amz-Content-Sha256", payload.encode()))
    head = _with_parameters(head, parameters)
    key = signing_key(keys.secret_key, scope)
    signature = sign(key, string_to_sign(timestamp, scope, head._canonical(names, payload)))
    head = _with_parameters(head, [(b"X-Amz-Signature", signature.encode())])
    return Signed(head, ChunkSigner(timestamp, str(scope), key, signature))


def _with_parameters(head: Head, parameters: list[Field]) -> Head:
    pairs = [b"%b=%b" % (_quoted(name), _quoted(value)) for name, value in parameters]
    query = b"&".join([head.query, *pairs] if head.query else pairs)
    return attrs.evolve(head, target=b"%b?%b" % (head.path, query))


def _quoted(data: bytes) -> bytes:
    return quote_from_bytes(data, safe="").encode()
