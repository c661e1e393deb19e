"""The one way to a principal."""

from __future__ import annotations

import ast
from pathlib import Path

from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

import objectd
from objectd.auth.authenticate import Principal, authenticate
from objectd.auth.claim import read_claim
from objectd.auth.errors import (
    AccessDenied,
    AuthError,
    AuthorizationHeaderMalformed,
    InvalidAccessKeyId,
    InvalidToken,
    SignatureDoesNotMatch,
)
from objectd.auth.payload import PayloadMode
from objectd.protocol.messages import HttpRequest
from objectd.test.auth.signing import (
    ACCESS_KEY,
    ACCOUNT,
    SECRET_KEY,
    OneCredential,
    presigned,
    request,
    signed,
)


def _authenticate(received: HttpRequest, region: str | None = None) -> Deferred[Principal]:
    try:
        now_us = read_claim(received).time_us
    except AuthError:
        now_us = 0
    return Deferred.fromCoroutine(
        authenticate(received, OneCredential(), now_us=now_us, region=region)
    )


class AuthenticateTests(SynchronousTestCase):
    def _refused(
        self, error: type[AuthError], received: HttpRequest, region: str | None = None
    ) -> None:
        self.failureResultOf(_authenticate(received, region), error)

    def test_a_signed_request_has_a_principal(self) -> None:
        """The account of the key, in either form."""
        for received in (signed(), presigned()):
            principal = self.successResultOf(_authenticate(received))
            self.assertEqual((principal.account, principal.access_key), (ACCOUNT, ACCESS_KEY))

    def test_the_principal_knows_how_to_check_the_body(self) -> None:
        """The payload is the one that was signed."""
        received = signed(
            "PUT",
            headers={"x-amz-decoded-content-length": "3"},
            payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        )
        payload = self.successResultOf(_authenticate(received)).payload
        self.assertEqual((payload.mode, payload.size_bytes), (PayloadMode.SIGNED_CHUNKS, 3))

    def test_anonymous_requests_are_denied(self) -> None:
        """There is no default principal."""
        self._refused(AccessDenied, request("GET", "/b/k", {"Host": "localhost"}))

    def test_unknown_keys_are_refused(self) -> None:
        """A key that the credentials do not know is named in the error."""
        received = signed()
        headers = tuple(
            (name, value.replace(ACCESS_KEY.encode(), b"AKIDUNKNOWN"))
            for name, value in received.headers
        )
        self._refused(InvalidAccessKeyId, structs.replace(received, headers=headers))

    def test_tokens_are_refused(self) -> None:
        """No temporary credentials were ever issued, so a token is invalid."""
        self._refused(InvalidToken, signed(headers={"x-amz-security-token": "t"}))
        self._refused(InvalidToken, presigned(headers={"x-amz-security-token": "t"}))

    def test_a_region_may_be_asked_for(self) -> None:
        """Signatures for another region are refused then."""
        self.successResultOf(_authenticate(signed(region="mars"), "mars"))
        self._refused(AuthorizationHeaderMalformed, signed(region="mars"), "venus")

    def test_a_wrong_secret_is_refused_whatever_the_payload(self) -> None:
        """The signature of a request is checked in every form of payload, also where the body
        is unsigned (MinIO, CVE-2025-31489)."""
        headers = {"x-amz-decoded-content-length": "3"}
        for payload in (
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            "UNSIGNED-PAYLOAD",
            "a" * 64,
        ):
            received = signed("PUT", headers=headers, payload=payload, secret_key="wrong")
            self._refused(SignatureDoesNotMatch, received)

    def test_secrets_are_not_shown(self) -> None:
        """The representation of a principal holds no key to sign with."""
        principal = self.successResultOf(_authenticate(signed()))
        self.assertNotIn("signing_key", repr(principal))
        self.assertNotIn(SECRET_KEY, repr(principal))


class ArchitectureTests(SynchronousTestCase):
    def test_only_authenticate_makes_principals(self) -> None:
        """No other module of objectd calls Principal, under this or another name."""
        root = Path(objectd.__file__).parent
        makers = [
            path.relative_to(root).as_posix()
            for path in sorted(root.rglob("*.py"))
            if "test" not in path.relative_to(root).parts and _makes_principals(path)
        ]
        self.assertEqual(makers, ["auth/authenticate.py"])


def _makes_principals(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = node.func
            name = getattr(called, "id", None) or getattr(called, "attr", None)
            if name == "Principal":
                return True
        if isinstance(node, ast.alias) and node.name == "Principal" and node.asname:
            return True
    return False
