"""Bodies in every form that a signature can have: what arrives is what was sent."""

from __future__ import annotations

import base64
import hashlib
import os
from operator import itemgetter

import attrs

from objectd.auth.payload import PayloadMode
from objectd.digests import ALGORITHMS
from objectd.objects.checksums import hasher
from objectd.test.s3.wire import (
    BUCKET,
    CHUNKED_MODES,
    TRAILER_MODES,
    Upload,
    WireTestCase,
    crc32_trailer,
)

LARGE = os.urandom(200_000)


class FormTests(WireTestCase):
    """Every value of x-amz-content-sha256, with and without HTTP's own chunks around it."""

    def test_put_object(self) -> None:
        """An object of any size holds the bytes that were sent, without any framing."""
        for mode in PayloadMode:
            for outer in (False, True):
                for data in (b"", b"x", LARGE[:16385], LARGE):
                    response = Upload(mode, data).send(self, outer=outer).response
                    self.assertEqual(response.status, 200, (mode, outer, response.body))
                    got = self.s3.get_object(Bucket=BUCKET, Key="new")
                    self.assertEqual(got["Body"].read(), data, (mode, outer))
                    self.assertEqual(got["ContentLength"], len(data))
                    self.assertEqual(got["ETag"], f'"{hashlib.md5(data).hexdigest()}"')

    def test_upload_part(self) -> None:
        """So does a part of an upload."""
        sent, parts = b"", []
        forms = [(mode, outer) for mode in PayloadMode for outer in (False, True)]
        for number, (mode, outer) in enumerate(forms, 1):
            data = LARGE[number:-number]
            response = Upload(mode, data, self.part(number)).send(self, outer=outer).response
            self.assertEqual(response.status, 200, (mode, outer, response.body))
            etag = (response.header(b"etag") or b"").decode()
            sent += data
            parts.append({"PartNumber": number, "ETag": etag})
        self.s3.complete_multipart_upload(
            Bucket=BUCKET,
            Key="parts",
            UploadId=self.upload_id,
            MultipartUpload={"Parts": parts},
        )
        self.assertEqual(self.s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read(), sent)

    def test_content_encoding(self) -> None:
        """Of the content codings `aws-chunked` is dropped and the others are kept."""
        for given, kept in (
            ("aws-chunked", None),
            ("aws-chunked,gzip", "gzip"),
            ("gzip, aws-chunked", "gzip"),
            ("AWS-Chunked", None),
            ("br,gzip", "br, gzip"),
        ):
            for mode in CHUNKED_MODES:
                Upload(mode, b"data", headers={"content-encoding": given}).send(self)
                for show in (self.s3.get_object, self.s3.head_object):
                    shown = show(Bucket=BUCKET, Key="new")
                    self.assertEqual(shown.get("ContentEncoding"), kept, (mode, given))
                    self.assertEqual(shown["ContentLength"], 4)


class TrailerTests(WireTestCase):
    def trailer(self, algorithm: str, data: bytes) -> bytes:
        digest = hasher(algorithm)
        digest.update(data)
        value = base64.b64encode(digest.digest())
        return b"x-amz-checksum-%b:%b\n" % (algorithm.lower().encode(), value)

    def test_checksums(self) -> None:
        """A checksum in a trailer is verified, kept and shown, whichever it is."""
        for mode in TRAILER_MODES:
            for algorithm in ALGORITHMS:
                right = Upload(
                    mode,
                    LARGE,
                    promised=f"x-amz-checksum-{algorithm.lower()}",
                    trailers=self.trailer(algorithm, LARGE),
                )
                self.assertEqual(right.send(self).response.status, 200, (mode, algorithm))
                shown = self.s3.head_object(Bucket=BUCKET, Key="new", ChecksumMode="ENABLED")
                value = right.trailers.partition(b":")[2].strip().decode()
                self.assertEqual(shown[f"Checksum{algorithm}"], value)
                before = self.contents()
                wrong = attrs.evolve(right, trailers=self.trailer(algorithm, LARGE[1:]))
                for outer in (False, True):
                    self.assert_refused(wrong.send(self, outer=outer), 400, "BadDigest", before)
                part = attrs.evolve(wrong, target=self.part(1))
                self.assert_refused(part.send(self), 400, "BadDigest", before)

    def test_in_the_head_too(self) -> None:
        """A checksum that is sent twice must be the right one both times."""
        right, wrong = (self.trailer("CRC32", data) for data in (LARGE, LARGE[1:]))
        before = self.contents()
        for mode in TRAILER_MODES:
            for in_head, in_trailer in ((right, wrong), (wrong, right)):
                value = in_head.partition(b":")[2].strip().decode()
                upload = Upload(
                    mode, LARGE, headers={"x-amz-checksum-crc32": value}, trailers=in_trailer
                )
                self.assert_refused(upload.send(self), 400, "BadDigest", before)

    def test_not_a_checksum(self) -> None:
        """A trailer whose value cannot be a checksum is refused."""
        before = self.contents()
        for mode in TRAILER_MODES:
            for value in (b"x", b"AAAA", b"!!!!!!=="):
                upload = Upload(mode, LARGE, trailers=b"x-amz-checksum-crc32:" + value + b"\n")
                self.assert_refused(upload.send(self), 400, "InvalidRequest", before)

    def test_not_as_announced(self) -> None:
        """A trailer that was promised must come, and no other one may."""
        before = self.contents()
        crc32 = crc32_trailer(LARGE)
        for mode in TRAILER_MODES:
            for trailers in (b"", crc32 + b"x-more:1\n", crc32 * 2, b"x-amz-checksum-crc32\n"):
                upload = Upload(mode, LARGE, trailers=trailers)
                self.assert_refused(upload.send(self), 400, "MalformedTrailerError", before)

    def test_without_trailers_in_the_form(self) -> None:
        """A form that has no trailers cannot promise any: they would not be checked."""
        before = self.contents()
        for mode in set(PayloadMode) - set(TRAILER_MODES):
            upload = Upload(mode, LARGE, promised="x-amz-checksum-crc32", trailers=b"")
            self.assert_refused(upload.send(self), 400, "InvalidRequest", before)


class MismatchTests(WireTestCase):
    """A body that is not what its head says is refused and leaves no trace."""

    def test_digest(self) -> None:
        """A body whose SHA-256 is not the one that was signed."""
        before = self.contents()
        for data in (b"small", LARGE):
            altered = Upload(PayloadMode.SHA256, data, alter=lambda _: b"altered")
            self.assert_refused(altered.send(self), 400, "XAmzContentSHA256Mismatch", before)
            part = attrs.evolve(altered, target=self.part(1))
            self.assert_refused(part.send(self), 400, "XAmzContentSHA256Mismatch", before)

    def test_decoded_length(self) -> None:
        """A payload that is longer or shorter than x-amz-decoded-content-length."""
        before = self.contents()
        for mode in CHUNKED_MODES:
            for data in (b"small", LARGE):
                for difference in (-1, 1, 100_000):
                    length = str(len(data) + difference)
                    upload = Upload(mode, data, decoded_length=length)
                    for outer in (False, True):
                        exchange = upload.send(self, outer=outer)
                        self.assert_refused(exchange, 400, "IncompleteBody", before)

    def test_no_decoded_length(self) -> None:
        """A chunked body needs x-amz-decoded-content-length, whatever the HTTP framing."""
        before = self.contents()
        for mode in CHUNKED_MODES:
            for length in (None, "", "-1", "four"):
                upload = Upload(mode, b"data", decoded_length=length)
                for outer in (False, True):
                    exchange = upload.send(self, outer=outer)
                    self.assert_refused(exchange, 411, "MissingContentLength", before)

    def test_cut_off(self) -> None:
        """A chunked body that ends early, wherever in its last chunk, its trailers or before."""
        before = self.contents()
        for mode in CHUNKED_MODES:
            for lost_bytes in (1, 2, 3, 40, 100, 150_000):
                upload = Upload(mode, LARGE, alter=itemgetter(slice(-lost_bytes)))
                for outer in (False, True):
                    exchange = upload.send(self, outer=outer)
                    self.assert_refused(exchange, 400, "IncompleteBody", before)

    def test_more_after_the_end(self) -> None:
        """Bytes after the last chunk and the trailers."""
        before = self.contents()
        for mode in CHUNKED_MODES:
            longer = Upload(mode, LARGE, alter=lambda body: body + b"x")
            self.assert_refused(longer.send(self), 400, "IncompleteBody", before)
