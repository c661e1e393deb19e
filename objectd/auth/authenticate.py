"""The one way from a request to a principal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from objectd.auth.claim import read_claim
from objectd.auth.errors import InvalidAccessKeyId, InvalidToken
from objectd.auth.payload import PayloadCheck, read_payload
from objectd.auth.sigv4 import verify
from objectd.protocol.targets import with_hoisted_headers

if TYPE_CHECKING:
    from objectd.interfaces import ICredentials
    from objectd.protocol.messages import HttpRequest


class Principal(msgspec.Struct, frozen=True):
    """Who sent a request, proven, and what they signed of its body.

    Only `authenticate` makes one, and a test holds all of objectd to that: whoever was
    handed a principal need not ask how it came about.
    """

    account: int
    access_key: str
    payload: PayloadCheck


async def authenticate(
    request: HttpRequest, credentials: ICredentials, *, now_us: int, region: str | None = None
) -> Principal:
    """Verify the signature of a request, before a byte of its body is taken.

    `now_us` is the wall clock; with a `region` no other is accepted in a signature's scope.
    Raises the errors of `objectd.auth.errors`, for an anonymous request `AccessDenied`.
    """
    claim = read_claim(request)
    credential = await credentials.find(claim.access_key)
    if credential is None:
        raise InvalidAccessKeyId(claim.access_key)
    if claim.security_token is not None:
        raise InvalidToken
    verified = verify(request, claim, credential.secret_key, now_us=now_us, region=region)
    whole = with_hoisted_headers(request) if claim.hoists else request
    payload = read_payload(whole, verified)
    return Principal(credential.account, credential.access_key, payload)
