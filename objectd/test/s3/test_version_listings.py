"""ListObjectVersions over the wire."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.objects import ListedVersion
from objectd.protocol.operations import compiled
from objectd.s3.contents import versions
from objectd.test.s3.test_contents import ENCODINGS, HEADS, MODEL, TEXTS, members
from objectd.test.s3.test_objects import ObjectsTestCase
from objectd.test.s3.wire import refusal

LISTED = st.builds(ListedVersion, TEXTS, HEADS, st.booleans())
MARKERS = st.builds(
    lambda listed, null: ListedVersion(
        listed.key,
        type(listed.head)(
            0,
            listed.head.modified_us,
            "",
            b"v" * 12,
            1,
            version_is_null=null,
            is_delete_marker=True,
        ),
        listed.is_latest,
    ),
    LISTED,
    st.booleans(),
)
OWNER_ID = "{:064x}".format


def member(listed: ListedVersion) -> tuple[str, dict[str, object]]:
    """The list that a line belongs to, and the mapping that it is made of elsewhere."""
    line: dict[str, object] = {
        "Key": listed.key,
        "VersionId": listed.version_id,
        "IsLatest": listed.is_latest,
    }
    its = members(listed, OWNER_ID)  # type: ignore[arg-type]  # a key and a head, as objects have
    if not listed.head.is_delete_marker:
        return "Versions", {**its, **line, **its}
    return "DeleteMarkers", {**line, "LastModified": its["LastModified"], "Owner": its["Owner"]}


class LineTests(SynchronousTestCase):
    @given(LISTED | MARKERS, ENCODINGS)
    def test_same_document(self, listed: ListedVersion, encoding: str | None) -> None:
        """A line is what the writer of all documents makes of it, but for the order in which
        its elements come."""
        name, line = member(listed)
        written = versions([listed], encoding=encoding, owner_id=OWNER_ID)
        one, other = (
            compiled(MODEL, "ListObjectVersions").render(
                {"Name": "bucket", "EncodingType": encoding, **lines}
            )
            for lines in ({"Versions": written}, {name: [line]})
        )
        elements = re.compile(rb"<[^/][^>]*>[^<]*")
        self.assertEqual(sorted(elements.findall(one.body)), sorted(elements.findall(other.body)))
        self.assertEqual(len(one.body), len(other.body))

    @given(st.lists(LISTED | MARKERS, max_size=8))
    def test_one_page_or_many(self, listed: list[ListedVersion]) -> None:
        """A line does not depend on those around it."""
        whole = versions(listed, encoding="url", owner_id=OWNER_ID)
        each = [versions([one], encoding="url", owner_id=OWNER_ID) for one in listed]
        self.assertEqual(whole.text, "".join(one.text for one in each))


class ListObjectVersionsTests(ObjectsTestCase):
    def fill(self) -> None:
        """Two keys: of one a version beneath a marker, of the other two versions."""
        self.s3.put_bucket_versioning(
            Bucket="photos", VersioningConfiguration={"Status": "Enabled"}
        )
        self.ids = [
            self.s3.put_object(Bucket="photos", Key=key, Body=key.encode())["VersionId"]
            for key in ("a b", "c", "c")
        ]
        self.ids.append(self.s3.delete_object(Bucket="photos", Key="a b")["VersionId"])

    def listed(self, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.s3.list_object_versions(Bucket="photos", **more)
        return answer

    def test_versions_and_markers(self) -> None:
        """What is shown of each version and of each delete marker."""
        self.fill()
        answer = self.listed()
        old, _, new, marker = self.ids
        head = self.s3.head_object(Bucket="photos", Key="c")
        owner = answer["Versions"][0]["Owner"]
        self.assertEqual(
            [(v["Key"], v["VersionId"], v["IsLatest"]) for v in answer["Versions"]],
            [("a b", old, False), ("c", new, True), ("c", self.ids[1], False)],
        )
        [shown] = answer["DeleteMarkers"]
        self.assertEqual(
            (shown["Key"], shown["VersionId"], shown["IsLatest"], shown["Owner"]),
            ("a b", marker, True, owner),
        )
        self.assertNotIn("ETag", shown)
        latest = answer["Versions"][1]
        for name, expected in (
            ("ETag", head["ETag"]),
            ("LastModified", head["LastModified"]),
            ("Size", 1),
            ("StorageClass", "STANDARD"),
            ("ChecksumAlgorithm", ["CRC32"]),
            ("ChecksumType", "FULL_OBJECT"),
        ):
            self.assertEqual(latest[name], expected)
        self.assertEqual((answer["IsTruncated"], answer["MaxKeys"]), (False, 1000))
        self.assertNotIn("NextKeyMarker", answer)

    def test_order(self) -> None:
        """Versions and markers come in one order in the document, as on AWS."""
        self.fill()
        bodies: list[bytes] = []
        self.s3.meta.events.register(
            "after-call.s3", lambda http_response, **_: bodies.append(http_response.content)
        )
        self.listed()
        names = re.findall(rb"<(Version|DeleteMarker)><Key>(.)", bodies[0])
        self.assertEqual(
            names,
            [(b"DeleteMarker", b"a"), (b"Version", b"a"), (b"Version", b"c"), (b"Version", b"c")],
        )

    def test_paginator(self) -> None:
        """boto3's paginator goes through pages of every size, also with a delimiter."""
        self.fill()
        for delimiter in ({}, {"Delimiter": " "}):
            whole = self.paged(1000, **delimiter)
            for size in (1, 2, 3, 4):
                self.assertEqual(self.paged(size, **delimiter), whole)
        self.assertEqual(len(whole), 3)

    def paged(self, size: int, **more: str) -> list[str]:
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket="photos", PaginationConfig={"PageSize": size}, **more
        )
        found: list[str] = []
        for page in pages:
            lines = page.get("Versions", []) + page.get("DeleteMarkers", [])
            found += sorted(line["VersionId"] for line in lines)
            found += [line["Prefix"] for line in page.get("CommonPrefixes", [])]
        return sorted(found)

    def test_never_versioned(self) -> None:
        """The objects of a bucket that never had versions are its versions, called null."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"data")
        [version] = self.listed()["Versions"]
        self.assertEqual((version["VersionId"], version["IsLatest"]), ("null", True))

    def test_prefix_and_common_prefixes(self) -> None:
        """Keys are chosen by prefix and rolled up at the delimiter."""
        self.fill()
        answer = self.listed(Prefix="a", Delimiter=" ")
        self.assertEqual(answer["CommonPrefixes"], [{"Prefix": "a "}])
        self.assertEqual((answer["Prefix"], answer["Delimiter"]), ("a", " "))
        self.assertNotIn("Versions", answer)
        answer = self.listed(MaxKeys=1, Delimiter=" ")
        self.assertEqual(answer["NextKeyMarker"], "a ")
        self.assertNotIn("NextVersionIdMarker", answer)

    def test_null_marker(self) -> None:
        """The id 'null' is taken as a marker, as it is shown."""
        self.s3.put_object(Bucket="photos", Key="k", Body=b"data")
        self.fill()
        self.s3.put_object(Bucket="photos", Key="k", Body=b"more")
        answer = self.listed(KeyMarker="k", VersionIdMarker="null")
        self.assertNotIn("Versions", answer)
        self.assertEqual((answer["KeyMarker"], answer["VersionIdMarker"]), ("k", "null"))

    def test_limits(self) -> None:
        """A page has at most 1,000 entries, however many are asked for, and may have none."""
        self.fill()
        self.assertEqual(self.listed(MaxKeys=1001)["MaxKeys"], 1000)
        answer = self.listed(MaxKeys=0)
        self.assertEqual((answer["MaxKeys"], answer["IsTruncated"]), (0, False))
        self.assertNotIn("Versions", answer)

    def test_refused(self) -> None:
        """What AWS refuses."""
        for status, code, arguments in (
            (404, "NoSuchBucket", {"Bucket": "other"}),
            (400, "InvalidArgument", {"VersionIdMarker": "null"}),
            (400, "InvalidArgument", {"VersionIdMarker": self.id_like(), "Prefix": "k"}),
            (400, "InvalidArgument", {"KeyMarker": "k", "VersionIdMarker": ""}),
            (400, "InvalidArgument", {"KeyMarker": "k", "VersionIdMarker": "nonsense"}),
            (400, "InvalidArgument", {"MaxKeys": -1}),
            (400, "InvalidArgument", {"EncodingType": "base64"}),
            (400, "InvalidArgument", {"OptionalObjectAttributes": ["Weight"]}),
            (400, "KeyTooLongError", {"Prefix": "k" * 1025}),
            (400, "KeyTooLongError", {"Delimiter": "k" * 1025}),
            (403, "AccessDenied", {"ExpectedBucketOwner": "9" * 12}),
        ):
            wanted = {"Bucket": "photos", **arguments}
            refusal(self, status, code, self.s3.list_object_versions, **wanted)

    def id_like(self) -> str:
        return "0" * 40

    def test_changes_nothing(self) -> None:
        """Who pays, and what there is none of, changes nothing."""
        self.fill()
        answer = self.listed(RequestPayer="requester", OptionalObjectAttributes=["RestoreStatus"])
        self.assertEqual(len(answer["Versions"]), 3)
