"""What a request declares of its body, and bodies that come without framing."""

from __future__ import annotations

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.encodings import without_aws_chunked
from objectd.auth.errors import (
    AuthError,
    InvalidContentSHA256,
    MissingDecodedLength,
    TrailerNotAllowed,
    UnsupportedSignatureAlgorithm,
    XAmzContentSHA256Mismatch,
)
from objectd.auth.payload import PayloadCheck, PayloadMode, read_payload
from objectd.test.auth.signing import presigned, signed, verified

_CHUNKED = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
)


def _check(payload: str, headers: dict[str, str] | None = None) -> PayloadCheck:
    put = signed("PUT", headers=headers, payload=payload)
    return read_payload(put, verified(put))


class DeclarationTests(SynchronousTestCase):
    def _refused(self, error: type[AuthError], payload: str, headers: dict[str, str]) -> None:
        self.assertRaises(error, _check, payload, headers)

    def test_every_form_has_its_mode(self) -> None:
        """The five forms of x-amz-content-sha256 are told apart."""
        size = {"x-amz-decoded-content-length": "3"}
        modes = [
            _check(form, size).mode for form in (*_CHUNKED, "UNSIGNED-PAYLOAD", "a" * 64, "A" * 64)
        ]
        self.assertEqual(
            modes,
            [
                PayloadMode.SIGNED_CHUNKS,
                PayloadMode.SIGNED_CHUNKS_TRAILER,
                PayloadMode.UNSIGNED_CHUNKS_TRAILER,
                PayloadMode.UNSIGNED,
                PayloadMode.SHA256,
                PayloadMode.SHA256,
            ],
        )

    def test_other_forms_are_refused(self) -> None:
        """Anything else is an invalid argument; asymmetric signatures are not implemented."""
        for payload in ("SHA256", "a" * 63, "g" * 64, "unsigned-payload", "STREAMING"):
            self._refused(InvalidContentSHA256, payload, {})
        for payload in (
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
        ):
            self._refused(UnsupportedSignatureAlgorithm, payload, {})

    def test_the_size_is_that_of_the_payload(self) -> None:
        """In chunks it is x-amz-decoded-content-length, else Content-Length or unknown."""
        lengths = {"Content-Length": "99", "x-amz-decoded-content-length": "3"}
        self.assertEqual([_check(form, lengths).size_bytes for form in _CHUNKED], [3, 3, 3])
        self.assertEqual(_check("a" * 64, {"Content-Length": "99"}).size_bytes, 99)
        self.assertIsNone(read_payload(signed("GET"), verified(signed("GET"))).size_bytes)

    def test_chunks_need_a_decoded_length(self) -> None:
        """Without a number in x-amz-decoded-content-length they are refused."""
        for payload in _CHUNKED:
            self._refused(MissingDecodedLength, payload, {"Content-Length": "99"})
            for length in ("-1", "3.0", "0x3", "", "9" * 5000):
                self._refused(
                    MissingDecodedLength, payload, {"x-amz-decoded-content-length": length}
                )

    def test_promised_trailers_are_listed(self) -> None:
        """x-amz-trailer is a list of names."""
        headers = {"x-amz-decoded-content-length": "3", "x-amz-trailer": "X-Amz-Checksum-CRC32, a"}
        for payload in _CHUNKED[1:]:
            self.assertEqual(_check(payload, headers).trailers, ("x-amz-checksum-crc32", "a"))

    def test_trailers_need_a_form_that_has_them(self) -> None:
        """A promise that nothing would keep or check is refused."""
        headers = {
            "x-amz-decoded-content-length": "3",
            "x-amz-trailer": "x-amz-checksum-crc32",
        }
        for payload in (_CHUNKED[0], "UNSIGNED-PAYLOAD", "a" * 64):
            self._refused(TrailerNotAllowed, payload, headers)

    def test_a_presigned_body_is_unsigned(self) -> None:
        """Unless x-amz-content-sha256 says otherwise."""
        put = presigned("PUT")
        self.assertIs(read_payload(put, verified(put)).mode, PayloadMode.UNSIGNED)
        digest = sha256(b"abc").hexdigest()
        put = presigned("PUT", f"/b/k?X-Amz-Content-Sha256={digest}", payload=digest)
        decoder = read_payload(put, verified(put)).decoder()
        decoder.feed(b"abd")
        self.assertRaises(XAmzContentSHA256Mismatch, decoder.finish)


class WholeBodyTests(SynchronousTestCase):
    def test_a_signed_digest_is_checked_at_the_end(self) -> None:
        """The body passes through, and the end is refused unless its SHA-256 is the signed one."""
        digest = sha256(b"abcdef").hexdigest()
        for declared in (digest, digest.upper()):
            decoder = _check(declared).decoder()
            self.assertEqual(decoder.feed(b"abc") + decoder.feed(b""), [b"abc"])
            self.assertRaises(XAmzContentSHA256Mismatch, decoder.finish)
            self.assertEqual(decoder.feed(b"def"), [b"def"])
            self.assertEqual(decoder.finish(), {})

    def test_the_mismatch_names_both_digests(self) -> None:
        """As S3 does."""
        decoder = _check("a" * 64).decoder()
        error = self.assertRaises(XAmzContentSHA256Mismatch, decoder.finish)
        self.assertEqual(
            error.details,
            {
                "ClientComputedContentSHA256": "a" * 64,
                "S3ComputedContentSHA256": sha256(b"").hexdigest(),
            },
        )

    def test_an_unsigned_body_passes(self) -> None:
        """Nothing is checked."""
        decoder = _check("UNSIGNED-PAYLOAD").decoder()
        self.assertEqual(decoder.feed(b"abc") + decoder.feed(b""), [b"abc"])
        self.assertEqual(decoder.finish(), {})

    def test_decoders_are_fresh(self) -> None:
        """Two decoders of one check know nothing of each other."""
        check = _check(sha256(b"abc").hexdigest())
        check.decoder().feed(b"xyz")
        decoder = check.decoder()
        decoder.feed(b"abc")
        self.assertEqual(decoder.finish(), {})


class EncodingTests(SynchronousTestCase):
    def test_the_framing_is_no_coding_of_the_object(self) -> None:
        """aws-chunked is taken out of the list, wherever it stands."""
        for given, kept in {
            "aws-chunked": "",
            "AWS-Chunked": "",
            "aws-chunked,gzip": "gzip",
            "gzip,aws-chunked": "gzip",
            "gzip, aws-chunked , br": "gzip, br",
            "aws-chunked,": "",
            "gzip": "gzip",
            "x-aws-chunked": "x-aws-chunked",
            "": "",
        }.items():
            self.assertEqual(without_aws_chunked(given), kept)
