"""What a request says of its signature, and how it says it wrongly."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.claim import Scope, read_claim
from objectd.auth.errors import (
    AccessDenied,
    AuthError,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    MissingContentSHA256,
    SeveralAuthMechanisms,
    UnsupportedAuthorizationType,
    UnsupportedSignatureAlgorithm,
    UnsupportedSignatureVersion,
)
from objectd.test.auth.signing import ACCESS_KEY, request

_CREDENTIAL = f"{ACCESS_KEY}/20130524/us-east-1/s3/aws4_request"
_AUTHORIZATION = (
    f"AWS4-HMAC-SHA256 Credential={_CREDENTIAL}, SignedHeaders=host;x-amz-date, Signature=ab"
)
_HEADERS = {
    "Host": "localhost",
    "Authorization": _AUTHORIZATION,
    "x-amz-date": "20130524T000000Z",
    "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
}
_PARAMETERS = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": _CREDENTIAL,
    "X-Amz-Date": "20130524T000000Z",
    "X-Amz-Expires": "60",
    "X-Amz-SignedHeaders": "host",
    "X-Amz-Signature": "ab",
}
_HOST = {"Host": "localhost"}
_TIME_US = 1369353600 * 1_000_000


def _without(fields: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key != name}


def _target(parameters: dict[str, str], more: str = "") -> str:
    return "/b/k?" + "&".join(f"{name}={value}" for name, value in parameters.items()) + more


class ClaimTestCase(SynchronousTestCase):
    def refused(
        self, error: type[AuthError], headers: dict[str, str], target: str = "/b/k"
    ) -> None:
        self.assertRaises(error, read_claim, request("GET", target, headers))


class AuthorizationHeaderTests(ClaimTestCase):
    def test_all_parts_are_read(self) -> None:
        """Key, scope, time, signed headers, signature and payload come from the headers."""
        claim = read_claim(request("GET", "/b/k?acl", _HEADERS))
        self.assertEqual(claim.access_key, ACCESS_KEY)
        self.assertEqual(claim.scope, Scope("20130524", "us-east-1", "s3"))
        self.assertEqual((claim.timestamp, claim.time_us), ("20130524T000000Z", _TIME_US))
        self.assertEqual(claim.signed_headers, (b"host", b"x-amz-date"))
        self.assertEqual(claim.signature, "ab")
        self.assertEqual(claim.payload, "UNSIGNED-PAYLOAD")
        self.assertEqual(claim.query, [(b"acl", b"")])
        self.assertIsNone(claim.expires_seconds)
        self.assertIsNone(claim.security_token)

    def test_order_and_spaces_do_not_matter(self) -> None:
        """The three components may come in any order, with or without spaces."""
        authorization = (
            f"AWS4-HMAC-SHA256 Signature=ab,SignedHeaders=host;x-amz-date,Credential={_CREDENTIAL}"
        )
        claim = read_claim(request("GET", "/", {**_HEADERS, "Authorization": authorization}))
        self.assertEqual(claim, read_claim(request("GET", "/", _HEADERS)))

    def test_an_access_key_may_hold_slashes(self) -> None:
        """The scope is split off from the right."""
        headers = {**_HEADERS, "Authorization": _AUTHORIZATION.replace(ACCESS_KEY, "a/b")}
        self.assertEqual(read_claim(request("GET", "/", headers)).access_key, "a/b")

    def test_components_are_required_once(self) -> None:
        """A missing, repeated or unknown component makes the header malformed."""
        for authorization in (
            "AWS4-HMAC-SHA256",
            f"AWS4-HMAC-SHA256 Credential={_CREDENTIAL}, SignedHeaders=host",
            f"{_AUTHORIZATION}, Signature=cd",
            f"{_AUTHORIZATION}, Other=x",
            _AUTHORIZATION.replace("Signature", "signature"),
            _AUTHORIZATION.replace("Signature=ab", "Signature=ü"),
            f"{_AUTHORIZATION},{_AUTHORIZATION}",
        ):
            self.refused(AuthorizationHeaderMalformed, {**_HEADERS, "Authorization": authorization})

    def test_credentials_have_five_parts(self) -> None:
        """A credential without key or scope, or with another ending, is malformed."""
        for credential in (
            "",
            ACCESS_KEY,
            "/20130524/us-east-1/s3/aws4_request",
            f"{ACCESS_KEY}/20130524/us-east-1/aws4_request",
            f"{ACCESS_KEY}/20130524/us-east-1/s3/aws4_requesT",
        ):
            authorization = _AUTHORIZATION.replace(_CREDENTIAL, credential)
            self.refused(AuthorizationHeaderMalformed, {**_HEADERS, "Authorization": authorization})

    def test_x_amz_date_goes_before_date(self) -> None:
        """With both headers x-amz-date is the time; with one of them, that one is."""
        date = "Fri, 24 May 2013 00:00:09 GMT"
        both = read_claim(request("GET", "/", {**_HEADERS, "Date": date}))
        alone = read_claim(request("GET", "/", {**_without(_HEADERS, "x-amz-date"), "Date": date}))
        self.assertEqual(both.timestamp, "20130524T000000Z")
        self.assertEqual(alone.timestamp, "20130524T000009Z")
        self.assertEqual(alone.time_us, _TIME_US + 9_000_000)

    def test_a_time_is_required(self) -> None:
        """Without a valid time in either header the request is denied."""
        for date in (
            "",
            "yesterday",
            "Fri, 24 May 2013 00:00:00 +0200",
            "20130524",
            "2013-05-24T00:00:00Z",
            "20131324T000000Z",
        ):
            self.refused(AccessDenied, {**_HEADERS, "x-amz-date": date})
            self.refused(AccessDenied, {**_without(_HEADERS, "x-amz-date"), "Date": date})
        self.refused(AccessDenied, _without(_HEADERS, "x-amz-date"))

    def test_the_payload_must_be_declared(self) -> None:
        """x-amz-content-sha256 is required."""
        self.refused(MissingContentSHA256, _without(_HEADERS, "x-amz-content-sha256"))

    def test_a_security_token_is_read(self) -> None:
        """The token of temporary credentials is part of the claim."""
        claim = read_claim(request("GET", "/", {**_HEADERS, "x-amz-security-token": "t"}))
        self.assertEqual(claim.security_token, "t")

    def test_other_schemes_are_refused(self) -> None:
        """Signature Version 2, 4A and schemes of HTTP are told apart."""
        for authorization, error in {
            f"AWS {ACCESS_KEY}:c2lnbmF0dXJl": UnsupportedSignatureVersion,
            _AUTHORIZATION.replace("HMAC", "ECDSA-P256"): UnsupportedSignatureAlgorithm,
            "Bearer token": UnsupportedAuthorizationType,
            "Basic dXNlcjpwYXNz": UnsupportedAuthorizationType,
            "": UnsupportedAuthorizationType,
        }.items():
            self.refused(error, {**_HEADERS, "Authorization": authorization})


class QueryTests(ClaimTestCase):
    def test_all_parts_are_read(self) -> None:
        """Key, scope, time, expiry, signed headers and signature come from the query, and the
        payload is unsigned."""
        claim = read_claim(request("GET", _target(_PARAMETERS), _HOST))
        self.assertEqual(claim.access_key, ACCESS_KEY)
        self.assertEqual(claim.scope, Scope("20130524", "us-east-1", "s3"))
        self.assertEqual((claim.timestamp, claim.time_us), ("20130524T000000Z", _TIME_US))
        self.assertEqual(claim.signed_headers, (b"host",))
        self.assertEqual(claim.signature, "ab")
        self.assertEqual(claim.expires_seconds, 60)
        self.assertEqual(claim.payload, "UNSIGNED-PAYLOAD")
        self.assertNotIn(b"X-Amz-Signature", dict(claim.query))

    def test_payload_and_token_come_from_query_or_header(self) -> None:
        """Both may be parameters or headers."""
        target = _target(_PARAMETERS, "&X-Amz-Content-Sha256=p&X-Amz-Security-Token=t")
        headers = {**_HOST, "x-amz-content-sha256": "p", "x-amz-security-token": "t"}
        for claim in (
            read_claim(request("GET", target, _HOST)),
            read_claim(request("GET", _target(_PARAMETERS), headers)),
        ):
            self.assertEqual((claim.payload, claim.security_token), ("p", "t"))

    def test_every_parameter_is_required(self) -> None:
        """A query that lacks one of the six is refused."""
        for name in _PARAMETERS:
            self.refused(
                AuthorizationQueryParametersError,
                _HOST,
                _target(_without(_PARAMETERS, name)),
            )

    def test_repeated_parameters_are_refused(self) -> None:
        """An X-Amz-* parameter given twice, in whatever case, is refused."""
        for more in ("&X-Amz-Date=20130524T000000Z", "&x-amz-date=x", "&X-Amz-Foo=1&X-Amz-Foo=1"):
            self.refused(AuthorizationQueryParametersError, _HOST, _target(_PARAMETERS, more))

    def test_expiry_has_limits(self) -> None:
        """From one second to seven days, in digits."""
        for expires in ("1", "604800"):
            target = _target({**_PARAMETERS, "X-Amz-Expires": expires})
            claim = read_claim(request("GET", target, _HOST))
            self.assertEqual(claim.expires_seconds, int(expires))
        for expires in ("0", "604801", "-1", "", "1.5", "ten", "9" * 5000, "%D9%A1"):
            target = _target({**_PARAMETERS, "X-Amz-Expires": expires})
            self.refused(AuthorizationQueryParametersError, _HOST, target)

    def test_malformed_values_are_refused(self) -> None:
        """A wrong algorithm, credential or date, and other characters than printable ASCII."""
        for name, value in {
            "X-Amz-Algorithm": "AWS3",
            "X-Amz-Credential": ACCESS_KEY,
            "X-Amz-Date": "Fri, 24 May 2013 00:00:00 GMT",
            "X-Amz-Signature": "%C3%BC",
            "X-Amz-SignedHeaders": "host%0A",
        }.items():
            target = _target({**_PARAMETERS, name: value})
            self.refused(AuthorizationQueryParametersError, _HOST, target)

    def test_other_versions_are_refused(self) -> None:
        """Signature Version 2 and 4A in the query are named as what they are."""
        v2 = f"/b/k?AWSAccessKeyId={ACCESS_KEY}&Expires=1&Signature=x"
        self.refused(UnsupportedSignatureVersion, _HOST, v2)
        v4a = _target({**_PARAMETERS, "X-Amz-Algorithm": "AWS4-ECDSA-P256-SHA256"})
        self.refused(UnsupportedSignatureAlgorithm, _HOST, v4a)


class PlacesTests(ClaimTestCase):
    def test_no_credentials_are_denied(self) -> None:
        """An anonymous request has no claim."""
        self.refused(AccessDenied, {"Host": "localhost"}, "/b/k?list-type=2")

    def test_credentials_in_two_places_are_refused(self) -> None:
        """Credentials in the query beside an Authorization header are refused, however
        incomplete, encoded or equal they are: nobody may read the one and check the other
        (MinIO, CVE-2026-41145)."""
        for more in (
            f"X-Amz-Credential={_CREDENTIAL}",
            f"X-Amz%2DCredential={_CREDENTIAL}",
            "X-Amz-Algorithm",
            "X-Amz-Signature=ab",
            _target(_PARAMETERS).partition("?")[2],
            f"AWSAccessKeyId={ACCESS_KEY}",
            "Signature=x",
        ):
            self.refused(SeveralAuthMechanisms, _HEADERS, f"/b/k?{more}")

    def test_two_versions_in_the_query_are_refused(self) -> None:
        """Signature Versions 2 and 4 in one query are refused."""
        target = _target(_PARAMETERS, f"&AWSAccessKeyId={ACCESS_KEY}&Signature=x")
        self.refused(SeveralAuthMechanisms, {"Host": "localhost"}, target)
