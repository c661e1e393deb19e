"""One path, one object: what was authorised is what is stored and read (SeaweedFS
CVE-2026-54917, RustFS GHSA-8r6f, s3-proxy CVE-2026-42882)."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from objectd.protocol.messages import HttpRequest
from objectd.test.fuzz.heads import Head, Keys, sign_in_header
from objectd.test.s3.wire import BUCKET, WireTestCase
from objectd.testing.s3 import ACCESS_KEY, SECRET_KEY

OTHER = "victim"

PATHS = (
    b"../victim/kept",
    b"..%2Fvictim%2Fkept",
    b"%2e%2e/victim/kept",
    b"%2e%2e%2fvictim%2fkept",
    b"..%252Fvictim%252Fkept",
    b"%252e%252e%252fvictim",
    b"a/../../victim/kept",
    b"./kept",
    b"%2Fkept",
    b"/kept",
    b"//victim/kept",
    b"..\\victim\\kept",
    b"..%5cvictim%5ckept",
    b"kept;/../../victim/kept",
    b"kept%3b",
    b"kept%00.png",
    b"kept%3Fversioning",
    b"kept%23",
    b"%2e",
    b"..",
    b"kept/",
    b"kept/.",
    b"KEPT",
    b"kept%20",
    b"a+b",
    b"%e2%80%ae",
)
"""Keys as they are sent. Each is one of its own, and none of them leaves its bucket."""

NOT_UNICODE = (b"%c0%ae%c0%ae/x", b"%c0%af", b"%ed%a0%80", b"%ff", b"%", b"%zz", b"%2", b"\x80")


class PathTests(WireTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.s3.create_bucket(Bucket=OTHER)
        self.s3.put_object(Bucket=OTHER, Key="kept", Body=b"secret")

    def ask(self, method: str, path: bytes, data: bytes = b"") -> tuple[int, bytes]:
        head = Head(method, path, ((b"host", b"s3"),))
        keys = Keys(ACCESS_KEY, SECRET_KEY)
        signed = sign_in_header(head, "UNSIGNED-PAYLOAD", keys).head
        headers = tuple((name.lower(), value) for name, value in signed.fields)
        response = self.send(HttpRequest(method, path, headers, ""), data).response
        return response.status, response.body

    def keys(self, bucket: str) -> set[bytes]:
        listed = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        return {found["Key"].encode() for found in listed}

    def test_one_key_each(self) -> None:
        """A path is decoded once, and what comes out, as it is, is the key that is written,
        read and deleted in the bucket that the path begins with; nothing else is touched."""
        for path in PATHS:
            target = f"/{BUCKET}/".encode() + path
            key = unquote_to_bytes(path)
            self.assertEqual(self.ask("PUT", target, path)[0], 200, path)
            self.assertEqual(self.keys(BUCKET), {b"kept", key}, path)
            self.assertEqual(self.ask("GET", target), (200, path))
            self.assertEqual(self.ask("DELETE", target)[0], 204, path)
            self.assertEqual(self.keys(BUCKET), {b"kept"}, path)
        got = self.s3.get_object(Bucket=OTHER, Key="kept")["Body"].read()
        self.assertEqual((got, self.keys(OTHER)), (b"secret", {b"kept"}))

    def test_buckets(self) -> None:
        """The first segment is the bucket's name, whatever it looks like, so that one that no
        bucket can have finds nothing."""
        before = self.contents()
        for bucket in (
            b"..",
            b".",
            b"%2e%2e",
            b"bucket%2Fkept",
            b"bucket%00",
            b"bucket%20",
            b"BUCKET",
        ):
            for method in ("GET", "PUT", "DELETE"):
                status, body = self.ask(method, b"/" + bucket + b"/victim/kept")
                self.assertIn(status, (400, 404), (method, bucket, body))
        for path in (b"//victim/kept", b"/%2Fvictim/kept"):
            self.assertIn(self.ask("DELETE", path)[0], (400, 404), path)
        self.assertEqual(self.contents(), before)

    def test_not_unicode(self) -> None:
        """What is not UTF-8 (overlong forms, surrogates) or no escape is refused."""
        before = self.contents()
        for path in NOT_UNICODE:
            for method in ("GET", "PUT", "DELETE"):
                status, body = self.ask(method, f"/{BUCKET}/".encode() + path)
                self.assertEqual(status, 400, (method, path))
                self.assertIn(b"<Code>InvalidURI</Code>", body)
        self.assertEqual(self.contents(), before)

    def test_errors_are_quiet(self) -> None:
        """An error repeats the path as it came, and nothing of the machine."""
        for path in (b"/etc/passwd/x", b"/bucket/%2e%2e/%2e%2e/etc/passwd"):
            response = self.ask("GET", path)[1]
            self.assertIn(path, response)
            for secret in (b"root:", b"Traceback", b".py", b"/data"):
                self.assertNotIn(secret, response)
