"""curl with presigned URLs: what a browser, a script or a build machine does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Any

from botocore.exceptions import ClientError
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.auth.signing import HOST, presigned
from objectd.test.functional.server import BUCKET, MIB, Server

KEYS = [
    "a",
    "a/",
    "a/b",
    "a//b",
    "/a",
    "//",
    ".",
    "..",
    "a/../b",
    "./a/.",
    "%2F",
    "a%2Fb%25",
    "a+b c",
    " a ",
    "a?b=c&d#e",
    "é ü ß 漢字 🗄",
    "e\u0301",
    "\ufffd",
    "'\"<>&;=:@,!$*()[]{}|\\^`~",
    "a\x01\t\r\n\x7fb",
    "\U0001f5c4" * 256,
    "x" * 1024,
]
"""Legal ones that somebody between client and store is likely to bend."""


class CurlTests(SynchronousTestCase):
    def setUp(self) -> None:
        curl = shutil.which("curl")
        assert curl is not None, "these tests need curl"
        self.curl = curl
        self.directory = Path(self.mktemp()).absolute()
        self.server = Server(
            self.directory, config='server.domains = ["s3.test", "store.example.org"]'
        )
        self.addCleanup(self.server.end)
        self.server.start()
        # For presigned URLs boto3 would still choose version 2.
        self.client = self.server.client(signature_version="s3v4")

    def run_curl(self, *arguments: str) -> bytes:
        """What it prints; the body of an answer that is not a success stops the test."""
        command = [self.curl, "--silent", "--show-error", "--fail-with-body", "--path-as-is"]
        done = subprocess.run(
            [*command, "--max-time", "60", *arguments], capture_output=True, check=False
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        return done.stdout

    def presigned(self, operation: str, client: Any = None, **parameters: Any) -> str:
        url: str = (client or self.client).generate_presigned_url(
            operation, Params={"Bucket": BUCKET, **parameters}
        )
        return url

    def file(self, data: bytes) -> str:
        path = self.directory / "upload"
        path.write_bytes(data)
        return str(path)

    def test_put_get(self) -> None:
        """A file goes up by a presigned PUT and comes back by a presigned GET."""
        # Above 1 MiB curl asks for 100 Continue first.
        for data in [b"", b"data", Random(1).randbytes(5 * MIB)]:
            put = self.presigned("put_object", Key="k")
            self.run_curl("--upload-file", self.file(data), put)
            self.assertEqual(self.run_curl(self.presigned("get_object", Key="k")), data)

    def test_chunked(self) -> None:
        """An upload of unknown length comes in chunks."""
        data = Random(2).randbytes(2 * MIB)
        upload = ["--header", "Transfer-Encoding: chunked", "--upload-file", self.file(data)]
        self.run_curl(*upload, self.presigned("put_object", Key="k"))
        self.assertEqual(self.run_curl(self.presigned("get_object", Key="k")), data)

    def test_range_and_headers(self) -> None:
        """A range is served, and the URL says under which name a browser saves it."""
        self.client.put_object(Bucket=BUCKET, Key="k", Body=b"0123456789")
        url = self.presigned(
            "get_object", Key="k", ResponseContentDisposition='attachment; filename="x.txt"'
        )
        answer = self.run_curl("--include", "--range", "2-4", url)
        self.assertTrue(answer.startswith(b"HTTP/1.1 206 "), answer)
        self.assertIn(b'ontent-Disposition: attachment; filename="x.txt"\r\n', answer)
        self.assertTrue(answer.endswith(b"\r\n\r\n234"), answer)

    def test_changed(self) -> None:
        """A URL for another method or another key is refused."""
        get = self.presigned("get_object", Key="k")
        for arguments in [["--request", "PUT", "--data", "x", get], [get.replace("/k?", "/j?")]]:
            done = subprocess.run(
                [self.curl, "--silent", *arguments], capture_output=True, check=True
            )
            self.assertIn(b"<Code>SignatureDoesNotMatch</Code>", done.stdout)
        self.assertEqual(self.client.list_objects_v2(Bucket=BUCKET)["KeyCount"], 0)

    def test_keys(self) -> None:
        """Any legal key is stored, listed and returned exactly, by curl and by boto3."""
        for number, key in enumerate(KEYS):
            if number % 2:
                self.client.put_object(Bucket=BUCKET, Key=key, Body=f"{number}")
                continue
            put = self.presigned("put_object", Key=key)
            # --upload-file would append a file's name to a path that ends with a slash.
            body = ["--request", "PUT", "--data-binary", f"{number}", "--header", "Content-Type:"]
            self.run_curl(*body, put)
        listed = self.client.list_objects_v2(Bucket=BUCKET)["Contents"]
        self.assertEqual(
            [found["Key"] for found in listed], sorted(KEYS, key=lambda key: key.encode())
        )
        for number, key in enumerate(KEYS):
            wanted = f"{number}".encode()
            self.assertEqual(self.run_curl(self.presigned("get_object", Key=key)), wanted)
            got = self.client.get_object(Bucket=BUCKET, Key=key)
            self.assertEqual(got["Body"].read(), wanted)
        for key in KEYS:
            self.client.delete_object(Bucket=BUCKET, Key=key)
        self.assertEqual(self.client.list_objects_v2(Bucket=BUCKET)["KeyCount"], 0)

    def test_illegal_keys(self) -> None:
        """A key of 1,025 bytes, or of bytes that are not UTF-8, is refused."""
        with self.assertRaises(ClientError) as raised:
            self.client.put_object(Bucket=BUCKET, Key="é" * 512 + "x", Body=b"")
        self.assertEqual(raised.exception.response["Error"]["Code"], "KeyTooLongError")
        get = presigned("GET", f"/{BUCKET}/%FF")
        url = f"{self.server.url}{get.target.decode()}"
        command = [self.curl, "--silent", "--include", "--header", f"Host: {HOST}", url]
        done = subprocess.run(command, capture_output=True, check=True)
        self.assertTrue(done.stdout.startswith(b"HTTP/1.1 400 "), done.stdout)

    def test_virtual_hosts(self) -> None:
        """The bucket may be the first label of a host below one of the domains."""
        port = self.server.address[1]
        for domain in ["s3.test", "store.example.org"]:
            host = f"{BUCKET}.{domain}"
            here = ["--resolve", f"{host}:{port}:127.0.0.1"]
            client = self.server.client(
                url=f"http://{domain}:{port}",
                signature_version="s3v4",
                s3={"addressing_style": "virtual"},
            )
            for key in ["k", "a//b", "../é ü"]:
                put = self.presigned("put_object", client, Key=key)
                self.assertTrue(put.startswith(f"http://{host}:{port}/"), put)
                self.run_curl(*here, "--upload-file", self.file(key.encode()), put)
                get = self.presigned("get_object", client, Key=key)
                self.assertEqual(self.run_curl(*here, get), key.encode())
                got = self.client.get_object(Bucket=BUCKET, Key=key)
                self.assertEqual(got["Body"].read(), key.encode())
