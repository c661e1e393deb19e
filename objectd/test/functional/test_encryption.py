"""Encryption by the real server: what its disk holds, over TLS, across restarts."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
from base64 import b64encode
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from objectd.keys.local import FILE_NAME
from objectd.test.functional.boto_case import BotoCase
from objectd.test.functional.server import BIN, BUCKET, MIB

KEY = b"k3y of a customer, known to none"
MARK = b"plain text that must never reach the disk; "
CUSTOMER = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY}
SETTINGS: dict[str, dict[str, Any]] = {
    "s3": {"ServerSideEncryption": "AES256"},
    "kms": {"ServerSideEncryption": "aws:kms", "BucketKeyEnabled": True},
    "dsse": {"ServerSideEncryption": "aws:kms:dsse"},
    "customer": CUSTOMER,
}


def reading(wanted: dict[str, Any]) -> dict[str, Any]:
    return wanted if "SSECustomerKey" in wanted else {}


class EncryptionTests(BotoCase):
    secure = True

    def objectd(self, *arguments: str) -> str:
        command = [str(BIN / "objectd"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def assert_all_there(self, bodies: dict[str, bytes]) -> None:
        for key, body in bodies.items():
            wanted = SETTINGS[key.partition(" ")[0]]
            got = self.client.get_object(Bucket=BUCKET, Key=key, **reading(wanted))
            self.assertEqual(got["Body"].read(), body)
            middle = len(body) // 2
            got = self.client.get_object(
                Bucket=BUCKET, Key=key, Range=f"bytes={middle}-{middle + 9}", **reading(wanted)
            )
            self.assertEqual(got["Body"].read(), body[middle : middle + 10])

    def put_all(self) -> dict[str, bytes]:
        bodies = {}
        for name, wanted in SETTINGS.items():
            for size in (100, 65_536, 65_537, 3 * MIB + 1):
                body = (MARK * (size // len(MARK) + 1))[:size]
                self.client.put_object(Bucket=BUCKET, Key=f"{name} {size}", Body=body, **wanted)
                bodies[f"{name} {size}"] = body
            created = self.client.create_multipart_upload(Bucket=BUCKET, Key=f"{name} m", **wanted)
            upload = {"Bucket": BUCKET, "Key": f"{name} m", "UploadId": created["UploadId"]}
            parts = []
            for number, size in enumerate((5 * MIB, 70_001), 1):
                body = (MARK * (size // len(MARK) + 1))[:size]
                part = self.client.upload_part(
                    **upload, PartNumber=number, Body=body, **reading(wanted)
                )
                parts.append({"PartNumber": number, "ETag": part["ETag"]})
                bodies[f"{name} m"] = bodies.get(f"{name} m", b"") + body
            self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        return bodies

    def test_raw_disk(self) -> None:
        """No file of the data directory holds a piece of the data or a key, but for the keyring
        its own; and everything is there for who has the keys, also after a crash."""
        bodies = self.put_all()
        self.assert_all_there(bodies)
        self.server.stop(signal.SIGKILL)
        keyring = (self.server.data / FILE_NAME).read_text()
        secrets = [
            bytes.fromhex(version["secret"])
            for key in json.loads(keyring)["keys"].values()
            for version in key["versions"]
        ]
        self.assertEqual(len(secrets), 2)
        needles = [MARK[n : n + 12] for n in range(0, len(MARK) - 12, 4)]
        forms = [form for key in (*secrets, KEY) for form in (key[:16], key.hex()[:32].encode())]
        md5 = hashlib.md5(KEY).digest()
        forms += [md5, b64encode(md5), b64encode(KEY)]
        seen = 0
        for file in self.server.data.rglob("*"):
            if not file.is_file() or file.name == FILE_NAME:
                continue
            data = file.read_bytes()
            seen += len(data)
            for needle in (*needles, *forms):
                self.assertNotIn(needle, data, file)
        self.assertGreater(seen, sum(map(len, bodies.values())))
        self.start()
        self.assert_all_there(bodies)
        self.assertNotIn(KEY.hex(), self.server.logged())

    def test_tampered(self) -> None:
        """A flipped bit in any file breaks a download off, or is an error."""
        body = Random(0).randbytes(3 * MIB)
        self.client.put_object(Bucket=BUCKET, Key="k", Body=body, **SETTINGS["s3"])
        [file] = [each for each in (self.server.data / "blobs").rglob("*.*") if each.is_file()]
        data = bytearray(file.read_bytes())
        data[2 * MIB] ^= 1
        file.write_bytes(data)
        with self.assertRaises(Exception):  # noqa: B017 - by botocore or urllib3
            self.client.get_object(Bucket=BUCKET, Key="k")["Body"].read()

    def test_rotated(self) -> None:
        """A key that is rotated while the server runs is used by all of its processes, and what
        was encrypted before can be read; one that is disabled cannot be used."""
        bodies = self.put_all()
        listed = self.objectd("keys", "list", str(self.server.data))
        self.assertEqual(
            [line.split()[:3] for line in listed.splitlines()],
            [["objectd-kms", "version", "1"], ["objectd-s3", "version", "1"]],
        )
        rotated = self.objectd("keys", "rotate", str(self.server.data), "objectd-kms")
        self.assertIn("version 2", rotated)
        self.assert_all_there(bodies)
        self.objectd("keys", "create", str(self.server.data), "own")
        kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "own"}
        self.client.put_object(Bucket=BUCKET, Key="own", Body=MARK, **kms)
        self.objectd("keys", "disable", str(self.server.data), "own")
        with self.assertRaises(ClientError) as raised:
            self.client.get_object(Bucket=BUCKET, Key="own")
        self.assertEqual(raised.exception.response["Error"]["Code"], "KMS.DisabledException")
        self.objectd("keys", "enable", str(self.server.data), "own")
        got = self.client.get_object(Bucket=BUCKET, Key="own")
        self.assertEqual(got["Body"].read(), MARK)

    def test_transfer(self) -> None:
        """boto3's transfer methods move a large file in parts, encrypted for a customer's key."""

        body = Random(1).randbytes(20 * MIB + 1)
        self.client.upload_fileobj(io.BytesIO(body), BUCKET, "k", ExtraArgs=CUSTOMER)
        back = io.BytesIO()
        self.client.download_fileobj(BUCKET, "k", back, ExtraArgs=CUSTOMER)
        self.assertEqual(back.getvalue(), body)

    def test_default(self) -> None:
        """A default holds in all processes once it was set."""
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        self.client.put_bucket_encryption(
            Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]}
        )
        for n in range(20):
            client = self.server.client()  # each on a connection of its own
            put = client.put_object(Bucket=BUCKET, Key=str(n), Body=MARK)
            self.assertEqual(put["ServerSideEncryption"], "AES256")
            self.assertEqual(client.get_object(Bucket=BUCKET, Key=str(n))["Body"].read(), MARK)
