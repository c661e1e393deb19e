"""Objects over the wire, through boto3 and the real site."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from objectd.testing.s3 import HOST, MemoryServer, result_of


class ObjectsTestCase(SynchronousTestCase):
    """Tests of one server with one bucket."""

    def setUp(self) -> None:
        self.server = MemoryServer()
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="photos")

    def refused(self, code: str, call: Any, **arguments: Any) -> ClientError:
        """The call fails with this code; returns the error."""
        error = self.assertRaises(ClientError, call, **arguments)
        self.assertEqual(error.response["Error"]["Code"], code)
        return error

    def presigned(self, operation: str) -> str:
        """The target of a presigned URL for the key k."""
        s3 = self.server.client(signature_version="s3v4", s3={"addressing_style": "path"})
        url: str = s3.generate_presigned_url(operation, {"Bucket": "photos", "Key": "k"})
        return url.removeprefix(f"http://{HOST}")

    def keys(self) -> list[str]:
        return [
            found["Key"] for found in self.s3.list_objects_v2(Bucket="photos").get("Contents", [])
        ]


class PutAndGetTests(ObjectsTestCase):
    def test_bytes_return(self) -> None:
        """What was put is what is got, whichever way the store keeps it."""
        for size_bytes in (0, 1, 65536, 65537, 3 << 20):
            body = os.urandom(size_bytes)
            put = self.s3.put_object(Bucket="photos", Key="k", Body=body)
            got = self.s3.get_object(Bucket="photos", Key="k")
            self.assertEqual(got["Body"].read(), body)
            self.assertEqual(got["ContentLength"], size_bytes)
            self.assertEqual(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
            self.assertEqual(got["ETag"], put["ETag"])

    def test_trailers(self) -> None:
        """Over TLS boto3 sends a chunked body with its checksum in a trailer; neither the
        framing nor its name reaches the object."""
        s3 = self.server.client(secure=True)
        put = s3.put_object(
            Bucket="photos", Key="k", Body=io.BytesIO(b"hello" * 9999), ContentEncoding="gzip"
        )
        got = s3.get_object(Bucket="photos", Key="k")
        self.assertEqual(got["Body"].read(), b"hello" * 9999)
        self.assertEqual(got["ContentEncoding"], "gzip")
        self.assertEqual(got["ChecksumCRC32"], put["ChecksumCRC32"])

    def test_headers_and_metadata(self) -> None:
        """The standard headers and the user's metadata come back on GET and on HEAD."""
        given_headers = {
            "CacheControl": "max-age=1",
            "ContentDisposition": "attachment",
            "ContentEncoding": "gzip",
            "ContentLanguage": "de",
            "ContentType": "text/plain; charset=utf-8",
        }
        self.s3.put_object(
            Bucket="photos", Key="k", Body=b"x", Metadata={"Owner-Name": "me"}, **given_headers
        )
        for shown in (
            self.s3.get_object(Bucket="photos", Key="k"),
            self.s3.head_object(Bucket="photos", Key="k"),
        ):
            self.assertEqual({name: shown[name] for name in given_headers}, given_headers)
            self.assertEqual(shown["Metadata"], {"owner-name": "me"})

    def test_default_content_type(self) -> None:
        """An object without a type is a binary/octet-stream."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"x")
        shown = self.s3.head_object(Bucket="photos", Key="k")
        self.assertEqual(shown["ContentType"], "binary/octet-stream")

    def test_response_overrides(self) -> None:
        """A GET may say with which headers it wants to be answered."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"x", ContentType="text/plain")
        got = self.s3.get_object(
            Bucket="photos",
            Key="k",
            ResponseContentType="image/png",
            ResponseContentDisposition="inline",
        )
        self.assertEqual((got["ContentType"], got["ContentDisposition"]), ("image/png", "inline"))

    def test_overwrite(self) -> None:
        """A second PUT takes the place of the first, headers and all."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"one", Metadata={"a": "b"})
        self.s3.put_object(Bucket="photos", Key="k", Body=b"two")
        got = self.s3.get_object(Bucket="photos", Key="k")
        self.assertEqual((got["Body"].read(), got["Metadata"]), (b"two", {}))

    def test_metadata_limit(self) -> None:
        """2 KB of metadata pass and one byte more does not."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"", Metadata={"a": "x" * 2047})
        self.refused(
            "MetadataTooLarge",
            self.s3.put_object,
            Bucket="photos",
            Key="k",
            Body=b"",
            Metadata={"a": "x" * 2048},
        )

    def test_missing(self) -> None:
        """A key without an object is NoSuchKey, a bucket that is not there NoSuchBucket."""
        self.refused("NoSuchKey", self.s3.get_object, Bucket="photos", Key="k")
        self.refused("404", self.s3.head_object, Bucket="photos", Key="k")
        self.refused("NoSuchBucket", self.s3.get_object, Bucket="nowhere", Key="k")
        self.refused("NoSuchBucket", self.s3.put_object, Bucket="nowhere", Key="k", Body=b"x")


class DigestTests(ObjectsTestCase):
    def test_checksums(self) -> None:
        """Each algorithm is verified, kept, and shown when a client asks for it."""
        for algorithm in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
            put = self.s3.put_object(
                Bucket="photos", Key=algorithm, Body=b"hello", ChecksumAlgorithm=algorithm
            )
            shown = self.s3.head_object(Bucket="photos", Key=algorithm, ChecksumMode="ENABLED")
            self.assertEqual(put[f"Checksum{algorithm}"], shown[f"Checksum{algorithm}"])
            self.assertEqual(shown["ChecksumType"], "FULL_OBJECT")

    def test_default_checksum(self) -> None:
        """Without a checksum of the client's, CRC64NVME is computed, as S3 does."""
        s3 = self.server.client(request_checksum_calculation="when_required")
        put = s3.put_object(Bucket="photos", Key="k", Body=b"123456789")
        self.assertEqual(base64.b64decode(put["ChecksumCRC64NVME"]).hex(), "ae8b14860a799888")

    def test_wrong_checksum(self) -> None:
        """A checksum that does not match is BadDigest, and nothing is stored."""
        self.refused(
            "BadDigest",
            self.s3.put_object,
            Bucket="photos",
            Key="k",
            Body=b"hello",
            ChecksumSHA256=base64.b64encode(bytes(32)).decode(),
        )
        self.assertEqual(self.keys(), [])

    def test_content_md5(self) -> None:
        """Content-MD5 is verified: the right one passes, a wrong or malformed one does not."""
        right = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
        wrong = base64.b64encode(bytes(16)).decode()
        put = self.s3.put_object
        put(Bucket="photos", Key="k", Body=b"hello", ContentMD5=right)
        self.refused("BadDigest", put, Bucket="photos", Key="l", Body=b"hello", ContentMD5=wrong)
        self.refused("InvalidDigest", put, Bucket="photos", Key="l", Body=b"hello", ContentMD5="x")
        self.assertEqual(self.keys(), ["k"])


class RangeTests(ObjectsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.s3.put_object(Bucket="photos", Key="k", Body=b"0123456789")

    def test_ranges(self) -> None:
        """First-last, open and suffix ranges give their bytes and say which these are."""
        for header, body, shown in (
            ("bytes=2-4", b"234", "bytes 2-4/10"),
            ("bytes=7-", b"789", "bytes 7-9/10"),
            ("bytes=-3", b"789", "bytes 7-9/10"),
            ("bytes=-30", b"0123456789", "bytes 0-9/10"),
            ("bytes=8-30", b"89", "bytes 8-9/10"),
        ):
            got = self.s3.get_object(Bucket="photos", Key="k", Range=header)
            self.assertEqual((got["Body"].read(), got["ContentRange"]), (body, shown))
            self.assertEqual(got["ResponseMetadata"]["HTTPStatusCode"], 206)
            head = self.s3.head_object(Bucket="photos", Key="k", Range=header)
            self.assertEqual(head["ContentLength"], len(body))

    def test_ignored(self) -> None:
        """What is not one range of bytes is ignored."""
        for header in ("bytes=4-2", "bytes=a-b", "items=1-2", "bytes=0-1,4-5", "bytes=-"):
            got = self.s3.get_object(Bucket="photos", Key="k", Range=header)
            self.assertEqual(got["Body"].read(), b"0123456789")

    def test_unsatisfiable(self) -> None:
        """A range outside the object is 416 and tells the object's size."""
        for header in ("bytes=10-", "bytes=-0"):
            error = self.refused(
                "InvalidRange", self.s3.get_object, Bucket="photos", Key="k", Range=header
            )
            self.assertEqual(error.response["Error"]["ActualObjectSize"], "10")


class ConditionTests(ObjectsTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.etag = self.s3.put_object(Bucket="photos", Key="k", Body=b"x")["ETag"]
        head = self.s3.head_object(Bucket="photos", Key="k")
        self.modified = head["LastModified"]

    def status(self, **conditions: Any) -> int:
        """What GET and HEAD, which agree, answer under these conditions."""
        statuses = set()
        for call in (self.s3.get_object, self.s3.head_object):
            try:
                answer = call(Bucket="photos", Key="k", **conditions)
            except ClientError as error:
                answer = error.response
            statuses.add(answer["ResponseMetadata"]["HTTPStatusCode"])
        [status] = statuses
        return int(status)

    def test_etags(self) -> None:
        """If-Match passes for the ETag, quoted or not, and for *; If-None-Match is its
        opposite."""
        for tag in (self.etag, self.etag.strip('"'), f'"other", {self.etag}', "*"):
            self.assertEqual(self.status(IfMatch=tag), 200, tag)
            self.assertEqual(self.status(IfNoneMatch=tag), 304, tag)
        self.assertEqual(self.status(IfMatch='"other"'), 412)
        self.assertEqual(self.status(IfNoneMatch='"other"'), 200)

    def test_not_modified(self) -> None:
        """A 304 tells ETag and time, and no type, which a cache would take for the object's."""
        with self.assertRaises(ClientError) as caught:
            self.s3.get_object(Bucket="photos", Key="k", IfNoneMatch="*")
        headers = caught.exception.response["ResponseMetadata"]["HTTPHeaders"]
        self.assertEqual(headers["etag"], self.etag)
        self.assertIn("last-modified", headers)
        self.assertNotIn("content-type", headers)

    def test_times(self) -> None:
        """Times are compared to the second, which is all that the headers carry."""
        second = timedelta(seconds=1)
        self.assertEqual(self.status(IfModifiedSince=self.modified), 304)
        self.assertEqual(self.status(IfModifiedSince=self.modified - second), 200)
        self.assertEqual(self.status(IfUnmodifiedSince=self.modified), 200)
        self.assertEqual(self.status(IfUnmodifiedSince=self.modified - second), 412)

    def test_precedence(self) -> None:
        """A condition on the ETag goes before one on the time."""
        second = timedelta(seconds=1)
        early = self.modified - second
        self.assertEqual(self.status(IfMatch=self.etag, IfUnmodifiedSince=early), 200)
        self.assertEqual(self.status(IfNoneMatch='"x"', IfModifiedSince=self.modified), 200)


class DeleteTests(ObjectsTestCase):
    def test_delete(self) -> None:
        """A deleted object is gone, and deleting it again is no error."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"x")
        for _ in range(2):
            gone = self.s3.delete_object(Bucket="photos", Key="k")
            self.assertEqual(gone["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.assertEqual(self.keys(), [])

    def test_delete_objects(self) -> None:
        """Many are deleted at once; one that is not there counts as deleted."""
        for key in "abc":
            self.s3.put_object(Bucket="photos", Key=key, Body=b"x")
        answer = self.s3.delete_objects(
            Bucket="photos", Delete={"Objects": [{"Key": key} for key in "abz"]}
        )
        self.assertEqual([deleted["Key"] for deleted in answer["Deleted"]], ["a", "b", "z"])
        self.assertEqual(self.keys(), ["c"])

    def test_quiet(self) -> None:
        """In quiet mode only what failed is told."""
        self.s3.put_object(Bucket="photos", Key="a", Body=b"x")
        answer = self.s3.delete_objects(
            Bucket="photos",
            Delete={"Objects": [{"Key": "a"}, {"Key": "x" * 1025}], "Quiet": True},
        )
        self.assertNotIn("Deleted", answer)
        self.assertEqual([e["Code"] for e in answer["Errors"]], ["KeyTooLongError"])
        self.assertEqual(self.keys(), [])

    def test_key_limit(self) -> None:
        """1,000 keys are taken, 1,001 are MalformedXML."""
        for count, refused in ((1000, False), (1001, True)):
            wanted = {"Objects": [{"Key": str(number)} for number in range(count)]}
            if refused:
                self.refused("MalformedXML", self.s3.delete_objects, Bucket="photos", Delete=wanted)
            else:
                answer = self.s3.delete_objects(Bucket="photos", Delete=wanted)
                self.assertEqual(len(answer["Deleted"]), count)


LEGAL_KEYS = (
    "a", "a/", "a/b", "//", "/a", "a//b", ".", "..", "./..", "a/../b", "%2F", "a%2Fb", "a+b",
    "a b", " ", "?#&=@:;()'!*", "caf\u00e9", "cafe\u0301", "\U0001f600", "x" * 1024, "/" * 1024,
    "\u00e9" * 512, "a\nb", "\x01\x1f", "\t", "<&>\"'", "a\\b", "-/health/live",
)  # fmt: skip


class KeyTests(ObjectsTestCase):
    def test_legal_keys(self) -> None:
        """Any legal key is stored, listed and returned exactly, beside all others."""
        for number, key in enumerate(LEGAL_KEYS):
            self.s3.put_object(Bucket="photos", Key=key, Body=str(number).encode())
        for number, key in enumerate(LEGAL_KEYS):
            got = self.s3.get_object(Bucket="photos", Key=key)["Body"].read()
            self.assertEqual(got, str(number).encode(), key)
        self.assertEqual(self.keys(), sorted(LEGAL_KEYS, key=str.encode))

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
    def test_any_key(self, key: str) -> None:
        """The same for any text at all, in path style and in virtual-host style."""
        for style in ("path", "virtual"):
            s3 = self.server.client(s3={"addressing_style": style})
            s3.put_object(Bucket="photos", Key=key, Body=key.encode())
            self.assertEqual(s3.get_object(Bucket="photos", Key=key)["Body"].read(), key.encode())
            self.assertEqual(self.keys(), [key])
            s3.delete_object(Bucket="photos", Key=key)

    def test_key_limit(self) -> None:
        """A key of 1,025 bytes is too long, however few characters these are."""
        for key in ("x" * 1025, "\u00e9" * 512 + "x"):
            self.refused("KeyTooLongError", self.s3.put_object, Bucket="photos", Key=key, Body=b"")

    def test_not_utf8(self) -> None:
        """A path that is not UTF-8 is refused and nothing is stored."""
        target = self.presigned("put_object").replace("/k?", "/" + quote(b"\xff") + "?")
        request = f"PUT {target} HTTP/1.1\r\nHost: s3.test:9000\r\nContent-Length: 0\r\n\r\n"
        response = self.server.send("PUT", request.encode())
        self.assertEqual(response.status, 400)
        self.assertEqual(self.keys(), [])


class LengthTests(ObjectsTestCase):
    def test_missing(self) -> None:
        """A PUT that says nothing of its body's length stores nothing."""
        target = self.presigned("put_object")
        request = f"PUT {target} HTTP/1.1\r\nHost: s3.test:9000\r\n\r\n"
        response = self.server.send("PUT", request.encode())
        self.assertEqual(response.status, 411)
        self.assertEqual(self.keys(), [])

    def test_absolute_form(self) -> None:
        """A request whose target is a whole URL is the same request."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"x")
        url = f"http://{HOST}{self.presigned('get_object')}"
        for host, status in (("s3.test:9000", 200), ("other.test", 400)):
            request = f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n"
            self.assertEqual(self.server.send("GET", request.encode()).status, status)


class StoreTests(ObjectsTestCase):
    def test_damaged_object(self) -> None:
        """A damaged record costs its object only; its client learns of an error, and the log
        has one line that names the object, without a traceback."""
        from objectd.interfaces import Commit, Put, Token
        from objectd.model import keys

        self.s3.put_object(Bucket="photos", Key="bad", Body=b"x")
        self.s3.put_object(Bucket="photos", Key="good", Body=b"x")
        bucket = result_of(self.server.store.buckets.get("photos"))
        row = Put(keys.object_(bucket.bucket_id, b"bad"), b"\x01\x00\x03abcdefgh")
        metadata = self.server.store.core.metadata
        incarnation = result_of(metadata.begin_incarnation())
        result_of(metadata.commit(Commit(Token(incarnation, 1), 1, (row,))))
        with capturedLogs() as logged:
            self.refused("InternalError", self.s3.get_object, Bucket="photos", Key="bad")
        [line] = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.error]
        self.assertIn("/photos/bad: damaged", line)
        self.assertEqual(self.keys(), ["good"])
        self.s3.put_object(Bucket="photos", Key="bad", Body=b"y")
        self.assertEqual(self.keys(), ["bad", "good"])
