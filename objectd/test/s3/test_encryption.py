"""Server-side encryption over the wire: headers, documents and every error."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from objectd.test.s3.encryption_case import (
    ARN,
    KEY,
    LARGE,
    SETTINGS,
    SOURCE,
    EncryptionCase,
    in_full,
    mine,
)
from objectd.testing.s3 import result_of


class ShownTests(EncryptionCase):
    def assert_shown(self, wanted: dict[str, Any], *answers: dict[str, Any]) -> None:
        name = wanted.get("ServerSideEncryption")
        for answer in answers:
            self.assertEqual(answer.get("ServerSideEncryption"), name)
            key_id = ARN + "objectd-kms" if name and "kms" in name else None
            self.assertEqual(answer.get("SSEKMSKeyId"), key_id)
            self.assertEqual(answer.get("BucketKeyEnabled"), wanted.get("BucketKeyEnabled"))
            customer = answer.get("SSECustomerAlgorithm"), answer.get("SSECustomerKeyMD5")
            md5 = base64.b64encode(hashlib.md5(KEY).digest()).decode()
            self.assertEqual(
                customer, ("AES256", md5) if "SSECustomerKey" in wanted else (None,) * 2
            )

    def test_objects(self) -> None:
        """What is put comes back; every answer tells how it is encrypted."""
        for wanted in SETTINGS:
            reading, full = (wanted, in_full()) if "SSECustomerKey" in wanted else ({}, {})
            for body in (b"small", LARGE):
                put = self.put(body=body, **wanted)
                got = self.s3.get_object(Bucket="photos", Key="k", **reading)
                self.assertEqual(got["Body"].read(), body)
                head = self.s3.head_object(Bucket="photos", Key="k", **reading)
                part = self.s3.head_object(Bucket="photos", Key="k", PartNumber=1, **reading)
                self.assert_shown(wanted, put, got, head, part)
                span = self.s3.get_object(Bucket="photos", Key="k", Range="bytes=3-4", **reading)
                self.assertEqual(span["Body"].read(), body[3:5])
                attributes = self.s3.get_object_attributes(
                    Bucket="photos", Key="k", ObjectAttributes=["ObjectSize", "ETag"], **full
                )
                self.assertEqual(attributes["ObjectSize"], len(body))
                self.assertEqual(f'"{attributes["ETag"]}"', put["ETag"])

    def test_uploads(self) -> None:
        """So it is with uploads in parts and copies of parts."""
        self.put("source", LARGE, **mine())
        for wanted in SETTINGS:
            keyed = wanted if "SSECustomerKey" in wanted else {}
            created = self.s3.create_multipart_upload(Bucket="photos", Key="m", **wanted)
            upload = {"Bucket": "photos", "Key": "m", "UploadId": created["UploadId"]}
            first = self.s3.upload_part(**upload, PartNumber=1, Body=LARGE * 40, **keyed)
            second = self.s3.upload_part_copy(
                **upload, PartNumber=2, CopySource="photos/source", **keyed, **SOURCE
            )
            self.assertEqual(
                len(self.s3.list_parts(**upload, **(in_full() if keyed else {}))["Parts"]), 2
            )
            etags = [first["ETag"], second["CopyPartResult"]["ETag"]]
            parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
            completed = self.s3.complete_multipart_upload(
                **upload, MultipartUpload={"Parts": parts}, **keyed
            )
            got = self.s3.get_object(Bucket="photos", Key="m", **keyed)
            self.assertEqual(got["Body"].read(), LARGE * 41)
            self.assert_shown(wanted, created, first, second, got)
            if not keyed:
                self.assert_shown(wanted, completed)

    def test_copies(self) -> None:
        """Copies tell of their own encryption, between all settings."""
        for source in SETTINGS:
            self.put("source", LARGE, **source)
            of_source = SOURCE if "SSECustomerKey" in source else {}
            for wanted in SETTINGS:
                copied = self.s3.copy_object(
                    Bucket="photos", Key="c", CopySource="photos/source", **wanted, **of_source
                )
                reading = wanted if "SSECustomerKey" in wanted else {}
                got = self.s3.get_object(Bucket="photos", Key="c", **reading)
                self.assertEqual(got["Body"].read(), LARGE)
                self.assert_shown(wanted, copied, got)

    def test_context(self) -> None:
        """The context is shown to who gives it, with what is added to it."""
        context = base64.b64encode(json.dumps({"project": "ü"}).encode()).decode()
        put = self.put(ServerSideEncryption="aws:kms", SSEKMSEncryptionContext=context)
        shown = json.loads(base64.b64decode(put["SSEKMSEncryptionContext"]))
        self.assertEqual(shown, {"project": "ü", "aws:s3:arn": "arn:aws:s3:::photos/k"})
        got = self.s3.get_object(Bucket="photos", Key="k")
        self.assertEqual(got["Body"].read(), LARGE)
        self.assertNotIn("SSEKMSEncryptionContext", got)

    def test_named_key(self) -> None:
        """A key that there is can be named; it is shown by its ARN."""
        result_of(self.keys_manager().create("own"))
        put = self.put(ServerSideEncryption="aws:kms", SSEKMSKeyId="own")
        self.assertEqual(put["SSEKMSKeyId"], ARN + "own")


class RefusalTests(EncryptionCase):
    def test_mixes(self) -> None:
        """What does not go together is refused, and stores nothing."""
        context = base64.b64encode(b'{"a": "b"}').decode()
        reserved = base64.b64encode(b'{"aws:s3:arn": "b"}').decode()
        mixes: tuple[dict[str, Any], ...] = (
            {"ServerSideEncryption": "AES128"},
            {"ServerSideEncryption": "aws:fsx"},
            {"ServerSideEncryption": "AES256", **mine()},
            {"BucketKeyEnabled": True, **mine()},
            {"SSEKMSKeyId": "k", **mine()},
            {"SSEKMSKeyId": "k"},
            {"ServerSideEncryption": "AES256", "SSEKMSKeyId": "k"},
            {"ServerSideEncryption": "AES256", "SSEKMSEncryptionContext": context},
            {"ServerSideEncryption": "aws:kms:dsse", "BucketKeyEnabled": True},
            {"ServerSideEncryption": "aws:kms", "SSEKMSEncryptionContext": "{}"},
            {"ServerSideEncryption": "aws:kms", "SSEKMSEncryptionContext": "W10="},
            {"ServerSideEncryption": "aws:kms", "SSEKMSEncryptionContext": "eyJhIjoxfQ=="},
            {"ServerSideEncryption": "aws:kms", "SSEKMSEncryptionContext": reserved},
        )
        calls: tuple[tuple[Any, dict[str, Any]], ...] = (
            (self.s3.put_object, {"Body": LARGE}),
            (self.s3.create_multipart_upload, {}),
        )
        for arguments in mixes:
            for call, more in calls:
                self.refused("InvalidArgument", call, Key="k", **more, **arguments)
        self.refused("404", self.s3.head_object, status=404, Key="k")

    def test_keys(self) -> None:
        """A key that is not there, or is disabled, is said to be so."""
        kms: dict[str, Any] = {"Key": "k", "ServerSideEncryption": "aws:kms"}
        absent: dict[str, Any] = {**kms, "SSEKMSKeyId": "none"}
        for call in (self.s3.put_object, self.s3.create_multipart_upload):
            self.refused("KMS.NotFoundException", call, **absent)
        self.put(ServerSideEncryption="aws:kms")
        manager = self.keys_manager()
        manager.keyring = manager.keyring.switched("objectd-kms", enabled=False)
        self.refused("KMS.DisabledException", self.s3.put_object, **kms, Body=LARGE)
        self.refused("KMS.DisabledException", self.s3.get_object, Key="k")
        self.s3.head_object(Bucket="photos", Key="k")

    def test_appends(self) -> None:
        """Nothing is appended to what is encrypted."""
        self.put(body=b"0123", ServerSideEncryption="AES256")
        append: dict[str, Any] = {"Key": "k", "Body": b"45", "WriteOffsetBytes": 4}
        self.refused("InvalidRequest", self.s3.put_object, **append)
        self.refused("InvalidRequest", self.s3.put_object, **append, ServerSideEncryption="AES256")


class BucketTests(EncryptionCase):
    def configure(self, **rule: Any) -> None:
        self.s3.put_bucket_encryption(
            Bucket="photos", ServerSideEncryptionConfiguration={"Rules": [rule]}
        )

    def rule(self) -> dict[str, Any]:
        answer = self.s3.get_bucket_encryption(Bucket="photos")
        [rule] = answer["ServerSideEncryptionConfiguration"]["Rules"]
        found: dict[str, Any] = rule
        return found

    def test_default(self) -> None:
        """A bucket's default is shown, applied and taken away again."""
        code = "ServerSideEncryptionConfigurationNotFoundError"
        self.refused(code, self.s3.get_bucket_encryption, status=404)
        for algorithm in ("AES256", "aws:kms", "aws:kms:dsse"):
            applied = {"SSEAlgorithm": algorithm}
            self.configure(ApplyServerSideEncryptionByDefault=applied)
            self.assertEqual(
                self.rule(),
                {"ApplyServerSideEncryptionByDefault": applied, "BucketKeyEnabled": False},
            )
            for client in (self.s3, self.server.client()):  # the long and the short way
                for body in (b"small", LARGE):
                    put = client.put_object(Bucket="photos", Key="k", Body=body)
                    got = client.get_object(Bucket="photos", Key="k")
                    self.assertEqual(got["Body"].read(), body)
                    self.assertEqual(put["ServerSideEncryption"], algorithm)
                    self.assertEqual(got["ServerSideEncryption"], algorithm)
                    self.assertIn("ChecksumCRC32", put)
            created = self.s3.create_multipart_upload(Bucket="photos", Key="m")
            self.assertEqual(created["ServerSideEncryption"], algorithm)
        self.s3.delete_bucket_encryption(Bucket="photos")
        self.refused(code, self.s3.get_bucket_encryption, status=404)
        self.assertNotIn("ServerSideEncryption", self.put())
        self.s3.delete_bucket_encryption(Bucket="photos")

    def test_kms(self) -> None:
        """The key and the bucket key of the default are used; a key that is not there is not
        looked for before it is needed, as on AWS."""
        applied = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "own"}
        self.configure(ApplyServerSideEncryptionByDefault=applied, BucketKeyEnabled=True)
        self.assertEqual(
            self.rule(), {"ApplyServerSideEncryptionByDefault": applied, "BucketKeyEnabled": True}
        )
        self.refused("KMS.NotFoundException", self.s3.put_object, Key="k", Body=LARGE)
        result_of(self.keys_manager().create("own"))
        put = self.put()
        self.assertEqual((put["SSEKMSKeyId"], put["BucketKeyEnabled"]), (ARN + "own", True))

    def test_blocked(self) -> None:
        """A bucket may refuse customers' keys, with a default and without one."""
        blocked = {"EncryptionType": ["SSE-C"]}
        self.configure(BlockedEncryptionTypes=blocked)
        self.assertEqual(
            self.rule(), {"BlockedEncryptionTypes": blocked, "BucketKeyEnabled": False}
        )
        for call in (self.s3.put_object, self.s3.create_multipart_upload):
            self.refused("AccessDenied", call, status=403, Key="k", **mine())
        self.configure(BlockedEncryptionTypes={"EncryptionType": ["NONE"]})
        self.put(**mine())

    def test_malformed(self) -> None:
        """A configuration that makes no sense changes nothing."""
        aes = {"SSEAlgorithm": "AES256"}
        for code, rules in (
            ("MalformedXML", []),
            ("MalformedXML", [{}]),
            ("MalformedXML", [{"BucketKeyEnabled": True}]),
            ("MalformedXML", [{"ApplyServerSideEncryptionByDefault": aes}] * 2),
            (
                "MalformedXML",
                [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES128"}}],
            ),
            (
                "InvalidArgument",
                [{"ApplyServerSideEncryptionByDefault": {**aes, "KMSMasterKeyID": "k"}}],
            ),
            (
                "InvalidArgument",
                [
                    {
                        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms:dsse"},
                        "BucketKeyEnabled": True,
                    }
                ],
            ),
            (
                "MalformedXML",
                [{"BlockedEncryptionTypes": {"EncryptionType": ["SSE-C", "NONE"]}}],
            ),
        ):
            self.refused(
                code,
                self.s3.put_bucket_encryption,
                ServerSideEncryptionConfiguration={"Rules": rules},
            )
        code = "ServerSideEncryptionConfigurationNotFoundError"
        self.refused(code, self.s3.get_bucket_encryption, status=404)

    def test_no_bucket(self) -> None:
        """Of a bucket that is not there nothing can be said."""
        rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        configuration = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
        for call, more in (
            (self.s3.put_bucket_encryption, configuration),
            (self.s3.get_bucket_encryption, {}),
            (self.s3.delete_bucket_encryption, {}),
        ):
            self.refused("NoSuchBucket", call, status=404, **{"Bucket": "none", **more})


class UpdateTests(EncryptionCase):
    def update(self, key: str = "k", arn: str = ARN + "own", **more: Any) -> dict[str, Any]:
        kms = {"KMSKeyArn": arn, **more}
        return {"Key": key, "ObjectEncryption": {"SSEKMS": kms}}

    def setUp(self) -> None:
        super().setUp()
        result_of(self.keys_manager().create("own"))

    def test_updated(self) -> None:
        """An object is given another key; all else of it stays."""
        for wanted in SETTINGS[1:4]:
            self.put(**wanted)
            before = self.s3.head_object(Bucket="photos", Key="k")
            self.s3.update_object_encryption(Bucket="photos", **self.update(BucketKeyEnabled=True))
            after = self.s3.get_object(Bucket="photos", Key="k")
            self.assertEqual(after["Body"].read(), LARGE)
            shown = [after["ServerSideEncryption"], after["SSEKMSKeyId"], after["BucketKeyEnabled"]]
            self.assertEqual(shown, ["aws:kms", ARN + "own", True])
            for name in ("ETag", "LastModified", "ContentLength"):
                self.assertEqual(after[name], before[name])

    def test_refused(self) -> None:
        """What cannot be updated stays as it is."""
        call = self.s3.update_object_encryption
        self.refused("NoSuchKey", call, status=404, **self.update("none"))
        for wanted in (SETTINGS[0], SETTINGS[4], SETTINGS[5]):
            self.put(**wanted)
            self.refused("InvalidRequest", call, **self.update())
        self.put(**SETTINGS[1])
        self.refused("KMS.NotFoundException", call, **self.update(arn=ARN + "none"))
        self.refused("InvalidArgument", call, **self.update(arn="a-name-that-is-no-arn"))
        self.assertEqual(
            self.s3.head_object(Bucket="photos", Key="k")["ServerSideEncryption"], "AES256"
        )
