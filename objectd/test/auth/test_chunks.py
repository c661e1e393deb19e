"""Bodies in aws-chunked framing: what is whole and signed comes out, and nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from io import BytesIO
from itertools import pairwise
from zlib import crc32

from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.chunks import (
    CHUNK_HEADER_BYTES_MAX,
    SIGNED_CHUNK_BYTES_MAX,
    TRAILERS_BYTES_MAX,
    SignedChunks,
    UnsignedChunks,
)
from objectd.auth.errors import InvalidChunkSize, MalformedTrailer, SignatureDoesNotMatch
from objectd.auth.payload import PayloadDecoder
from objectd.errors import IncompleteBody, ObjectdError
from objectd.test.auth.signing import ChunkSigner, signed, verified

_CRC = "x-amz-checksum-crc32c"
_TRAILERS = f"{_CRC}:sOO8/Q==\n".encode()
_PROOF = verified(signed("PUT", payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))

_pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=4)
_cuts = st.lists(st.integers(0, 600), max_size=12)


def _unsigned_body(pieces: Iterable[bytes], trailers: bytes = b"") -> bytes:
    chunks = b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces])
    return chunks + b"0\r\n" + trailers.replace(b"\n", b"\r\n") + b"\r\n"


def _signed_body(pieces: Iterable[bytes], trailers: bytes = b"") -> bytes:
    return ChunkSigner.following(_PROOF).body(pieces, trailers)


def _unsigned(size_bytes: int, *trailers: str) -> UnsignedChunks:
    return UnsignedChunks(size_bytes, trailers)


def _signed(size_bytes: int, *trailers: str) -> SignedChunks:
    return SignedChunks(size_bytes, trailers, _PROOF)


def _decode(decoder: PayloadDecoder, feeds: Iterable[bytes]) -> tuple[bytes, dict[str, str]]:
    payload = b"".join([piece for feed in feeds for piece in decoder.feed(feed)])
    return payload, decoder.finish()


def _cut(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The body cut at these positions; equal ones make empty pieces."""
    positions = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    return [body[start:stop] for start, stop in pairwise(positions)]


class ChunksTestCase(SynchronousTestCase):
    def refused(
        self, error: type[ObjectdError], decoder: PayloadDecoder, body: bytes
    ) -> list[bytes]:
        """The body is refused, whole or byte by byte; return what came out before that."""
        released: list[bytes] = []

        def decode() -> None:
            for byte in body:
                released.extend(decoder.feed(bytes((byte,))))
            decoder.finish()

        self.assertRaises(error, decode)
        self.assertRaises(IncompleteBody, decoder.finish)
        return released


class FramingTests(ChunksTestCase):
    """What both kinds have in common."""

    @given(pieces=_pieces, cuts=_cuts)
    def test_any_split_of_the_input_gives_the_same_payload(
        self, pieces: list[bytes], cuts: list[int]
    ) -> None:
        """How the body was cut into reads does not matter."""
        payload = b"".join(pieces)
        result = (payload, {_CRC: "sOO8/Q=="})
        for decoder, body in (
            (_unsigned(len(payload), _CRC), _unsigned_body(pieces, _TRAILERS)),
            (_signed(len(payload), _CRC), _signed_body(pieces, _TRAILERS)),
        ):
            self.assertEqual(_decode(decoder, _cut(body, cuts)), result)

    @given(pieces=_pieces, signatures=st.booleans())
    def test_every_byte_may_come_alone(self, pieces: list[bytes], signatures: bool) -> None:
        """A body that arrives in pieces of one byte is the same body."""
        payload = b"".join(pieces)
        body = _signed_body(pieces) if signatures else _unsigned_body(pieces)
        decoder = _signed(len(payload)) if signatures else _unsigned(len(payload))
        self.assertEqual(_decode(decoder, _cut(body, range(len(body)))), (payload, {}))

    def test_a_body_that_is_cut_short_is_refused(self) -> None:
        """Every proper prefix of a body is incomplete."""
        for make, body in (
            (_unsigned, _unsigned_body([b"abc", b"de"], _TRAILERS)),
            (_signed, _signed_body([b"abc", b"de"], _TRAILERS)),
        ):
            for length in range(len(body)):
                self.refused(IncompleteBody, make(5, _CRC), body[:length])

    def test_data_after_the_end_is_refused(self) -> None:
        """A body that goes on is not what was declared, at once or later."""
        for make, body in (
            (_unsigned, _unsigned_body([b"abc"])),
            (_signed, _signed_body([b"abc"])),
        ):
            self.refused(IncompleteBody, make(3), body + b"\r")
            self.assertRaises(IncompleteBody, make(3).feed, body + b"\r")

    def test_the_decoded_length_is_exact(self) -> None:
        """One byte more or less than x-amz-decoded-content-length is refused; what passes it
        never comes out."""
        for make, body in (
            (_unsigned, _unsigned_body([b"abc"])),
            (_signed, _signed_body([b"abc"])),
        ):
            self.refused(IncompleteBody, make(4), body)
            self.assertEqual(self.refused(IncompleteBody, make(2), body), [])

    def test_an_empty_payload_is_one_empty_chunk(self) -> None:
        """Nothing at all is not an empty payload."""
        for make, body in ((_unsigned, _unsigned_body([])), (_signed, _signed_body([]))):
            self.assertEqual(_decode(make(0), [body]), (b"", {}))
            self.refused(IncompleteBody, make(0), b"")

    def test_the_framing_is_exact(self) -> None:
        """A size that is no hexadecimal number or not that of the data, an extension that is
        none, bare LF or CR, missing CRLF: the body is incomplete, as S3 calls it."""
        for body in (
            b"3\nabc\r\n0\r\n\r\n",
            b"3\rabc\r\n0\r\n\r\n",
            b"3\r\nabc\n0\r\n\r\n",
            b"3\r\nabc0\r\n\r\n",
            b"3 \r\nabc\r\n0\r\n\r\n",
            b"+3\r\nabc\r\n0\r\n\r\n",
            b"0x3\r\nabc\r\n0\r\n\r\n",
            b"-3\r\nabc\r\n0\r\n\r\n",
            b"3;a=b\r\nabc\r\n0\r\n\r\n",
            b"2\r\nabc\r\n0\r\n\r\n",
            b"\r\nabc\r\n0\r\n\r\n",
            b"abc",
        ):
            self.refused(IncompleteBody, _unsigned(3), body)
        signature = b"chunk-signature=" + b"0" * 64
        for header in (b"3", b"3;" + signature[:-1], b"3; " + signature, b"3;" + signature.upper()):
            self.refused(IncompleteBody, _signed(3), header + b"\r\nabc\r\n")

    def test_chunk_headers_have_a_length_limit(self) -> None:
        """A header may be so long and no longer, its CRLF included."""
        zeros = CHUNK_HEADER_BYTES_MAX - len(b"\r\n")
        self.refused(IncompleteBody, _unsigned(3), b"0" * (zeros + 1))
        self.assertEqual(_unsigned(3).feed(b"0" * zeros), [])

    def test_upper_case_and_leading_zeros_are_read(self) -> None:
        """Sizes are hexadecimal in either case."""
        body = b"0A\r\n0123456789\r\n000\r\n\r\n"
        self.assertEqual(_decode(_unsigned(10), [body]), (b"0123456789", {}))


class TrailerTests(ChunksTestCase):
    def test_what_botocore_sends_is_read(self) -> None:
        """boto3 uploads over HTTPS in unsigned chunks with a checksum after them."""
        data = bytes(range(256)) * 1000
        wrapper = AwsChunkedWrapper(
            BytesIO(data), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32"
        )
        body = wrapper.read()
        checksum = b64encode(crc32(data).to_bytes(4, "big")).decode()
        self.assertEqual(
            _decode(_unsigned(len(data), "x-amz-checksum-crc32"), [body]),
            (data, {"x-amz-checksum-crc32": checksum}),
        )

    def test_promised_trailers_are_returned(self) -> None:
        """Names in lower case, values without the space around them."""
        for make, body in (
            (_unsigned, b"1\r\na\r\n0\r\nX-Amz-Checksum-CRC32C: sOO8/Q== \r\n\r\n"),
            (_signed, _signed_body([b"a"], _TRAILERS)),
        ):
            self.assertEqual(_decode(make(1, _CRC), [body])[1], {_CRC: "sOO8/Q=="})

    def test_trailers_are_those_that_were_promised(self) -> None:
        """A trailer that is missing, not promised or given twice is refused."""
        for promised, trailers in (
            ((_CRC,), b""),
            ((), _TRAILERS),
            ((_CRC,), b"x-amz-checksum-crc32:AAAAAA==\n"),
            ((_CRC,), _TRAILERS + b"x-amz-meta-a:b\n"),
            ((_CRC,), _TRAILERS * 2),
        ):
            self.refused(
                MalformedTrailer, _unsigned(1, *promised), _unsigned_body([b"a"], trailers)
            )
            self.refused(MalformedTrailer, _signed(1, *promised), _signed_body([b"a"], trailers))

    def test_trailers_are_well_formed(self) -> None:
        """A line without a colon, name or value, or with other characters, is refused."""
        for line in (b"abc", b":v", b"a b:v", f"{_CRC}:".encode(), f"{_CRC}:\0".encode(), b" a:b"):
            body = b"1\r\na\r\n0\r\n" + line + b"\r\n\r\n"
            self.refused(MalformedTrailer, _unsigned(1, _CRC), body)

    def test_trailers_have_a_length_limit(self) -> None:
        """All trailers together may be so long and no longer."""
        room = TRAILERS_BYTES_MAX - len(b"a:\r\n")
        most = b"1\r\na\r\n0\r\na:%b\r\n\r\n"
        self.assertEqual(len(_decode(_unsigned(1, "a"), [most % (b"v" * room)])[1]["a"]), room)
        too_long = most % (b"v" * (room + 1))
        self.refused(IncompleteBody, _unsigned(1, "a"), too_long)
        lines = b"".join([b"a%d:v\r\n" % n for n in range(TRAILERS_BYTES_MAX // 6)])
        self.refused(IncompleteBody, _unsigned(1, "a"), b"1\r\na\r\n0\r\n" + lines)

    def test_the_trailers_of_minio_go_are_read(self) -> None:
        """minio-go ends every trailer with LF and all of them with CRLF, as the examples of
        AWS seem to ask for."""
        unsigned = b"1\r\na\r\n0\r\n" + _TRAILERS + b"\r\n\r\n"
        self.assertEqual(_decode(_unsigned(1, _CRC), [unsigned])[1], {_CRC: "sOO8/Q=="})
        signer = ChunkSigner.following(_PROOF)
        chunks = signer.chunk(b"a") + signer.chunk(b"")
        end = signer.trailer_signature(_TRAILERS) + b"\r\n"
        body = chunks + _TRAILERS + b"\r\n" + end
        self.assertEqual(_decode(_signed(1, _CRC), [body])[1], {_CRC: "sOO8/Q=="})


class SignatureTests(ChunksTestCase):
    """MinIO CVE-2025-31489, CVE-2021-21390; SeaweedFS' chunked uploads."""

    def test_a_changed_chunk_never_comes_out(self) -> None:
        """Of a body whose second chunk was changed only the first comes out, and then the
        signature does not match."""
        body = _signed_body([b"first", b"second"]).replace(b"second", b"secont")
        released = self.refused(SignatureDoesNotMatch, _signed(11), body)
        self.assertEqual(released, [b"first"])

    def test_no_byte_comes_out_before_its_signature_is_verified(self) -> None:
        """All of a chunk is held back until its last byte is there."""
        body = _signed_body([b"first", b"second"])
        decoder = _signed(11)
        end = body.index(b"first") + len(b"first")
        self.assertEqual(decoder.feed(body[: end - 1]), [])
        self.assertEqual(decoder.feed(body[end - 1 : end]), [b"first"])

    @given(position=st.integers(0), bit=st.integers(0, 7))
    def test_no_flipped_bit_changes_what_comes_out(self, position: int, bit: int) -> None:
        """A body with a flipped bit is refused, but for the few in the framing that change no
        meaning (the case of a size or of a trailer's name, space beside a value)."""
        body = bytearray(_signed_body([b"\xff first", b"second"], _TRAILERS))
        body[position % len(body)] ^= 1 << bit
        try:
            result = _decode(_signed(13, _CRC), [bytes(body)])
        except (SignatureDoesNotMatch, IncompleteBody, MalformedTrailer, InvalidChunkSize):
            return
        self.assertEqual(result, (b"\xff firstsecond", {_CRC: "sOO8/Q=="}))

    def test_chunks_cannot_be_swapped_or_left_out(self) -> None:
        """The signatures are a chain."""
        signer = ChunkSigner.following(_PROOF)
        first, second, last = signer.chunk(b"abc"), signer.chunk(b"def"), signer.chunk(b"")
        swapped = second + first + last + b"\r\n"
        self.assertEqual(self.refused(SignatureDoesNotMatch, _signed(6), swapped), [])
        repeated = first + first + last + b"\r\n"
        self.assertEqual(self.refused(SignatureDoesNotMatch, _signed(6), repeated), [b"abc"])
        skipped = first + last + b"\r\n"
        self.assertEqual(self.refused(SignatureDoesNotMatch, _signed(3), skipped), [b"abc"])

    def test_chunks_belong_to_their_request(self) -> None:
        """A body signed for another request is refused at its first chunk."""
        signer = ChunkSigner.following(_PROOF)
        signer.previous = "0" * 64
        released = self.refused(SignatureDoesNotMatch, _signed(3), signer.body([b"abc"]))
        self.assertEqual(released, [])

    def test_the_last_chunk_is_signed(self) -> None:
        """An unsigned end is no end."""
        signer = ChunkSigner.following(_PROOF)
        body = signer.chunk(b"abc") + b"0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n"
        self.refused(SignatureDoesNotMatch, _signed(3), body)

    def test_trailers_are_signed(self) -> None:
        """A changed trailer, a wrong signature of the trailers and a missing one are refused."""
        body = _signed_body([b"abc"], _TRAILERS)
        self.refused(SignatureDoesNotMatch, _signed(3, _CRC), body.replace(b"sOO8", b"sOO9"))
        start = body.index(b"x-amz-trailer-signature")
        wrong = body[:start] + b"x-amz-trailer-signature:" + b"0" * 64 + b"\r\n\r\n"
        self.refused(SignatureDoesNotMatch, _signed(3, _CRC), wrong)
        self.refused(SignatureDoesNotMatch, _signed(3, _CRC), body[:start] + b"\r\n")

    def test_chunks_have_a_size_limit(self) -> None:
        """A chunk is held back in memory, so there is a most; unsigned ones have none."""
        most = bytes(SIGNED_CHUNK_BYTES_MAX)
        payload, _ = _decode(_signed(len(most)), [_signed_body([most])])
        self.assertEqual(payload, most)
        header = b"%x;chunk-signature=" % (SIGNED_CHUNK_BYTES_MAX + 1) + b"0" * 64 + b"\r\n"
        error = self.assertRaises(InvalidChunkSize, _signed(1 << 40).feed, header)
        self.assertEqual(error.code, "InvalidChunkSizeError")
        self.assertEqual(_unsigned(1 << 40).feed(b"10000000000\r\nab"), [b"ab"])
