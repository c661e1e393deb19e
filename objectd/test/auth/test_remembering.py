"""What is remembered or done in a shorter way is what the plain way gives."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.auth import claim
from objectd.auth.canonical import (
    canonical_query,
    canonical_request,
    parse_query,
    quick_canonical_request,
)
from objectd.auth.claim import Claim, read_claim
from objectd.auth.errors import AuthError
from objectd.auth.sigv4 import sign
from objectd.protocol import messages
from objectd.protocol.messages import HttpRequest
from objectd.test.auth.signing import presigned, signed

_HEADER = signed("GET", "/bucket/key").header(b"authorization") or b""
_QUERY = presigned("GET", "/bucket/key").raw_query
_pieces = st.sampled_from(
    (
        b"",
        b"&",
        b",",
        b" ",
        b"=",
        b"Signature=",
        b"Signature=abc",
        b"XSignature=abc",
        b"X-Amz-Signature=abc&",
        b"&X-Amz-Signature=",
        b"x-amz-signature=0",
        b"X%2DAmz-Signature=0",
        b"&Signature=abc",
        b"&AWSAccessKeyId=a",
        b"%",
        b"\xe4",
        b"/",
        b"&x-amz-meta-a=b",
        b"&acl",
    )
)


@st.composite
def _changed(draw: st.DrawFn, text: bytes) -> bytes:
    """A text with a piece put in, taken out, or both."""
    start = draw(st.integers(0, len(text)))
    stop = draw(st.one_of(st.just(start), st.integers(start, min(len(text), start + 80))))
    return text[:start] + draw(_pieces) + text[stop:]


def _outcome(read: Callable[[], Claim]) -> tuple[object, ...]:
    try:
        return ("read", *structs.astuple(read()))
    except AuthError as error:
        return type(error), str(error), error.details


class ClaimTests(SynchronousTestCase):
    """The plain way is to read the whole text, signature and all, and to remember nothing."""

    def _check(self, request: HttpRequest) -> None:
        found = [_outcome(lambda: read_claim(request)) for _ in range(2)]
        patches = [
            self.patch(claim, "apart", lambda text, *_: (text, "")),
            self.patch(messages, "without_signature", lambda text: (text, "")),
            self.patch(claim, "_REMEMBERED_BYTES_MAX", -1),
        ]
        plain = _outcome(lambda: read_claim(structs.replace(request)))
        for patch in patches:
            patch.restore()
        self.assertEqual(found, [plain, plain])

    @example(_HEADER.replace(b"Signature=", b"Signature= Signature="), b"")
    @given(_changed(_HEADER), st.sampled_from((b"", b"?acl", b"?X-Amz-Signature=1", b"?a=%zz")))
    def test_in_the_header(self, authorization: bytes, query: bytes) -> None:
        """The same claim, or the same error."""
        headers = (
            (b"x-amz-date", b"20130524T000000Z"),
            (b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
            (b"authorization", authorization),
        )
        self._check(HttpRequest("GET", b"/bucket/key" + query, headers, "id"))

    @given(_changed(_QUERY))
    def test_in_the_query(self, query: bytes) -> None:
        """The same claim, or the same error."""
        self._check(HttpRequest("GET", b"/bucket/key?" + query, (), "id"))

    @given(st.one_of(st.binary(max_size=20), _changed(b"20130524T000000Z")))
    def test_date(self, date: bytes) -> None:
        """The same time, or the same error."""
        headers = (
            (b"x-amz-date", date),
            (b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"),
            (b"authorization", _HEADER),
        )
        self._check(HttpRequest("GET", b"/bucket/key", headers, "id"))


class CanonicalTests(SynchronousTestCase):
    @given(
        st.lists(
            st.tuples(
                st.sampled_from((b"host", b"x-amz-date", b"a%b", b"a")),
                st.text(" \t;,%abc", max_size=6).map(lambda text: text.strip().encode()),
            ),
            max_size=5,
        ),
        st.lists(st.sampled_from((b"host", b"x-amz-date", b"a%b", b"a", b"", b"\xe4"))),
    )
    def test_request(self, headers: list[tuple[bytes, bytes]], names: list[bytes]) -> None:
        """The same text, whatever is signed and whatever came."""
        request = HttpRequest("GET", b"/%7e%25d?a=%25d&b", tuple(headers), "id")
        query = parse_query(request.raw_query)
        self.assertEqual(
            quick_canonical_request(request, canonical_query(query), tuple(names), "%d"),
            canonical_request("GET", request.raw_path, query, request.headers, names, "%d"),
        )

    @given(_changed(_QUERY))
    def test_query(self, query: bytes) -> None:
        """The query of a claim in its one spelling is made of its parameters."""
        try:
            found = read_claim(HttpRequest("GET", b"/bucket/key?" + query, (), "id"))
        except AuthError:
            return
        self.assertEqual(found.canonical_query, canonical_query(found.query))


class SigningTests(SynchronousTestCase):
    @given(st.binary(max_size=130), st.binary(max_size=200))
    def test_hmac(self, key: bytes, text: bytes) -> None:
        """Signatures are HMACs, whatever the length of the key."""
        self.assertEqual(sign(key, text), hmac.digest(key, text, "sha256").hex())
