"""Keys that XML 1.0 cannot carry (https://www.w3.org/TR/xml/#charsets): S3 takes them, and
shows them as references to characters where nobody asks for another encoding."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import quote
from xml.etree import ElementTree

from objectd.test.s3.test_checksums import value
from objectd.test.s3.wire import BUCKET, WireTestCase, as_bytes, authentic
from objectd.testing.http import ClientResponse

FORBIDDEN = [chr(code) for code in (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF)]
"""But for the surrogates, which no UTF-8 can hold, all that XML 1.0 leaves out."""

_REFERENCE = re.compile(r"&#x([0-9a-f]+);")


class OddKeyTests(WireTestCase):
    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> ClientResponse:
        payload = hashlib.sha256(body).hexdigest()
        request = authentic(method, target, headers, payload=payload)
        return self.server.send(method, as_bytes(request, body))

    def shown(self, response: ClientResponse, element: str) -> list[str]:
        """The texts of an element, read as loosely as it takes."""
        text = response.body.decode()
        found = re.findall(f"<{element}>([^<]*)</{element}>", text)
        return [_REFERENCE.sub(lambda match: chr(int(match[1], 16)), key) for key in found]

    def assert_readable_but_for_references(self, response: ClientResponse) -> None:
        """There is no forbidden character in the document itself, and without the references
        it is XML as any parser takes it."""
        text = response.body.decode()
        for character in FORBIDDEN:
            self.assertNotIn(character, text)
        ElementTree.fromstring(_REFERENCE.sub("", text))

    def test_object(self) -> None:
        """Such an object is put, got and deleted like any other."""
        for character in FORBIDDEN:
            key = f"odd{character}key"
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
            got = self.s3.get_object(Bucket=BUCKET, Key=key)
            self.assertEqual(got["Body"].read(), key.encode())
            self.s3.delete_object(Bucket=BUCKET, Key=key)
            target = f"/{BUCKET}/{quote(key)}"
            response = self.ask("GET", target)
            self.assertEqual(self.shown(response, "Key"), [key])
            self.assert_readable_but_for_references(response)

    def test_listing(self) -> None:
        """A page with such keys shows them as references, and all others as they are."""
        keys = sorted([f"odd{character}" for character in FORBIDDEN] + ["even", "pi\u00e8ce"])
        for key in keys:
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        expected = sorted([*keys, "kept"])
        for query in ("", "?list-type=2"):
            response = self.ask("GET", f"/{BUCKET}{query}")
            self.assertEqual(self.shown(response, "Key"), expected)
            self.assertIn(b"<Key>odd&#x1;</Key>", response.body)
            self.assertIn(b"<Key>odd&#xfffe;</Key>", response.body)
            self.assert_readable_but_for_references(response)
        for call in (self.s3.list_objects, self.s3.list_objects_v2):  # they ask for url
            shown = [line["Key"] for line in call(Bucket=BUCKET)["Contents"]]
            self.assertEqual(shown, expected)

    def test_uploads(self) -> None:
        """So do the answers about uploads of such keys."""
        key = "odd\x1b\uffff"
        target = f"/{BUCKET}/{quote(key)}"
        begun = self.ask("POST", f"{target}?uploads")
        [upload_id] = self.shown(begun, "UploadId")
        sent = self.s3.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload_id, PartNumber=1, Body=b"data"
        )
        parts = self.ask("GET", f"{target}?uploadId={upload_id}")
        uploads = self.ask("GET", f"/{BUCKET}?uploads")
        document = (
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            f"<ETag>{sent['ETag']}</ETag></Part></CompleteMultipartUpload>"
        ).encode()
        done = self.ask("POST", f"{target}?uploadId={upload_id}", document)
        for response in (begun, parts, uploads, done):
            self.assertEqual(response.status, 200, response.body)
            self.assertIn(key, self.shown(response, "Key"))
            self.assert_readable_but_for_references(response)

    def test_delete_objects(self) -> None:
        """DeleteObjects takes no such key, as on AWS: the document that names it is no XML.
        Of the others nothing is deleted."""
        # https://github.com/basho/riak_cs/issues/974 and boto/boto3#2005 have Amazon's answer.
        for character in FORBIDDEN:
            key = f"odd{character}"
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
            before = self.contents()
            for shown in (character, f"&#x{ord(character):x};"):
                document = (
                    f"<Delete><Object><Key>kept</Key></Object><Object><Key>odd{shown}</Key>"
                    "</Object></Delete>"
                ).encode()
                headers = {"x-amz-checksum-crc32": value("CRC32", document)}
                response = self.ask("POST", f"/{BUCKET}?delete", document, headers)
                self.assertEqual(response.status, 400, shown)
                self.assertIn(b"<Code>MalformedXML</Code>", response.body)
                self.assertEqual(self.contents(), before)
