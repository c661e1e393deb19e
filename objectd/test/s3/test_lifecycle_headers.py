"""The headers of responses that tell when an object expires and an upload is aborted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from objectd.interfaces import Row
from objectd.test.s3.lifecycle_case import RULE, TAG, LifecycleCase, Rule
from objectd.test.s3.wire import BUCKET


class HeaderTests(LifecycleCase):
    def expirations(self, key: str) -> set[str | None]:
        """What all ways to look at an object tell."""
        return {
            self.s3.get_object(Bucket=BUCKET, Key=key).get("Expiration"),
            self.s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=0-0").get("Expiration"),
            self.s3.head_object(Bucket=BUCKET, Key=key).get("Expiration"),
            self.s3.head_object(Bucket=BUCKET, Key=key, PartNumber=1).get("Expiration"),
        }

    def expected(self, days: int, rule_id: str) -> str:
        """For an object that is put now."""
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        date = (today + timedelta(days + 1)).strftime("%a, %d %b %Y 00:00:00 GMT")
        return f'expiry-date="{date}", rule-id="{rule_id}"'

    def test_object(self) -> None:
        """Whatever makes or shows an object tells when it expires, and by which rule."""
        self.put({**RULE, "ID": "old & gone", "Expiration": {"Days": 10}})
        expected = self.expected(10, "old%20%26%20gone")
        put = self.s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
        large = self.s3.put_object(Bucket=BUCKET, Key="b", Body=b"x" * 100_000)
        source = {"Bucket": BUCKET, "Key": "a"}
        copied = self.s3.copy_object(Bucket=BUCKET, Key="c", CopySource=source)
        part = self.s3.upload_part(
            Bucket=BUCKET, Key="parts", UploadId=self.upload_id, PartNumber=1, Body=b"x"
        )
        completed = self.s3.complete_multipart_upload(
            Bucket=BUCKET,
            Key="parts",
            UploadId=self.upload_id,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        for answer in (put, large, copied, completed):
            self.assertEqual(answer["Expiration"], expected)
        for key in ("kept", "a", "b", "c", "parts"):
            self.assertEqual(self.expirations(key), {expected})

    def test_changed(self) -> None:
        """What is told is what the present rules say."""
        self.assertEqual(self.expirations("kept"), {None})
        for days in (3, 4):
            self.put({**RULE, "Expiration": {"Days": days}})
            self.assertEqual(self.expirations("kept"), {self.expected(days, "r")})
        self.put({**RULE, "Status": "Disabled"})
        self.assertEqual(self.expirations("kept"), {None})
        self.s3.delete_bucket_lifecycle(Bucket=BUCKET)
        self.assertEqual(self.expirations("kept"), {None})

    def test_filter(self) -> None:
        """Only rules that are about the object count, and of these the one that is due first."""
        self.put(
            {**RULE, "ID": "prefix", "Filter": {"Prefix": "a"}, "Expiration": {"Days": 5}},
            {**RULE, "ID": "tag", "Filter": {"Tag": TAG}, "Expiration": {"Days": 3}},
            {
                **RULE,
                "ID": "size",
                "Filter": {"ObjectSizeGreaterThan": 5},
                "Expiration": {"Days": 4},
            },
        )
        self.assertEqual(self.expirations("kept"), {self.expected(4, "size")})
        self.s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
        self.assertEqual(self.expirations("a"), {self.expected(5, "prefix")})
        self.s3.put_object_tagging(Bucket=BUCKET, Key="a", Tagging={"TagSet": [TAG]})
        self.assertEqual(self.expirations("a"), {self.expected(3, "tag")})
        put = self.s3.put_object(Bucket=BUCKET, Key="z", Body=b"x")
        self.assertNotIn("Expiration", put)

    def test_versions(self) -> None:
        """What is told is about the current version, whichever way it is asked for; nothing is of
        others."""
        self.put({**RULE, "NoncurrentVersionExpiration": {"NoncurrentDays": 3}})
        versioning = {"Status": "Enabled"}
        self.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versioning)
        older = self.s3.put_object(Bucket=BUCKET, Key="a", Body=b"x")
        newer = self.s3.put_object(Bucket=BUCKET, Key="a", Body=b"y")
        for answer, expected in ((older, None), (newer, self.expected(1, "r"))):
            version = answer["VersionId"]
            for show in (self.s3.get_object, self.s3.head_object):
                shown = show(Bucket=BUCKET, Key="a", VersionId=version)
                self.assertEqual(shown.get("Expiration"), expected)

    def test_cost(self) -> None:
        """A bucket without rules pays nothing, and one with rules reads them once."""
        metadata = self.server.store.core.metadata
        asked: list[Sequence[bytes]] = []
        get = metadata.get

        async def counted(keys: Sequence[bytes]) -> list[Row | None]:
            asked.append(keys)
            return await get(keys)

        def ask() -> None:
            asked.clear()
            self.s3.put_object(Bucket=BUCKET, Key="kept", Body=b"x")
            self.s3.get_object(Bucket=BUCKET, Key="kept")
            self.s3.head_object(Bucket=BUCKET, Key="kept")
            self.s3.get_object(Bucket=BUCKET, Key="kept", Range="bytes=0-0")

        def cost() -> int:
            ask()  # the bucket and its rules are read once
            ask()
            self.assertFalse(any(key[:1] == b"s" for keys in asked for key in keys))
            return len(asked)

        self.patch(metadata, "get", counted)
        without = cost()
        self.put(RULE)
        self.assertEqual(cost(), without)

    def test_date(self) -> None:
        """A date is told as it is."""
        date = datetime(2030, 1, 1, tzinfo=UTC)
        self.put({**RULE, "Expiration": {"Date": date}})
        expected = 'expiry-date="Tue, 01 Jan 2030 00:00:00 GMT", rule-id="r"'
        self.assertEqual(self.expirations("kept"), {expected})

    def test_upload(self) -> None:
        """An upload tells when it is aborted, if a rule says so."""
        abort: Rule = {
            "ID": "a/b",
            "Status": "Enabled",
            "Filter": {"Prefix": "p"},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
        self.put(abort)
        created = self.s3.create_multipart_upload(Bucket=BUCKET, Key="parts")
        parts = self.s3.list_parts(Bucket=BUCKET, Key="parts", UploadId=created["UploadId"])
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for answer in (created, parts):
            self.assertEqual(answer["AbortDate"], today + timedelta(8))
            self.assertEqual(answer["AbortRuleId"], "a%2Fb")
        other = self.s3.create_multipart_upload(Bucket=BUCKET, Key="other")
        self.assertNotIn("AbortDate", other)
        self.assertEqual(self.expirations("kept"), {None})
