"""What a client says does not become what the server says or keeps for itself."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import structs

from objectd.model.records import ObjectHead
from objectd.objects import Object
from objectd.test.s3.wire import BUCKET, WireTestCase, authentic, authentic_url, head_bytes
from objectd.testing.http import Connection
from objectd.testing.s3 import result_of

KEPT_NAMES = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
    "x-amz-meta-a",
)
OVERRIDES = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
CONTROLS = [chr(code) for code in (*range(9), *range(10, 32), 127)]


class HeaderTests(WireTestCase):
    """Control characters in what is echoed (Ceph CVE-2021-3524, CVE-2020-10753,
    CVE-2015-5245)."""

    def test_overrides(self) -> None:
        """A `response-*` parameter with a control character is refused, encoded as it is."""
        for name in OVERRIDES:
            for control in CONTROLS:
                value = f"a%{ord(control):02x}X-Injected:%20b"
                request = authentic_url("GET", f"/{BUCKET}/kept?response-{name}={value}")
                response = self.send(request).response
                self.assertEqual(response.status, 400, (name, control))
                self.assertIsNone(response.header(b"x-injected"))

    def test_overrides_need_a_signature(self) -> None:
        """Without a signature nobody chooses the headers of an answer."""
        request = authentic("GET", f"/{BUCKET}/kept?response-content-type=text/html")
        anonymous = structs.replace(request, headers=((b"host", b"s3"),))
        self.assertEqual(self.send(anonymous).response.status, 403)

    def test_kept_headers(self) -> None:
        """Nor is such a header kept with an object, sent as one or hoisted into the query."""
        before = self.contents()
        target = f"/{BUCKET}/new"
        for name in KEPT_NAMES:
            for control in CONTROLS:
                value = f"a{control}X-Injected: b"
                request = authentic("PUT", target, payload="UNSIGNED-PAYLOAD")
                line = f"{name}: {value}".encode()
                connection = Connection(self.server.site)
                connection.send(head_bytes(request, b"content-length: 0", line))
                [response] = connection.responses(["PUT"])
                connection.disconnect()
                self.assertEqual(response.status, 400, (name, control))
        for name in ("x-amz-website-redirect-location", "x-amz-meta-a"):
            for control in CONTROLS:
                query = f"{name}=a%{ord(control):02x}X-Injected:%20b"
                response = self.send(authentic_url("PUT", f"{target}?{query}")).response
                self.assertEqual(response.status, 400, (name, control))
        self.assertEqual(self.contents(), before)

    def test_encoded_words(self) -> None:
        """Metadata may hold any character in an encoded word, and goes out in one again."""
        words = {"x-amz-meta-a": "=?UTF-8?B?YQ0KWC1JbmplY3RlZDogYg==?="}
        request = authentic("PUT", f"/{BUCKET}/new", words, payload="UNSIGNED-PAYLOAD")
        self.assertEqual(self.send(request).response.status, 200)
        response = self.send(authentic("GET", f"/{BUCKET}/new")).response
        self.assertIsNone(response.header(b"x-injected"))
        self.assertEqual(response.header(b"x-amz-meta-a"), words["x-amz-meta-a"].encode())

    def test_origin_and_host(self) -> None:
        """Neither Origin nor Host appears in the answer of a bucket without CORS rules."""
        for field in (b"origin: https://evil.example", b"access-control-request-method: PUT"):
            request = authentic("GET", f"/{BUCKET}/kept")
            connection = Connection(self.server.site)
            connection.send(head_bytes(request, field))
            self.assertNotIn(b"evil.example", connection.received)
            self.assertNotIn(b"access-control", connection.received.lower())
            connection.disconnect()

    def test_markup(self) -> None:
        """Markup in a path, a parameter or a Host is escaped in an error document, which is
        XML and nothing else."""
        for target in ("/%3Cscript%3E/k", f"/{BUCKET}?max-keys=%3Cscript%3E"):
            response = self.send(authentic("GET", target)).response
            self.assertGreaterEqual(response.status, 400)
            self.assertEqual(response.header(b"content-type"), b"application/xml")
            self.assertNotIn(b"<script>", response.body)


class InternalFieldTests(WireTestCase):
    """Headers of clients that bear the names of internals (MinIO GHSA-3rh2)."""

    def names(self) -> Iterator[str]:
        record_fields = {field.name for field in msgspec.structs.fields(ObjectHead)}
        for field in sorted(record_fields | {"source", "codec", "blob", "payload", "version"}):
            for prefix in ("x-amz-", "x-objectd-", "x-minio-internal-", "x-rgw-", "objectd-"):
                yield prefix + field.replace("_", "-")
        yield from (
            "x-minio-internal-server-side-encryption-iv",
            "x-amz-meta-x-amz-unencrypted-content-length",
            "x-amz-delete-marker",
            "x-amz-version-id",
            "x-amz-mp-parts-count",
            "x-amz-replication-status",
            "x-amz-missing-meta",
            "x-amz-restore",
            "x-amz-expiration",
            "etag",
            "last-modified",
            "content-range",
            "x-amz-request-id",
        )

    def stored(self, key: str) -> Object:
        return result_of(self.server.store.objects.head(BUCKET, key))

    def test_no_internal_field(self) -> None:
        """Such a header is refused or without effect: the object is as it would be without."""
        plain = self.put("plain", {})
        for name in self.names():
            for value in ("1", "x", "9223372036854775808", ""):
                if name.startswith("x-amz-meta-"):
                    self.put("new", {name: value})
                    self.assertEqual(self.read("new"), b"data")
                    continue
                found = self.put("new", {name: value})
                if found is None:
                    continue
                self.assertEqual(found.tail, plain and plain.tail, name)
                self.assertEqual(self.comparable(found), self.comparable(plain), name)
                self.assertEqual(self.read("new"), b"data")

    def put(self, key: str, headers: dict[str, str]) -> Object | None:
        """What is stored, or None if it was refused."""
        request = authentic("PUT", f"/{BUCKET}/{key}", headers, payload="UNSIGNED-PAYLOAD")
        status = self.send(request, b"data").response.status
        self.assertLess(status, 502)
        self.assertNotEqual(status, 500)
        return self.stored(key) if status == 200 else None

    def read(self, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def comparable(self, found: Object | None) -> ObjectHead | None:
        if found is None:
            return None
        return msgspec.structs.replace(found.head, modified_us=0, version=b"")
