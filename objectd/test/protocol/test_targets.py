"""Request targets: what is bucket, what is key, and what is refused."""

from collections.abc import Sequence
from urllib.parse import quote, quote_from_bytes

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.errors import S3Error
from objectd.protocol.messages import HttpRequest
from objectd.protocol.targets import (
    Scope,
    Target,
    origin_form,
    parse_query,
    parse_target,
    with_hoisted_headers,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
DOMAINS = ("example.com", "s3.example.com")


def target_of(target: bytes, host: bytes = b"", domains: Sequence[str] = ()) -> Target:
    headers = ((b"host", host),) if host else ()
    return parse_target(origin_form(HttpRequest("GET", target, headers, "id")), domains)


class PathTests(SynchronousTestCase):
    def test_scopes(self) -> None:
        """The first segment is the bucket, all that follows its slash is the key."""
        for target, scope, bucket, key in (
            (b"/", Scope.SERVICE, None, None),
            (b"/b", Scope.BUCKET, "b", None),
            (b"/b/", Scope.BUCKET, "b", None),
            (b"/b/k", Scope.OBJECT, "b", "k"),
            (b"/b/k/", Scope.OBJECT, "b", "k/"),
            (b"/b//", Scope.OBJECT, "b", "/"),
            (b"/b//k", Scope.OBJECT, "b", "/k"),
            (b"/b/.", Scope.OBJECT, "b", "."),
            (b"/b/../x", Scope.OBJECT, "b", "../x"),
            (b"/b/%2e%2e/x", Scope.OBJECT, "b", "../x"),
            (b"/b/a%2Fb", Scope.OBJECT, "b", "a/b"),
            (b"/b/a%252Fb", Scope.OBJECT, "b", "a%2Fb"),
            (b"/b/a+b%20c", Scope.OBJECT, "b", "a+b c"),
            (b"/b/a;x=1", Scope.OBJECT, "b", "a;x=1"),
            (b"/b/a%3Facl", Scope.OBJECT, "b", "a?acl"),
            (b"/b/%00%5c", Scope.OBJECT, "b", "\0\\"),
            (b"/b%2Fc/k", Scope.OBJECT, "b/c", "k"),
            (b"/b/\xc3\xa4", Scope.OBJECT, "b", "ä"),
        ):
            self.assertEqual(target_of(target), Target(scope, bucket, key, ()), target)

    def test_refused(self) -> None:
        """What does not decode to UTF-8, or names no bucket, is refused."""
        for target, code in (
            (b"/b/%zz", "InvalidURI"),
            (b"/b/%4", "InvalidURI"),
            (b"/b/%", "InvalidURI"),
            (b"/b/%ff", "InvalidURI"),
            (b"/b/%c0%af", "InvalidURI"),
            (b"/b/%ed%a0%80", "InvalidURI"),
            (b"/b/k?prefix=%ff", "InvalidURI"),
            (b"*", "InvalidURI"),
            (b"example.com:443", "InvalidURI"),
            (b"", "InvalidURI"),
            (b"//k", "InvalidBucketName"),
        ):
            with self.assertRaises(S3Error) as caught:
                target_of(target)
            self.assertEqual(caught.exception.code, code, target)

    def test_absolute_form(self) -> None:
        """An absolute-form is taken apart if its authority is the Host header's."""
        self.assertEqual(target_of(b"http://s3:9000/b/k?acl", b"s3:9000").bucket, "b")
        self.assertEqual(target_of(b"HTTP://localhost", b"localhost").scope, Scope.SERVICE)
        host = b"b.s3.example.com"
        found = target_of(b"http://" + host + b"/k", host, DOMAINS)
        self.assertEqual((found.bucket, found.key), ("b", "k"))
        with self.assertRaises(S3Error):
            target_of(b"http://b.s3.example.com/k", b"other.s3.example.com", DOMAINS)

    @settings(deadline=None)
    @given(_TEXT, st.sampled_from(["", "/", "/~", "/+;=@:&$,!*'()"]))
    def test_any_key(self, key: str, safe: str) -> None:
        """Any key comes out as it was, however much of it the client encodes."""
        self.assertEqual(target_of(b"/b/" + quote(key, safe=safe).encode()).key, key)

    @settings(deadline=None)
    @given(st.binary(min_size=1))
    def test_any_bytes(self, raw: bytes) -> None:
        """A key is exactly the bytes that were sent, or refused if they are not UTF-8."""
        target = b"/b/" + quote_from_bytes(raw, safe="").encode()
        try:
            raw.decode()
        except UnicodeDecodeError:
            with self.assertRaises(S3Error):
                target_of(target)
        else:
            self.assertEqual((target_of(target).key or "").encode(), raw)


class HostTests(SynchronousTestCase):
    def test_hosts(self) -> None:
        """Below a configured domain the host names the bucket; else the path does."""
        for host, bucket, key in (
            (b"photos.s3.example.com", "photos", "b/k"),
            (b"photos.s3.example.com:9000", "photos", "b/k"),
            (b"Photos.S3.Example.com.", "photos", "b/k"),
            (b"my.photos.s3.example.com", "my.photos", "b/k"),
            (b"photos.example.com", "photos", "b/k"),
            (b"s3.example.com", "b", "k"),
            (b"example.com:80", "b", "k"),
            (b".s3.example.com", "b", "k"),
            (b"notexample.com", "b", "k"),
            (b"127.0.0.1:9000", "b", "k"),
            (b"[::1]:9000", "b", "k"),
            (b"", "b", "k"),
        ):
            found = target_of(b"/b/k", host, DOMAINS)
            self.assertEqual((found.bucket, found.key), (bucket, key), host)

    def test_bucket_only(self) -> None:
        """Below a domain the root path is the bucket."""
        found = target_of(b"/?acl", b"photos.example.com", DOMAINS)
        self.assertEqual(found, Target(Scope.BUCKET, "photos", None, (("acl", None),)))


class QueryTests(SynchronousTestCase):
    def test_pairs(self) -> None:
        """Order, duplicates and what has no value are kept; a semicolon separates nothing."""
        for raw, pairs in (
            (b"acl", (("acl", None),)),
            (b"acl=", (("acl", ""),)),
            (b"a=1&a=2&&b", (("a", "1"), ("a", "2"), ("b", None))),
            (b"a=1;b=2", (("a", "1;b=2"),)),
            (b"a=b=c", (("a", "b=c"),)),
            (b"prefix=a+b%2Bc%20d", (("prefix", "a b+c d"),)),
            (b"a%3Db=%26", (("a=b", "&"),)),
            (b"=x", (("", "x"),)),
            (b"a=?b", (("a", "?b"),)),
        ):
            self.assertEqual(parse_query(raw), pairs)

    @settings(deadline=None)
    @given(st.lists(st.tuples(_TEXT, _TEXT)))
    def test_any_pairs(self, pairs: list[tuple[str, str]]) -> None:
        """Any names and values come out as they were."""
        raw = "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in pairs)
        self.assertEqual(parse_query(raw.encode()), tuple(pairs))


SIGNATURE = {
    b"x-amz-algorithm",
    b"x-amz-credential",
    b"x-amz-date",
    b"x-amz-expires",
    b"x-amz-signature",
    b"x-amz-signedheaders",
}


def hoisted_names() -> st.SearchStrategy[bytes]:
    """Names of parameters: of the signature, near those, of other headers, some encoded."""
    names = [name.title() for name in sorted(SIGNATURE)]
    near = [b"x-amz-dat", b"x-amz-dated", b"x-amz-", b"x-amz", b"X-Amz-Trailer", b"x-amz-acl"]
    others = [b"prefix", b"xx-amz-acl", b"x-id", b"", b"x%2Damz-acl", b"%78-amz-date", b"a%20b"]
    return st.sampled_from([*names, *near, *others])


class HoistedHeaderTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.lists(st.tuples(hoisted_names(), st.sampled_from([b"", b"=", b"=1"]))))
    def test_all_but_the_signature(self, parameters: list[tuple[bytes, bytes]]) -> None:
        """Every x-amz- parameter is a header too, however it is written; those of a signature
        may be left out."""
        query = b"&".join(name + rest for name, rest in parameters)
        headers = with_hoisted_headers(HttpRequest("GET", b"/?" + query, (), "1")).headers
        meant = {name.lower().encode() for name, _ in parse_query(query)}
        expected = {name for name in meant if name.startswith(b"x-amz-")}
        self.assertEqual({name for name, _ in headers} - SIGNATURE, expected - SIGNATURE)
