"""Requests signed by botocore, and chunked bodies signed by the book: the other side."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256

import attrs
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from zope.interface import implementer

from objectd.auth.claim import read_claim
from objectd.auth.payload import PayloadCheck, read_payload
from objectd.auth.sigv4 import Verified, verify
from objectd.interfaces import Credential, ICredentials
from objectd.protocol.messages import HttpRequest

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ACCOUNT = 7
HOST = "localhost:9000"


@implementer(ICredentials)
@attrs.frozen
class OneCredential:
    """Credentials that know the example key of AWS's documentation only."""

    async def find(self, access_key: str) -> Credential | None:
        if access_key == ACCESS_KEY:
            return Credential(ACCESS_KEY, SECRET_KEY, ACCOUNT)
        return None


def request(method: str, target: str, headers: Mapping[str, str]) -> HttpRequest:
    """A request as the HTTP layer hands it over."""
    fields = [(name.lower().encode(), value.strip().encode()) for name, value in headers.items()]
    return HttpRequest(method, target.encode(), tuple(fields), "request-id")


def signed(
    method: str = "GET",
    target: str = "/bucket/key",
    headers: Mapping[str, str] | None = None,
    *,
    params: Mapping[str, str] | None = None,
    payload: str | None = None,
    access_key: str = ACCESS_KEY,
    secret_key: str = SECRET_KEY,
    region: str = "us-east-1",
) -> HttpRequest:
    """Signed in the Authorization header, now."""
    unsigned = _unsigned(method, target, headers, params)
    signer = _HeaderAuth(Credentials(access_key, secret_key), "s3", region)
    signer.declared_payload = payload
    signer.add_auth(unsigned)
    return _as_received(unsigned)


def presigned(
    method: str = "GET",
    target: str = "/bucket/key",
    headers: Mapping[str, str] | None = None,
    *,
    expires_seconds: int = 3600,
    payload: str | None = None,
    access_key: str = ACCESS_KEY,
    secret_key: str = SECRET_KEY,
    region: str = "us-east-1",
) -> HttpRequest:
    """Signed in the query, now."""
    unsigned = _unsigned(method, target, headers, None)
    credentials = Credentials(access_key, secret_key)
    signer = _QueryAuth(credentials, "s3", region, expires=expires_seconds)
    signer.declared_payload = payload
    signer.add_auth(unsigned)
    return _as_received(unsigned)


def verified(signed_request: HttpRequest, secret_key: str = SECRET_KEY) -> Verified:
    """Verify at the very time of the signature."""
    claim = read_claim(signed_request)
    return verify(signed_request, claim, secret_key, now_us=claim.time_us)


def upload(
    payload: str, size_bytes: int, trailers: str = "", headers: Mapping[str, str] | None = None
) -> tuple[Verified, PayloadCheck]:
    """A verified PUT whose body comes in chunks."""
    fields = {"x-amz-decoded-content-length": str(size_bytes), **(headers or {})}
    if trailers:
        fields["x-amz-trailer"] = trailers
    put = signed("PUT", headers=fields, payload=payload)
    proof = verified(put)
    return proof, read_payload(put, proof)


@attrs.define
class ChunkSigner:
    """Signs chunks and trailers as AWS's documentation spells it out."""

    timestamp: str
    scope: str
    key: bytes
    previous: str

    @classmethod
    def following(cls, proof: Verified) -> ChunkSigner:
        claim = proof.claim
        return cls(claim.timestamp, str(claim.scope), proof.signing_key, claim.signature)

    def chunk(self, data: bytes) -> bytes:
        """A chunk with its framing; the last one without its final CRLF."""
        empty = sha256(b"").hexdigest()
        signature = self._sign("AWS4-HMAC-SHA256-PAYLOAD", empty, sha256(data).hexdigest())
        header = b"%x;chunk-signature=%b\r\n" % (len(data), signature)
        return header + data + b"\r\n" if data else header

    def trailer_signature(self, lines: bytes) -> bytes:
        signature = self._sign("AWS4-HMAC-SHA256-TRAILER", sha256(lines).hexdigest())
        return b"x-amz-trailer-signature:" + signature + b"\r\n"

    def body(self, pieces: Iterable[bytes], trailers: bytes = b"") -> bytes:
        """`trailers` are lines of name:value, each ended by LF."""
        chunks = b"".join([self.chunk(piece) for piece in [*pieces, b""]])
        if not trailers:
            return chunks + b"\r\n"
        lines = trailers.replace(b"\n", b"\r\n")
        return chunks + lines + self.trailer_signature(trailers) + b"\r\n"

    def _sign(self, *parts: str) -> bytes:
        kind, *digests = parts
        text = "\n".join((kind, self.timestamp, self.scope, self.previous, *digests))
        self.previous = hmac.new(self.key, text.encode(), sha256).hexdigest()
        return self.previous.encode()


class _DeclaredPayload:
    """Lets a signer sign a value of x-amz-content-sha256 that it would not choose itself."""

    declared_payload: str | None = None

    def payload(self, request_signed: AWSRequest) -> str:
        return self.declared_payload or str(super().payload(request_signed))  # type: ignore[misc]


class _HeaderAuth(_DeclaredPayload, S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    pass


class _QueryAuth(_DeclaredPayload, S3SigV4QueryAuth):  # type: ignore[misc]  # the same
    pass


def _unsigned(
    method: str,
    target: str,
    headers: Mapping[str, str] | None,
    params: Mapping[str, str] | None,
) -> AWSRequest:
    url = f"http://{HOST}{target}"
    return AWSRequest(method=method, url=url, headers=dict(headers or {}), params=params)


def _as_received(request_signed: AWSRequest) -> HttpRequest:
    prepared = request_signed.prepare()
    headers = {"host": HOST, **{name: str(value) for name, value in prepared.headers.items()}}
    return request(prepared.method, prepared.url.removeprefix(f"http://{HOST}"), headers)
