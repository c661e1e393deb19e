"""The checksums of objects, of parts, and of what parts become."""

from __future__ import annotations

import base64
import hashlib

from awscrt.checksums import XXHash
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from objectd.digests import ALGORITHMS, COMBINABLE
from objectd.errors import (
    BadDigest,
    ChecksumKindMismatch,
    InvalidOperation,
    InvalidPart,
    ObjectNotFound,
)
from objectd.model.records import Checksum
from objectd.objects import Declared, ListedPart
from objectd.objects.checksums import (
    DEFAULT_ALGORITHM,
    Digests,
    composite,
    digested,
    full_object,
    hasher,
    multipart_checksum,
)
from objectd.objects.completing import DeclaredObject
from objectd.objects.settings import ETagKind
from objectd.test.objects.cases import LARGE, StoreCase

COMPOSITE_ALGORITHMS = [name for name in ALGORITHMS if name != "CRC64NVME"]


def digest(algorithm: str, data: bytes) -> bytes:
    whole = hasher(algorithm)
    whole.update(data)
    return whole.digest()


def declaring(algorithm: str, value: bytes) -> Declared:
    return Declared(algorithm=algorithm, checksum=lambda: value)


class AlgorithmTests(SynchronousTestCase):
    def test_published_values(self) -> None:
        """Every algorithm gives the published value for '123456789'."""
        # https://reveng.sourceforge.io/crc-catalogue/ and RFC 1321 and 3174.
        published = {
            "CRC32": "cbf43926",
            "CRC32C": "e3069283",
            "CRC64NVME": "ae8b14860a799888",
            "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
            "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            "SHA512": "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
            "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
            "MD5": "25f9e794323b453885f5181f1b624d0b",
            "XXHASH64": "8cb841db40e6ae83",
            "XXHASH3": "72dcb18b67a17dff",
            "XXHASH128": "33119477ede5dcd5e9716427681d5860",
        }
        self.assertEqual({name: digest(name, b"123456789").hex() for name in ALGORITHMS}, published)

    def test_as_the_sdks(self) -> None:
        """xxHash values are those of AWS's own library, which the SDKs send."""
        for algorithm, compute in (
            ("XXHASH64", XXHash.compute_xxhash64),
            ("XXHASH3", XXHash.compute_xxhash3_64),
            ("XXHASH128", XXHash.compute_xxhash3_128),
        ):
            for data in (b"", b"123456789", LARGE * 100):
                self.assertEqual(digest(algorithm, data), compute(data))

    @given(st.lists(st.binary(max_size=300), max_size=5))
    def test_pieces(self, pieces: list[bytes]) -> None:
        """Hashing in pieces is hashing the whole, and asking in between changes nothing."""
        for algorithm in ALGORITHMS:
            whole = hasher(algorithm)
            for piece in pieces:
                whole.update(piece)
                whole.digest()
            self.assertEqual(whole.digest(), digest(algorithm, b"".join(pieces)))

    @given(st.lists(st.binary(max_size=200), min_size=1, max_size=6))
    def test_combined(self, parts: list[bytes]) -> None:
        """The CRC of the whole follows from those of the parts and their sizes."""
        for algorithm in COMBINABLE:
            combined = full_object(algorithm, [(digest(algorithm, p), len(p)) for p in parts])
            self.assertEqual(
                combined, Checksum(algorithm, digest(algorithm, b"".join(parts)), "FULL_OBJECT")
            )

    def test_composites_of_aws(self) -> None:
        """Composite values are those that Amazon S3 reported for the same parts."""
        # https://github.com/floci-io/floci/pull/3093, captured in eu-west-1, September 2026.
        for algorithm, parts, whole in (
            (
                "SHA256",
                (
                    "lcKa6Boe7a167tUCN5C4OaFygGSYD8MBnBARTrdL+1w=",
                    "gHjhbUT4oo2tSCtSZJdlKi+jeNXJT+VImqdPXsXvkOc=",
                    "4l9PQ3zOPZ0oGFvknFX+J4zZwE4WMzO+l3r8XrbWOeM=",
                ),
                "rVWtNbadtsaKXJAcgWPWjifHzJaXde/iV4jaJAOdivc=",
            ),
            (
                "SHA256",
                ("n7gWa0Gp88JMie9iljKcv731WbPhWtFVibhxsVB8FAw=",),
                "D0xEU2q/FgypQljU/eaDWTSRcnDG3KQGOtevJWcmMRY=",
            ),
            (
                "SHA1",
                ("1/0x5kkt8+9IA/j+B6LiWtFTdrY=", "H2o2aM+t5OzS5CuqgWtQ90pWCpo="),
                "CBB1y8xhBCot1HoCMQCx18NR2tU=",
            ),
            ("CRC32", ("W0QpDQ==", "anCi7Q=="), "R/nORQ=="),
            ("CRC32C", ("wMKxiw==", "myWdrQ=="), "ROC8NA=="),
        ):
            value = composite(algorithm, [base64.b64decode(part) for part in parts]).value
            self.assertEqual(base64.b64encode(value).decode(), whole)

    def test_full_objects_of_aws(self) -> None:
        """So are those of whole objects, combined from their parts' values."""
        # https://github.com/floci-io/floci/pull/3093: parts of 5 MiB and 1 MiB.
        for algorithm, parts, whole in (("CRC32", ("W0QpDQ==", "anCi7Q=="), "+SDIDA=="),):
            values = [base64.b64decode(part) for part in parts]
            combined = full_object(algorithm, list(zip(values, (5 << 20, 1 << 20), strict=True)))
            self.assertEqual(base64.b64encode(combined.value).decode(), whole)


class KindTests(SynchronousTestCase):
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html"""

    def test_allowed(self) -> None:
        """CRCs of whole objects follow from the parts; CRC64NVME has no other kind, and of
        all others the composite is what one gets without asking."""
        for algorithm in ALGORITHMS:
            for kind in ("", "COMPOSITE", "FULL_OBJECT"):
                is_crc = algorithm.startswith("CRC")
                fits = {
                    "": True,
                    "COMPOSITE": algorithm != "CRC64NVME",
                    "FULL_OBJECT": is_crc,
                }[kind]
                if fits:
                    default = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
                    self.assertEqual(
                        multipart_checksum(algorithm, kind), (algorithm, kind or default)
                    )
                    continue
                with self.assertRaises(InvalidOperation) as caught:
                    multipart_checksum(algorithm, kind)
                self.assertEqual(
                    str(caught.exception),
                    f"The {kind} checksum type cannot be used with the {algorithm.lower()} "
                    "checksum algorithm.",
                )
        self.assertEqual(multipart_checksum("", ""), ("", ""))

    def test_nonsense(self) -> None:
        """A type without an algorithm and what S3 does not have are refused in AWS's words."""
        without_algorithm = (
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm "
            "header."
        )
        unsupported = (
            "Checksum algorithm provided is unsupported. Please try again with any of the valid "
            "types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, "
            "XXHASH128]"
        )
        for algorithm, kind, message in (
            ("", "COMPOSITE", without_algorithm),
            ("CRC32", "OTHER", "Value for x-amz-checksum-type header is invalid."),
            ("MD4", "", unsupported),
        ):
            with self.assertRaises(InvalidOperation) as caught:
                multipart_checksum(algorithm, kind)
            self.assertEqual(str(caught.exception), message)


class DigestsTests(SynchronousTestCase):
    def test_kept_and_declared(self) -> None:
        """The checksum to be kept comes first, then the one that the sender declared."""
        for kept, declared, expected in (
            ("", "", ["CRC64NVME"]),
            ("", "SHA1", ["SHA1"]),
            ("MD5", "", ["MD5"]),
            ("MD5", "MD5", ["MD5"]),
            ("CRC64NVME", "XXHASH3", ["CRC64NVME", "XXHASH3"]),
        ):
            digests = Digests(Declared(algorithm=declared, kept=kept))
            digests.update(b"data")
            self.assertEqual(
                digests.verified(),
                tuple(Checksum(name, digest(name, b"data")) for name in expected),
            )

    def test_wrong(self) -> None:
        """It is the declared one that is compared."""
        for value in (digest("MD5", b"data"), b""):
            digests = Digests(structs.replace(declaring("XXHASH3", value), kept="MD5"))
            digests.update(b"data")
            self.assertRaises(BadDigest, digests.verified)


class DigestedTests(SynchronousTestCase):
    @given(
        data=st.binary(max_size=50),
        kept=st.sampled_from(("", *ALGORITHMS)),
        sent=st.sampled_from(("", *ALGORITHMS)),
        md5=st.sampled_from((None, b"data", b"other")),
        value=st.sampled_from((None, b"data", b"other")),
        etag=st.sampled_from(ETagKind),
    )
    def test_as_piece_by_piece(
        self,
        data: bytes,
        kept: str,
        sent: str,
        md5: bytes | None,
        value: bytes | None,
        etag: ETagKind,
    ) -> None:
        """Bytes that are all there have the digests that they have piece by piece, and are
        refused for the same reasons."""

        def of(algorithm: str, what: bytes | None) -> bytes | None:
            return what and digest(algorithm, data if what == b"data" else what)

        claimed = of(sent or kept or DEFAULT_ALGORITHM, value)
        claim = Declared(of("MD5", md5), sent, lambda: claimed, kept)
        pieces = Digests(claim, etag)
        pieces.update(data[:7])
        pieces.update(data[7:])
        try:
            expected = pieces.etag, pieces.verified()
        except BadDigest as error:
            with self.assertRaises(BadDigest) as caught:
                digested(data, claim, etag)
            self.assertEqual(str(caught.exception), str(error))
        else:
            self.assertEqual(digested(data, claim, etag), expected)

    def test_unknown(self) -> None:
        """An algorithm that S3 does not have is refused."""
        self.assertRaises(InvalidOperation, digested, b"", Declared(algorithm="MD4"), ETagKind.MD5)


class ObjectTests(StoreCase):
    def test_kept(self) -> None:
        """An object keeps the checksum that it came with, whichever way its bytes are kept."""
        for algorithm in ALGORITHMS:
            for data in (b"", b"small", LARGE):
                right = digest(algorithm, data)
                declared = declaring(algorithm, right)
                self.ok(self.store.objects.put("photos", "a", data, declared=declared))
                found = self.ok(self.store.objects.head("photos", "a"))
                self.assertEqual(found.tail.checksums, (Checksum(algorithm, right),))
                self.assertEqual(found.head.checksum_algorithm, algorithm)

    def test_wrong(self) -> None:
        """With a wrong one nothing is stored."""
        for algorithm in ALGORITHMS:
            for data in (b"small", LARGE):
                wrong = digest(algorithm, data + b"!")
                declared = declaring(algorithm, wrong)
                put = self.store.objects.put("photos", "a", data, declared=declared)
                self.refused(BadDigest, put)
        self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))
        self.assertEqual(self.files(), [])


class UploadTests(StoreCase):
    def test_composite(self) -> None:
        """A composite checksum is that of the parts' checksums."""
        for algorithm in COMPOSITE_ALGORITHMS:
            upload_id = self.upload("a", b"first", b"second", algorithm=algorithm)
            self.complete("a", upload_id)
            [kept] = self.ok(self.store.objects.head("photos", "a")).tail.checksums
            values = digest(algorithm, b"first") + digest(algorithm, b"second")
            self.assertEqual((kept.kind, kept.algorithm), ("COMPOSITE", algorithm))
            self.assertEqual(kept.value, digest(algorithm, values))

    def test_full_object(self) -> None:
        """A full checksum is that of all bytes, though nobody reads them again."""
        for algorithm, kind in (
            ("CRC32", "FULL_OBJECT"),
            ("CRC32C", "FULL_OBJECT"),
            ("CRC64NVME", "FULL_OBJECT"),
            ("CRC64NVME", ""),
            ("", ""),
        ):
            data = (b"first", bytes(70_000), b"")
            upload_id = self.upload("a", *data, algorithm=algorithm, kind=kind)
            self.complete("a", upload_id)
            found = self.ok(self.store.objects.head("photos", "a"))
            [kept] = found.tail.checksums
            self.assertEqual(kept.value, digest(algorithm or "CRC64NVME", b"".join(data)))
            self.assertEqual(
                (found.head.checksum_algorithm, found.head.checksum_kind),
                (kept.algorithm, "FULL_OBJECT"),
            )

    def test_declared_parts(self) -> None:
        """A part's declared checksum is compared; one of another algorithm than the upload's
        is refused, and where none is declared it is computed."""
        upload_id = self.upload("a", algorithm="SHA256")
        put_part = self.store.uploads.put_part
        bad = declaring("SHA256", bytes(32))
        self.refused(BadDigest, put_part("photos", "a", upload_id, 1, LARGE, declared=bad))
        other = Declared(algorithm="CRC32")
        self.refused(InvalidOperation, put_part("photos", "a", upload_id, 1, LARGE, declared=other))
        self.assertEqual(self.files(), [])
        stored = self.ok(put_part("photos", "a", upload_id, 1, LARGE))
        kept = Checksum("SHA256", hashlib.sha256(LARGE).digest())
        self.assertEqual(stored.part.checksums, (kept,))

    def test_any_part_without_algorithm(self) -> None:
        """An upload without an algorithm takes parts with any, and becomes an object with the
        default one."""
        upload_id = self.upload("a")
        bodies = [b"by " + name.encode() for name in ALGORITHMS]
        for number, (algorithm, data) in enumerate(zip(ALGORITHMS, bodies, strict=True), 1):
            value = digest(algorithm, data)
            declared = declaring(algorithm, value)
            put_part = self.store.uploads.put_part
            stored = self.ok(put_part("photos", "a", upload_id, number, data, declared=declared))
            self.assertEqual(stored.part.checksums[-1], Checksum(algorithm, value))
        page = self.ok(self.store.uploads.parts("photos", "a", upload_id))
        listed = [ListedPart(number, part.etag, part.checksums[-1]) for number, part in page.parts]
        self.ok(self.store.completions.complete("photos", "a", upload_id, listed))
        [kept] = self.ok(self.store.objects.head("photos", "a")).tail.checksums
        self.assertEqual(kept, Checksum("CRC64NVME", digest("CRC64NVME", b"".join(bodies))))

    def test_listed(self) -> None:
        """The checksums in the list of a Complete are compared."""
        for algorithm, kind in (("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("", "")):
            upload_id = self.upload("a", b"first", algorithm=algorithm, kind=kind)
            [part] = self.listed("a", upload_id)
            complete = self.store.completions.complete
            for wrong in (Checksum("CRC32", bytes(4)), Checksum("SHA1", digest("SHA1", b"first"))):
                listed = [ListedPart(1, part.etag, wrong)]
                self.refused(InvalidPart, complete("photos", "a", upload_id, listed))
            self.ok(complete("photos", "a", upload_id, [part]))

    def test_listed_without(self) -> None:
        """Where the object's checksum is composite, each line of the list must have one."""
        for algorithm, kind in (("SHA256", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("", "")):
            upload_id = self.upload("a", b"first", b"second", algorithm=algorithm, kind=kind)
            first, second = self.listed("a", upload_id)
            complete = self.store.completions.complete
            work = complete("photos", "a", upload_id, [first, ListedPart(2, second.etag)])
            if kind != "COMPOSITE":
                self.ok(work)
                continue
            # https://github.com/boto/s3transfer/issues/241 has Amazon's answer.
            self.assertEqual(
                str(self.refused(InvalidOperation, work)),
                "The upload was created using a sha256 checksum. The complete request must include "
                "the checksum for each part. It was missing for part 2 in the request.",
            )
            self.ok(complete("photos", "a", upload_id, [first, second]))

    def test_declared_object(self) -> None:
        """What a Complete declares of the whole is compared: nothing that it says is ignored,
        and after a refusal the upload goes on."""
        other = {"COMPOSITE": "FULL_OBJECT", "FULL_OBJECT": "COMPOSITE"}
        for algorithm, kind, value in (
            ("CRC32", "COMPOSITE", digest("CRC32", digest("CRC32", LARGE) + digest("CRC32", b"2"))),
            ("MD5", "COMPOSITE", digest("MD5", digest("MD5", LARGE) + digest("MD5", b"2"))),
            ("CRC32", "FULL_OBJECT", digest("CRC32", LARGE + b"2")),
            ("CRC64NVME", "FULL_OBJECT", digest("CRC64NVME", LARGE + b"2")),
            ("", "", digest("CRC64NVME", LARGE + b"2")),
        ):
            upload_id = self.upload("a", LARGE, b"2", algorithm=algorithm, kind=kind)
            listed = self.listed("a", upload_id)
            kept, its_kind = algorithm or "CRC64NVME", kind or "FULL_OBJECT"
            right = Checksum(kept, value)
            wrong = Checksum(kept, bytes(len(value)))
            sha1 = Checksum("SHA1", digest("SHA1", LARGE + b"2"))
            for error, declared in (
                (BadDigest, DeclaredObject(wrong)),
                (BadDigest, DeclaredObject(wrong, its_kind)),
                (InvalidOperation, DeclaredObject(sha1)),
                (ChecksumKindMismatch, DeclaredObject(right, other[its_kind])),
                (ChecksumKindMismatch, DeclaredObject(None, other[its_kind])),
            ):
                work = self.store.completions.complete(
                    "photos", "a", upload_id, listed, declared=declared
                )
                self.refused(error, work)
                self.refused(ObjectNotFound, self.store.objects.head("photos", "a"))
            declared = DeclaredObject(right, its_kind, len(LARGE) + 1)
            work = self.store.completions.complete(
                "photos", "a", upload_id, listed, declared=declared
            )
            completed = self.ok(work)
            self.assertEqual(completed.checksum, Checksum(kept, value, its_kind))
            self.ok(self.store.objects.delete("photos", "a"))


class ObjectPartTests(StoreCase):
    def test_parts(self) -> None:
        """The parts of an object are counted without gaps, with their bytes and checksums."""
        upload_id = self.upload("a", algorithm="XXHASH64")
        bodies = {3: LARGE, 7: b"seven", 9: b"9"}
        for number, data in bodies.items():
            self.ok(self.store.uploads.put_part("photos", "a", upload_id, number, data))
        self.complete("a", upload_id)
        opened = self.ok(self.store.objects.get("photos", "a"))
        whole = b"".join(bodies.values())
        parts = self.ok(opened.parts())
        self.assertEqual([part.number for part in parts], [1, 2, 3])
        for part, data in zip(parts, bodies.values(), strict=True):
            self.assertEqual(whole[part.start : part.stop], data)
            self.assertEqual(part.checksums, (Checksum("XXHASH64", digest("XXHASH64", data)),))
            self.assertEqual(self.ok(opened.part(part.number)), part)
        self.assertEqual(self.ok(opened.parts(after_number=1, parts_max=1)), parts[1:2])
        self.assertEqual(self.ok(opened.parts(after_number=3)), [])
        opened.close()
