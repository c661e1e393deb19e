"""Customers' keys over the wire: who needs one, and what is refused."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from objectd.s3.application import S3Settings
from objectd.test.s3.encryption_case import (
    KEY,
    LARGE,
    OTHER,
    SETTINGS,
    SOURCE,
    EncryptionCase,
    in_full,
    mine,
)
from objectd.testing.s3 import MemoryServer


class CustomerKeyTests(EncryptionCase):
    def test_reading(self) -> None:
        """What is encrypted for a customer's key needs it, and what is not takes none."""
        self.put(**mine())
        for call, codes in (
            (self.s3.get_object, ("InvalidRequest", "AccessDenied")),
            (self.s3.head_object, ("400", "403")),
        ):
            self.refused(codes[0], call, Key="k")
            self.refused(codes[1], call, status=403, Key="k", **mine(OTHER))
        attributes: dict[str, Any] = {"Key": "k", "ObjectAttributes": ["ETag"]}
        self.refused("InvalidRequest", self.s3.get_object_attributes, **attributes)
        wrong: dict[str, Any] = {**attributes, **in_full(OTHER)}
        self.refused("AccessDenied", self.s3.get_object_attributes, status=403, **wrong)
        for wanted in SETTINGS[:-1]:
            self.put(**wanted)
            message = self.refused("InvalidRequest", self.s3.get_object, Key="k", **mine())
            self.assertEqual(
                message, "The encryption parameters are not applicable to this object."
            )
            self.refused("400", self.s3.head_object, Key="k", **mine())

    def test_plain_requests(self) -> None:
        """The short way through the server refuses them as well."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"small", **mine())
        plain = self.server.client()
        message = self.refused("InvalidRequest", plain.get_object, Key="k")
        self.assertTrue(message.startswith("The object was stored using a form of Server Side"))
        self.refused("400", plain.head_object, Key="k")

    def test_malformed(self) -> None:
        """A key that is not whole, or not what its MD5 says, stores and shows nothing."""
        md5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
        text = base64.b64encode(KEY).decode()
        short = base64.b64encode(KEY[:31]).decode()
        names = ["algorithm", "key", "key-MD5"]
        for code, values in (
            ("InvalidArgument", (None, text, md5)),
            ("InvalidArgument", ("AES256", None, md5)),
            ("InvalidArgument", ("AES256", text, None)),
            ("InvalidEncryptionAlgorithmError", ("AES128", text, md5)),
            ("InvalidArgument", ("AES256", short, md5)),
            ("InvalidArgument", ("AES256", "not base64!", md5)),
            ("InvalidArgument", ("AES256", text, md5[::-1])),
        ):
            headers = {
                f"x-amz-server-side-encryption-customer-{name}": value
                for name, value in zip(names, values, strict=True)
                if value is not None
            }
            client = self.server.client(secure=True)

            def add(params: Any, headers: dict[str, str] = headers, **_: Any) -> None:
                params["headers"].update(headers)

            client.meta.events.register("before-call.s3", add)
            message = self.refused(code, client.put_object, Key="k", Body=LARGE)
            self.assertNotIn(text, message)
        self.refused("404", self.s3.head_object, status=404, Key="k")

    def test_without_tls(self) -> None:
        """A key over plain HTTP is refused, unless the operator allows it."""
        client = self.server.client()
        client.meta.events.unregister("before-parameter-build.s3.PutObject")
        message = self.refused("InvalidRequest", self._unguarded(self.server), Key="k", Body=LARGE)
        self.assertIn("secure connection", message)
        allowed = MemoryServer(
            store=self.server.store,
            settings=S3Settings(domains=("s3.test",), sse_c_without_tls=True),
        )
        self._unguarded(allowed)(Bucket="photos", Key="k", Body=LARGE)
        got = self.s3.get_object(Bucket="photos", Key="k", **mine())
        self.assertEqual(got["Body"].read(), LARGE)

    def _unguarded(self, server: MemoryServer) -> Any:
        """A put over HTTP by a client that sends the key all the same."""
        client = server.client()
        md5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
        headers = {
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
            "x-amz-server-side-encryption-customer-key": base64.b64encode(KEY).decode(),
            "x-amz-server-side-encryption-customer-key-MD5": md5,
        }

        def add(params: Any, **_: Any) -> None:
            params["headers"].update(headers)

        client.meta.events.register("before-call.s3", add)
        return client.put_object

    def test_uploads(self) -> None:
        """Every part needs the upload's key."""
        created = self.s3.create_multipart_upload(Bucket="photos", Key="m", **mine())
        part: dict[str, Any] = {"Key": "m", "UploadId": created["UploadId"], "PartNumber": 1}
        message = self.refused("InvalidRequest", self.s3.upload_part, **part, Body=LARGE)
        self.assertTrue(message.startswith("The multipart upload initiate requested encryption."))
        message = self.refused(
            "InvalidRequest", self.s3.upload_part, **part, Body=LARGE, **mine(OTHER)
        )
        self.assertIn("did not match the ones used originally", message)
        self.put("source", b"source")
        copy: dict[str, Any] = {**part, "CopySource": "photos/source"}
        self.refused("InvalidRequest", self.s3.upload_part_copy, **copy)
        self.refused("InvalidRequest", self.s3.upload_part_copy, **copy, **mine(OTHER))
        self.refused("InvalidRequest", self.s3.upload_part_copy, **copy, **mine(), **SOURCE)
        listing: dict[str, Any] = {"Key": "m", "UploadId": created["UploadId"]}
        self.refused("AccessDenied", self.s3.list_parts, status=403, **listing, **in_full(OTHER))
        etag = self.s3.upload_part(Bucket="photos", Body=LARGE, **part, **mine())["ETag"]
        complete: dict[str, Any] = {
            **listing,
            "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]},
        }
        self.refused(
            "AccessDenied",
            self.s3.complete_multipart_upload,
            status=403,
            **complete,
            **mine(OTHER),
        )
        plain = self.s3.create_multipart_upload(Bucket="photos", Key="m")
        part["UploadId"] = plain["UploadId"]
        self.refused("InvalidRequest", self.s3.upload_part, **part, Body=LARGE, **mine())

    def test_copies(self) -> None:
        """A copy needs the source's key."""
        self.put("source", LARGE, **mine())
        copy: dict[str, Any] = {"Key": "c", "CopySource": "photos/source"}
        self.refused("InvalidRequest", self.s3.copy_object, **copy)
        wrong: dict[str, Any] = mine(OTHER, "CopySource")
        self.refused("AccessDenied", self.s3.copy_object, status=403, **copy, **wrong)
        self.put("source", LARGE)
        self.refused("InvalidRequest", self.s3.copy_object, **copy, **SOURCE)
