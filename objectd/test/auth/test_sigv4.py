"""Signatures: what botocore signs is verified, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import botocore.auth
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.claim import read_claim
from objectd.auth.errors import (
    AuthError,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    HeadersNotSigned,
    RequestExpired,
    RequestNotYetValid,
    RequestTimeTooSkewed,
    SignatureDoesNotMatch,
)
from objectd.auth.sigv4 import SKEW_US_MAX, sign, signing_key, verify
from objectd.protocol.messages import HttpRequest
from objectd.test.auth.signing import ACCESS_KEY, SECRET_KEY, presigned, signed, verified

_SECOND_US = 1_000_000


def _belongs_to_a_signature(name: str) -> bool:
    """Of version 4 or 2: beside a signature in the header it makes two."""
    return name.lower().startswith("x-amz-") or name in ("AWSAccessKeyId", "Signature")


_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_paths = _text.map(lambda key: "/bucket/" + quote(key, safe="/~"))
_params = st.dictionaries(
    _text.filter(lambda name: name != "" and not _belongs_to_a_signature(name)),
    _text,
    max_size=4,
)
_header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
_headers = st.dictionaries(
    st.from_regex(r"x-amz-meta-[a-z0-9]{1,8}", fullmatch=True), _header_values, max_size=3
)


def _replace_header(old: HttpRequest, name: bytes, change: Callable[[bytes], bytes]) -> HttpRequest:
    headers = [(key, change(value) if key == name else value) for key, value in old.headers]
    return structs.replace(old, headers=tuple(headers))


def _replace_in_query(old: HttpRequest, before: bytes, after: bytes) -> HttpRequest:
    assert before in old.target
    return structs.replace(old, target=old.target.replace(before, after, 1))


def _last_digit_changed(text: bytes) -> bytes:
    return text[:-1] + (b"0" if text[-1:] != b"0" else b"1")


_MUTATIONS: dict[str, Callable[[HttpRequest], HttpRequest]] = {
    "method": lambda old: structs.replace(old, method="DELETE"),
    "path": lambda old: structs.replace(
        old, target=old.target.replace(b"/bucket/", b"/bucket/a", 1)
    ),
    "slash": lambda old: structs.replace(old, target=b"/" + old.target),
    "new parameter": lambda old: structs.replace(
        old, target=old.target + (b"&" if b"?" in old.target else b"?") + b"acl"
    ),
    "host": lambda old: _replace_header(old, b"host", lambda value: value + b"0"),
    "new x-amz header": lambda old: structs.replace(
        old, headers=(*old.headers, (b"x-amz-acl", b"public-read"))
    ),
    "repeated header": lambda old: structs.replace(
        old, headers=(*old.headers, (b"host", b"localhost:9000"))
    ),
}
_HEADER_MUTATIONS: dict[str, Callable[[HttpRequest], HttpRequest]] = {
    "payload": lambda old: _replace_header(
        old, b"x-amz-content-sha256", lambda _: b"UNSIGNED-PAYLOAD"
    ),
    "date": lambda old: _replace_header(
        old, b"x-amz-date", lambda date: date[:-2] + _last_digit_changed(date[-2:-1]) + b"Z"
    ),
    "signature": lambda old: _replace_header(old, b"authorization", _last_digit_changed),
    "region": lambda old: _replace_header(
        old, b"authorization", lambda value: value.replace(b"us-east-1", b"eu-west-1")
    ),
    "signed headers": lambda old: _replace_header(
        old, b"authorization", lambda value: value.replace(b"=host;", b"=content-type;host;")
    ),
}
_QUERY_MUTATIONS: dict[str, Callable[[HttpRequest], HttpRequest]] = {
    "expiry": lambda old: _replace_in_query(old, b"X-Amz-Expires=3600", b"X-Amz-Expires=3601"),
    "region": lambda old: _replace_in_query(old, b"us-east-1", b"eu-west-1"),
    "service": lambda old: _replace_in_query(old, b"%2Fs3%2F", b"%2Fiam%2F"),
    "signed headers": lambda old: _replace_in_query(
        old, b"SignedHeaders=host", b"SignedHeaders=content-type%3Bhost"
    ),
    "signature": lambda old: structs.replace(old, target=_last_digit_changed(old.target)),
}


class SignerTests(SynchronousTestCase):
    """botocore is the other side."""

    @given(path=_paths, params=_params, headers=_headers)
    def test_what_botocore_signs_in_the_header_is_verified(
        self, path: str, params: dict[str, str], headers: dict[str, str]
    ) -> None:
        """Any key, query and metadata."""
        proof = verified(signed("PUT", path, headers, params=params))
        self.assertEqual(proof.claim.access_key, ACCESS_KEY)

    @given(path=_paths, params=_params, headers=_headers)
    def test_what_botocore_signs_in_the_query_is_verified(
        self, path: str, params: dict[str, str], headers: dict[str, str]
    ) -> None:
        """Any key, query and metadata."""
        query = "&".join(f"{quote(name)}={quote(value)}" for name, value in params.items())
        proof = verified(presigned("PUT", f"{path}?{query}" if query else path, headers))
        self.assertEqual(proof.claim.access_key, ACCESS_KEY)

    @given(
        path=_paths,
        params=_params,
        headers=_headers,
        mutation=st.sampled_from(sorted(_MUTATIONS | _HEADER_MUTATIONS)),
    )
    def test_nothing_signed_in_the_header_can_be_changed(
        self, path: str, params: dict[str, str], headers: dict[str, str], mutation: str
    ) -> None:
        """Any change of what was signed is refused."""
        mutate = (_MUTATIONS | _HEADER_MUTATIONS)[mutation]
        changed = mutate(signed("PUT", path, headers, params=params))
        self.assertRaises(AuthError, verified, changed)

    @given(
        path=_paths,
        headers=_headers,
        mutation=st.sampled_from(sorted(_MUTATIONS | _QUERY_MUTATIONS)),
    )
    def test_nothing_signed_in_the_query_can_be_changed(
        self, path: str, headers: dict[str, str], mutation: str
    ) -> None:
        """Any change of what was signed is refused."""
        changed = (_MUTATIONS | _QUERY_MUTATIONS)[mutation](presigned("PUT", path, headers))
        self.assertRaises(AuthError, verified, changed)

    @given(headers=_headers.filter(bool), value=st.sampled_from(["", "other", "a b"]))
    def test_no_signed_header_can_be_changed_or_dropped(
        self, headers: dict[str, str], value: str
    ) -> None:
        """Another value of a signed header, or none, is refused."""
        name = sorted(headers)[0].encode()
        original = signed("PUT", "/bucket/key", {**headers, name.decode(): "kept"})
        changed = _replace_header(original, name, lambda _: value.encode())
        dropped = tuple(field for field in original.headers if field[0] != name)
        self.assertRaises(SignatureDoesNotMatch, verified, changed)
        self.assertRaises(
            SignatureDoesNotMatch, verified, structs.replace(original, headers=dropped)
        )


class SpellingTests(SynchronousTestCase):
    """Clients need not send what they signed letter by letter, as long as it means the same."""

    def _accepted(self, target: str, *spellings: str) -> None:
        original = signed("GET", target)
        for spelling in spellings:
            verified(structs.replace(original, target=spelling.encode()))

    def test_paths(self) -> None:
        """Unreserved characters may be escaped, reserved ones need not be, and hexadecimal
        digits have two cases."""
        self._accepted("/b/~k-._", "/b/%7Ek%2D%2E%5f", "/%62/%7ek-._")
        self._accepted("/b/%27%28%29%2A%21%24%2B%3A%40", "/b/'()*!$+:@", "/b/%27%28%29%2a!%24+:@")
        self._accepted("/b/%C3%BC", "/b/%c3%bc")

    def test_paths_are_not_normalised(self) -> None:
        """Doubled slashes and dot segments are parts of keys, and an escaped slash or percent
        sign is decoded once, not twice."""
        for target in ("/b//k", "/b/./k", "/b/../k", "/b/a/", "/b/a%2Fb", "/b/a%252Fb"):
            verified(signed("GET", target))
        for target, other in (("/b//k", "/b/k"), ("/b/a/../k", "/b/k"), ("/b/%252F", "/b/%2F")):
            changed = structs.replace(signed("GET", target), target=other.encode())
            self.assertRaises(SignatureDoesNotMatch, verified, changed)

    def test_queries(self) -> None:
        """A key without a value equals one with an empty value, order does not matter, `+` is
        a space, and a slash need not be escaped."""
        self._accepted("/b?acl=", "/b?acl", "/b?&acl&", "/b?%61cl=")
        self._accepted("/b?a=1&b=2", "/b?b=2&a=1")
        self._accepted("/b?prefix=a%20b", "/b?prefix=a+b", "/b?prefix=a%20b")
        self._accepted("/b?prefix=a%2Fb%2B", "/b?prefix=a/b%2b")

    def test_header_spaces(self) -> None:
        """Runs of spaces inside a value count as one."""
        original = signed("PUT", headers={"x-amz-meta-a": "x y"})
        verified(_replace_header(original, b"x-amz-meta-a", lambda _: b"x  \t y"))

    def test_expect_may_be_signed(self) -> None:
        """A signature that covers Expect is verified like any other."""
        self.patch(botocore.auth, "SIGNED_HEADERS_BLACKLIST", [])
        proof = verified(signed("PUT", headers={"Expect": "100-continue"}))
        self.assertIn(b"expect", proof.claim.signed_headers)


class TimeTests(SynchronousTestCase):
    def _verify(self, original: HttpRequest, offset_us: int) -> None:
        claim = read_claim(original)
        verify(original, claim, SECRET_KEY, now_us=claim.time_us + offset_us)

    def test_clocks_may_be_fifteen_minutes_apart(self) -> None:
        """More skew than that is refused, in both directions."""
        for offset_us in (-SKEW_US_MAX, 0, SKEW_US_MAX):
            self._verify(signed(), offset_us)
        for offset_us in (-SKEW_US_MAX - 1, SKEW_US_MAX + 1):
            self.assertRaises(RequestTimeTooSkewed, self._verify, signed(), offset_us)

    def test_presigned_requests_expire(self) -> None:
        """A presigned request is good from its date, less the skew, to its expiry."""
        for offset_us in (-SKEW_US_MAX, 0, 60 * _SECOND_US):
            self._verify(presigned(expires_seconds=60), offset_us)
        early, late = -SKEW_US_MAX - 1, 60 * _SECOND_US + 1
        self.assertRaises(RequestNotYetValid, self._verify, presigned(expires_seconds=60), early)
        error = self.assertRaises(RequestExpired, self._verify, presigned(expires_seconds=60), late)
        self.assertEqual(error.code, "AccessDenied")
        self.assertEqual(error.details["X-Amz-Expires"], "60")


class ScopeTests(SynchronousTestCase):
    def _verify(self, original: HttpRequest, region: str | None = None) -> None:
        claim = read_claim(original)
        verify(original, claim, SECRET_KEY, now_us=claim.time_us, region=region)

    def test_the_date_of_the_scope_is_that_of_the_request(self) -> None:
        """A key of another day is refused."""
        yesterday = _replace_header(
            signed(),
            b"authorization",
            lambda value: value.replace(value.split(b"/")[1], b"20130524"),
        )
        self.assertRaises(AuthorizationHeaderMalformed, self._verify, yesterday)
        original = presigned()
        day = original.target.split(b"%2F")[1]
        changed = _replace_in_query(original, day + b"%2F", b"20130524%2F")
        self.assertRaises(AuthorizationQueryParametersError, self._verify, changed)

    def test_other_services_are_refused(self) -> None:
        """A signature for another service is none for S3."""
        other = _replace_header(
            signed(), b"authorization", lambda value: value.replace(b"/s3/", b"/iam/")
        )
        self.assertRaises(AuthorizationHeaderMalformed, self._verify, other)

    def test_any_region_is_good_unless_one_is_asked_for(self) -> None:
        """A strict server names the region that it expects."""
        self._verify(signed(region="mars"))
        self._verify(signed(region="mars"), "mars")
        header = self.assertRaises(
            AuthorizationHeaderMalformed, self._verify, signed(region="mars"), "venus"
        )
        query = self.assertRaises(
            AuthorizationQueryParametersError, self._verify, presigned(region="mars"), "venus"
        )
        self.assertEqual(header.details, {"Region": "venus"})
        self.assertEqual(query.details, {"Region": "venus"})


class CoverageTests(SynchronousTestCase):
    def test_x_amz_headers_must_be_signed(self) -> None:
        """An x-amz-* header that was added afterwards is refused, and named."""
        for original in (signed(), presigned()):
            added = structs.replace(
                original, headers=(*original.headers, (b"x-amz-acl", b"private"))
            )
            error = self.assertRaises(HeadersNotSigned, verified, added)
            self.assertEqual(error.details, {"HeadersNotSigned": "x-amz-acl"})

    def test_host_must_be_signed(self) -> None:
        """A signature that does not cover Host would be good for any server."""
        original = _replace_header(
            signed(), b"authorization", lambda value: value.replace(b"=host;", b"=")
        )
        error = self.assertRaises(HeadersNotSigned, verified, original)
        self.assertEqual(error.details, {"HeadersNotSigned": "host"})

    def test_other_headers_may_be_added(self) -> None:
        """What proxies add and no signer covers is no matter."""
        for original in (signed(), presigned()):
            more = ((b"x-forwarded-for", b"192.0.2.1"), (b"x-amzn-trace-id", b"Root=1"))
            verified(structs.replace(original, headers=original.headers + more))


class MismatchTests(SynchronousTestCase):
    def test_a_wrong_secret_is_refused(self) -> None:
        """The right access key without its secret proves nothing, in either form."""
        for original in (signed(secret_key="wrong"), presigned(secret_key="wrong")):
            self.assertRaises(SignatureDoesNotMatch, verified, original)

    def test_the_error_shows_what_was_signed_here(self) -> None:
        """Client authors compare these with their own; the right signature is not among them."""
        original = signed(secret_key="wrong")
        error = self.assertRaises(SignatureDoesNotMatch, verified, original)
        self.assertEqual(error.details["AWSAccessKeyId"], ACCESS_KEY)
        self.assertTrue(error.details["CanonicalRequest"].startswith("GET\n/bucket/key\n\nhost:"))
        self.assertTrue(error.details["StringToSign"].startswith("AWS4-HMAC-SHA256\n"))
        self.assertEqual(error.details["SignatureProvided"], read_claim(original).signature)
        key = signing_key(SECRET_KEY, read_claim(original).scope)
        right = sign(key, error.details["StringToSign"].encode())
        self.assertNotIn(right, str(error.details))
