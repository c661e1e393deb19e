"""What we sign, judged by botocore and by our own verification."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.canonical import parse_query
from objectd.auth.claim import UNSIGNED_PAYLOAD, read_claim
from objectd.auth.errors import SignatureDoesNotMatch
from objectd.auth.signing import KeyPair, presigned, signed
from objectd.auth.sigv4 import verify
from objectd.protocol.messages import HttpRequest
from objectd.test.auth.signing import ACCESS_KEY, HOST, SECRET_KEY

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
PAIR = KeyPair(ACCESS_KEY, SECRET_KEY)
TEMPORARY = KeyPair(ACCESS_KEY, SECRET_KEY, "a/session+token=")
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

TEXT = st.text(min_size=1)
HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).map(str.strip)
# With a letter before it no name is that of a parameter which carries a signature itself.
QUERIES = st.lists(st.tuples(TEXT.map("q{}".format), st.none() | TEXT), max_size=4)
PAIRS = st.sampled_from([PAIR, TEMPORARY])


def unsigned(
    key: str, query: list[tuple[str, str | None]], metadata: str = "", method: str = "GET"
) -> HttpRequest:
    target = "/bucket/" + quote(key, safe="/")
    if query:
        target += "?" + "&".join(
            quote(name, safe="") + ("" if value is None else "=" + quote(value, safe=""))
            for name, value in query
        )
    headers = [(b"host", HOST.encode()), (b"content-type", b"text/plain")]
    if metadata:
        headers.append((b"x-amz-meta-a", metadata.encode()))
    return HttpRequest(method, target.encode(), tuple(headers), "id")


def by_botocore(request: HttpRequest, pair: KeyPair, payload: str) -> dict[str, str]:
    """The headers that botocore adds at the same moment."""
    aws_request = AWSRequest(
        request.method,
        f"http://{HOST}{request.target.decode()}",
        headers={n.decode(): v.decode() for n, v in request.headers if n != b"host"},
    )
    aws_request.context["client_config"] = None
    credentials = Credentials(pair.access_key, pair.secret_key, pair.session_token or None)
    signer = S3SigV4Auth(credentials, "s3", "us-east-1")
    signer.payload = lambda _: payload
    with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        signer.add_auth(aws_request)
    return dict(aws_request.headers)


class HeaderTests(SynchronousTestCase):
    def sign(self, request: HttpRequest, pair: KeyPair = PAIR) -> HttpRequest:
        return signed(request, pair, payload=EMPTY, region="us-east-1", now_us=NOW_US)

    @given(TEXT, QUERIES, HEADER_TEXT, PAIRS)
    def test_verified(
        self, key: str, query: list[tuple[str, str | None]], metadata: str, pair: KeyPair
    ) -> None:
        """Our own server accepts the signature, for any key, query and header."""
        request = self.sign(unsigned(key, query, metadata), pair)
        verify(request, read_claim(request), SECRET_KEY, now_us=NOW_US)

    @given(TEXT, QUERIES, HEADER_TEXT, PAIRS)
    def test_as_botocore(
        self, key: str, query: list[tuple[str, str | None]], metadata: str, pair: KeyPair
    ) -> None:
        """It is the one that botocore computes."""
        request = unsigned(key, query, metadata)
        ours = self.sign(request, pair).header(b"authorization") or b""
        theirs = by_botocore(request, pair, EMPTY)["Authorization"]
        self.assertEqual(ours.rpartition(b"=")[2].decode(), theirs.rpartition("=")[2])

    def test_covers_everything(self) -> None:
        """A request that was changed on the way is refused."""
        request = self.sign(unsigned("key", [("a", "b")], "meta"))
        changed = [
            structs.replace(request, method="PUT"),
            structs.replace(request, target=request.target + b"&c=d"),
            structs.replace(request, target=request.target.replace(b"key", b"kez")),
            structs.replace(
                request,
                headers=tuple((n, b"x" if n == b"x-amz-meta-a" else v) for n, v in request.headers),
            ),
        ]
        for each in changed:
            self.assertRaises(
                SignatureDoesNotMatch,
                verify,
                each,
                read_claim(each),
                SECRET_KEY,
                now_us=NOW_US,
            )

    def test_secrets_are_not_shown(self) -> None:
        """A key pair can be logged."""
        self.assertEqual(repr(TEMPORARY), f"KeyPair(access_key={ACCESS_KEY!r})")


class QueryTests(SynchronousTestCase):
    def presign(self, request: HttpRequest, pair: KeyPair = PAIR, seconds: int = 60) -> HttpRequest:
        return presigned(request, pair, region="us-east-1", now_us=NOW_US, expires_seconds=seconds)

    @given(TEXT, QUERIES, HEADER_TEXT, PAIRS)
    def test_verified(
        self, key: str, query: list[tuple[str, str | None]], metadata: str, pair: KeyPair
    ) -> None:
        """Our own server accepts the URL, for any key, query and header."""
        request = self.presign(unsigned(key, query, metadata), pair)
        claim = read_claim(request)
        self.assertEqual(claim.payload, UNSIGNED_PAYLOAD)
        verify(request, claim, SECRET_KEY, now_us=NOW_US + 59_000_000)

    @given(TEXT, PAIRS)
    def test_as_botocore(self, key: str, pair: KeyPair) -> None:
        """The signature is the one that botocore computes."""
        request = HttpRequest(
            "GET", b"/bucket/" + quote(key, safe="/").encode(), ((b"host", HOST.encode()),), "id"
        )
        credentials = Credentials(pair.access_key, pair.secret_key, pair.session_token or None)
        aws_request = AWSRequest("GET", f"http://{HOST}{request.target.decode()}")
        with patch("botocore.auth.get_current_datetime", return_value=NOW.replace(tzinfo=None)):
            S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=60).add_auth(aws_request)
        theirs = dict(parse_query(aws_request.url.partition("?")[2].encode()))
        self.assertEqual(dict(parse_query(self.presign(request, pair).raw_query)), theirs)

    def test_metadata_moves(self) -> None:
        """x-amz-* headers become a part of the URL, so that its user need not send them."""
        request = self.presign(unsigned("k", [], "meta & more"))
        self.assertEqual([name for name, _ in request.headers], [b"host", b"content-type"])
        self.assertIn((b"x-amz-meta-a", b"meta & more"), parse_query(request.raw_query))

    def test_times(self) -> None:
        """A URL lives for a second up to a week."""
        for seconds in (0, -1, 604801):
            self.assertRaises(ValueError, self.presign, unsigned("k", []), PAIR, seconds)
        for seconds in (1, 604800):
            self.presign(unsigned("k", []), PAIR, seconds)
