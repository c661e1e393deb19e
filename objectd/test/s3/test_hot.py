"""The hot leaf does what the long way does, and leaves to it whatever is not plain."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import event, given
from hypothesis import strategies as st
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.signing import signed
from objectd.model.lifecycle import LifecycleFilter, LifecycleRule
from objectd.model.records import DefaultEncryption, Scheme, Versioning
from objectd.objects.encryption import CustomerKey, EncryptionWanted
from objectd.protocol.messages import HttpRequest
from objectd.s3.plain import recognised
from objectd.test.s3.twins import HOST, KEYS, MODEL, NOW_US, Request, Twin, requests
from objectd.testing.s3 import result_of

TARGETS = {
    "GetObject": ("GET", b"/bucket/key"),
    "HeadObject": ("HEAD", b"/bucket/key"),
    "PutObject": ("PUT", b"/bucket/key"),
    "DeleteObject": ("DELETE", b"/bucket/key"),
    "ListObjectsV2": ("GET", b"/bucket?list-type=2"),
}
READS = {b"x-amz-checksum-mode"}
TAKEN: dict[str, set[bytes]] = {
    "GetObject": READS,
    "HeadObject": READS,
    "PutObject": {
        b"cache-control",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-md5",
        b"content-type",
        b"x-amz-checksum-crc32",
        b"x-amz-checksum-crc32c",
        b"x-amz-checksum-crc64nvme",
        b"x-amz-checksum-md5",
        b"x-amz-checksum-sha1",
        b"x-amz-checksum-sha256",
        b"x-amz-checksum-sha512",
        b"x-amz-checksum-xxhash128",
        b"x-amz-checksum-xxhash3",
        b"x-amz-checksum-xxhash64",
        b"x-amz-meta-",
        b"x-amz-sdk-checksum-algorithm",
    },
    "DeleteObject": set(),
    "ListObjectsV2": set(),
}
"""By operation, the headers of AWS's model that the leaf looks at."""


def _plain(operation: str, *fields: tuple[bytes, bytes]) -> HttpRequest:
    method, target = TARGETS[operation]
    length = () if b"content-length" in dict(fields) else ((b"content-length", b"0"),)
    return HttpRequest(method, target, (HOST, *length, *fields), request_id="id")


def _model_headers(operation: str) -> Iterator[bytes]:
    shape = MODEL.operations[operation].input
    assert shape is not None
    for member in shape.members.values():
        if member.location in ("header", "headers"):
            yield member.wire_name.lower().encode()


class RecognitionTests(SynchronousTestCase):
    """What counts as plain."""

    def test_plain_forms(self) -> None:
        """The five operations are recognised."""
        for operation in TARGETS:
            found = recognised(_plain(operation), ())
            assert found is not None
            self.assertEqual((found.operation, found.bucket), (operation, "bucket"))

    def test_every_header_of_the_model(self) -> None:
        """A header that AWS gives an operation is taken, or makes the request not plain."""
        for operation in TARGETS:
            taken = {
                header
                for header in _model_headers(operation)
                if recognised(_plain(operation, (header, b"0")), ()) is not None
            }
            self.assertEqual(taken, TAKEN[operation], operation)

    def test_every_parameter_of_the_model(self) -> None:
        """Of the parameters only those of a page are plain."""
        for operation, (_, target) in TARGETS.items():
            names = MODEL.operations[operation].query_names
            mark = b"&" if b"?" in target else b"?"
            plain = {
                name
                for name in names
                if recognised(
                    structs.replace(
                        _plain(operation), target=target + mark + name.encode() + b"=1"
                    ),
                    (),
                )
            }
            self.assertEqual(plain, names if operation == "ListObjectsV2" else set())

    @given(
        st.sampled_from(sorted(TARGETS)),
        st.one_of(
            st.from_regex(rb"[a-z][a-z0-9-]{0,20}", fullmatch=True),
            st.from_regex(rb"(x-amz-|if-|content-)[a-z-]{1,12}", fullmatch=True),
        ),
    )
    def test_no_other_header(self, operation: str, name: bytes) -> None:
        """A header that nobody listed is never dropped: the request is not plain."""
        if recognised(_plain(operation, (name, b"0")), ()) is not None:
            along = name in ALONG or (name == b"content-type" and operation != "PutObject")
            self.assertTrue(along or name.startswith(b"x-amz-meta-") or name in TAKEN[operation])

    def test_repeated_headers(self) -> None:
        """A header that comes twice makes a request not plain."""
        for name in (b"host", b"content-type", b"x-amz-meta-a"):
            self.assertIsNone(recognised(_plain("PutObject", (name, b"a"), (name, b"a")), ()))

    def test_other_targets(self) -> None:
        """Buckets in hosts, absolute forms and what cannot be decoded are not plain."""
        self.assertIsNone(recognised(_plain("GetObject"), ("test:9000", "test")))
        for target in (b"http://s3.test/bucket/key", b"/bucket/%zz", b"/bucket/%ff", b"*", b"/"):
            request = structs.replace(_plain("GetObject"), target=target)
            self.assertIsNone(recognised(request, ()), target)

    def test_large_bodies(self) -> None:
        """Only small bodies of known length are plain."""
        for length in (b"65537", b"99999999999999999999", b"-1", b"", b"1,1", b"\xb2"):
            self.assertIsNone(recognised(_plain("PutObject", (b"content-length", length)), ()))
        self.assertIsNotNone(recognised(_plain("PutObject", (b"content-length", b"65536")), ()))


ALONG = {
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"amz-sdk-invocation-id",
    b"amz-sdk-request",
    b"authorization",
    b"connection",
    b"content-length",
    b"expect",
    b"host",
    b"user-agent",
    b"x-amz-content-sha256",
    b"x-amz-date",
    b"x-amz-decoded-content-length",
    b"x-amz-trailer",
    b"x-amz-user-agent",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-real-ip",
}
"""Headers that say nothing of what an operation does, or are read with its signature."""


MODES = st.sampled_from(Versioning)
ENCRYPTION = b"x-amz-server-side-encryption"


class TwinTests(SynchronousTestCase):
    """One server answers by the hot leaf where it can, its twin never does."""

    @given(MODES, st.lists(requests(), min_size=1, max_size=6), MODES)
    def test_same_answers_and_state(
        self, mode: Versioning, asked: list[Request], later: Versioning
    ) -> None:
        """Status, headers, body and every row in the end are the same, and no read is left,
        whether versions are kept or not."""
        hot, long = Twin(), Twin()
        for number, request in enumerate(asked):
            for twin in (hot, long):
                twin.set_versioning(later if number == 3 else mode if not number else None)
            plain = recognised(request.head, ("s3.test",))
            event("long" if plain is None else plain.operation)
            expected = long.ask(long.application.respond_at_length, request)
            event(f"{'long' if plain is None else 'hot'} {expected.status}")
            self.assertEqual(hot.ask(hot.application.respond, request), expected)
        self.assertEqual(hot.state(), long.state())
        self.assertEqual((hot.reads_under_way, long.reads_under_way), (0, 0))

    def test_an_object_again_and_again(self) -> None:
        """What is remembered of a record is that of the record that is there now."""
        server = Twin()
        for data in (b"one", b"two", b"", b"x" * 80_000, b"three"):
            self._put(server, data)
            for _ in range(2):
                for method in ("GET", "HEAD"):
                    request = self._signed(method)
                    seen = server.ask(server.application.respond, request)
                    expected = server.ask(server.application.respond_at_length, request)
                    self.assertEqual(seen, expected)
                    self.assertEqual(seen.content_length, len(data))

    def test_what_is_known_and_what_is_not(self) -> None:
        """An answer is the same if rows have to be waited for, and ends its read."""
        for data in (b"", b"one", b"x" * 80_000):
            for encryption in (None, EncryptionWanted(Scheme.SSE_S3)):
                server = Twin()
                put = server.store.objects.put("bucket", "key", data, encryption=encryption)
                result_of(put)
                for method in ("GET", "GET", "HEAD"):
                    request = self._signed(method)
                    known = server.ask(server.application.respond, request)
                    patch = self.patch(server.metadata, "known", lambda keys: None)
                    waited = server.ask(server.application.respond, request)
                    patch.restore()
                    self.assertEqual(known, waited)
                    self.assertEqual(known.content_length, len(data))
                self.assertEqual(server.reads_under_way, 0)

    def test_versioning_is_enabled(self) -> None:
        """What is remembered of an object is told anew when versions begin to be kept."""
        server = Twin()
        self._put(server, b"hello")
        for mode in (Versioning.NEVER, Versioning.ENABLED, Versioning.SUSPENDED):
            server.set_versioning(mode)
            for method in ("GET", "HEAD", "GET", "HEAD"):
                request = self._signed(method)
                seen = server.ask(server.application.respond, request)
                expected = server.ask(server.application.respond_at_length, request)
                self.assertEqual(seen, expected)
                told = dict(seen.headers).get(b"x-amz-version-id")
                self.assertEqual(told, b"null" if mode else None)

    def test_encrypted(self) -> None:
        """Both ways encrypt by default, and show how, with the version and its end."""
        for scheme in (Scheme.SSE_S3, Scheme.SSE_KMS, Scheme.DSSE_KMS):
            server = Twin()
            server.set_versioning(Versioning.ENABLED)
            result_of(server.store.bucket_encryption.put("bucket", DefaultEncryption(scheme)))
            rule = LifecycleRule("r", True, LifecycleFilter(), expire_days=1)
            result_of(server.store.lifecycles.put("bucket", [rule]))
            for data in (b"", b"small", b"x" * 60_000):
                length = (b"content-length", b"%d" % len(data))
                request = self._signed("PUT", length, body=data)
                expected = server.ask(server.application.respond_at_length, request)
                seen = server.ask(server.application.respond, request)
                self.assertEqual((seen.status, expected.status), (200, 200))
                names = {name.lower() for name, _ in seen.headers}
                self.assertEqual(names, {name.lower() for name, _ in expected.headers})
                for name in (b"x-amz-version-id", b"x-amz-expiration", ENCRYPTION):
                    self.assertIn(name, names)
                for method in ("GET", "HEAD"):
                    request = self._signed(method)
                    expected = server.ask(server.application.respond_at_length, request)
                    for _ in range(2):
                        seen = server.ask(server.application.respond, request)
                        self.assertEqual(seen, expected)
                    self.assertIn(ENCRYPTION, dict(seen.headers))

    def test_for_a_customer(self) -> None:
        """What is encrypted for a customer's key is shown neither way without that."""
        server = Twin()
        key = CustomerKey(bytes(32), "")
        wanted = EncryptionWanted(Scheme.SSE_C, customer_key=key)
        result_of(server.store.objects.put("bucket", "key", b"data", encryption=wanted))
        for method in ("GET", "HEAD"):
            request = self._signed(method)
            seen = server.ask(server.application.respond, request)
            self.assertEqual(seen.status, 400)
            self.assertEqual(seen, server.ask(server.application.respond_at_length, request))
        self.assertEqual(server.reads_under_way, 0)

    def _put(self, server: Twin, data: bytes) -> None:
        request = self._signed("PUT", (b"content-length", b"%d" % len(data)), body=data)
        self.assertEqual(server.ask(server.application.respond, request).status, 200)

    def _signed(self, method: str, *fields: tuple[bytes, bytes], body: bytes = b"") -> Request:
        head = HttpRequest(method, b"/bucket/key", (HOST, *fields), request_id="id")
        signed_head = signed(head, KEYS, payload="UNSIGNED-PAYLOAD", region="mars", now_us=NOW_US)
        return Request(signed_head, body, at_once=True)
