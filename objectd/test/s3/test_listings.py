"""Listings of objects over the wire agree with a sorted model, in both versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import attrs
from botocore.handlers import set_list_objects_encoding_type_url
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.s3.wire import refusal
from objectd.testing.s3 import MemoryServer, result_of
from objectd.testing.strategies import object_keys, object_text


class Shown(NamedTuple):
    """One line of a listing: a key, or a common prefix."""

    text: str
    is_prefix: bool


@attrs.frozen
class Case:
    """A bucket's keys and a question about them; `marker` is V2's start-after, too."""

    keys: frozenset[str]
    prefix: str
    delimiter: str
    marker: str
    page_size: int

    def arguments(self) -> dict[str, object]:
        """What both versions have in common; what is empty is not sent."""
        given = {"Prefix": self.prefix, "Delimiter": self.delimiter}
        return {"MaxKeys": self.page_size, **{k: v for k, v in given.items() if v}}


@st.composite
def cases(draw: st.DrawFn, *, in_xml: bool = False) -> Case:
    """Prefixes, delimiters and markers are mostly pieces of the keys, so that they matter."""
    text = object_text(in_xml=in_xml)
    keys = draw(st.frozensets(object_keys(in_xml=in_xml), max_size=12))
    beginnings = pieces = text
    if keys:
        key = st.sampled_from(sorted(keys))
        beginnings = st.builds(lambda key, stop: key[:stop], key, st.integers(0, 6))
        pieces = st.builds(lambda key, at: key[at : at + 2], key, st.integers(0, 3))
    return Case(
        keys,
        prefix=draw(st.just("") | beginnings | text),
        delimiter=draw(st.just("/") | pieces | text),
        marker=draw(st.just("") | beginnings | text),
        page_size=draw(st.integers(1, 3) | st.just(1001)),
    )


def lines(case: Case) -> list[Shown]:
    """What is to be listed of the keys after the marker, in the order of their UTF-8."""
    found: dict[Shown, None] = {}
    for key in sorted(case.keys, key=str.encode):
        if key.startswith(case.prefix) and key.encode() > case.marker.encode():
            end = key.find(case.delimiter, len(case.prefix)) if case.delimiter else -1
            shown = key if end < 0 else key[: end + len(case.delimiter)]
            found[Shown(shown, end >= 0)] = None
    return list(found)


def lines_v1(case: Case) -> list[Shown]:
    """V1 does not repeat the common prefix that its marker lies in: the marker may be a
    NextMarker that is one."""
    return [
        line for line in lines(case) if not (line.is_prefix and case.marker.startswith(line.text))
    ]


def page_lines(page: dict[str, Any]) -> list[Shown]:
    """The lines of one page. Each of its two lists is in order by itself."""
    keys = [Shown(found["Key"], False) for found in page.get("Contents", [])]
    prefixes = [Shown(found["Prefix"], True) for found in page.get("CommonPrefixes", [])]
    for each in (keys, prefixes):
        assert each == sorted(each, key=_utf8), "the lines of a page are not sorted"
    return sorted(keys + prefixes, key=_utf8)


def _utf8(line: Shown) -> bytes:
    return line.text.encode()


class ListingsTestCase(SynchronousTestCase):
    """Tests of one server; every example has a bucket of its own."""

    def setUp(self) -> None:
        self.server = MemoryServer()
        self.s3 = self.server.client()
        self.buckets = 0

    def bucket_with(self, keys: frozenset[str]) -> str:
        """A new bucket, filled through the library, for it is listing that is tested."""
        self.buckets += 1
        bucket = f"bucket-{self.buckets}"
        result_of(self.server.store.buckets.create(bucket))
        for key in keys:
            result_of(self.server.store.objects.put(bucket, key, b"x"))
        return bucket


class PagesTests(ListingsTestCase):
    """Page by page, every line comes once and in order."""

    def setUp(self) -> None:
        super().setUp()
        self.plain = self.server.client()
        for operation in ("ListObjects", "ListObjectsV2"):
            self.plain.meta.events.unregister(
                f"before-parameter-build.s3.{operation}", set_list_objects_encoding_type_url
            )

    @given(cases())
    def test_v1(self, case: Case) -> None:
        """ListObjects agrees with the model."""
        self.assertEqual(self.listed_v1(self.s3, case), lines_v1(case))

    @given(cases())
    def test_v2(self, case: Case) -> None:
        """ListObjectsV2 agrees with the model."""
        self.assertEqual(self.listed_v2(self.s3, case), lines(case))

    @given(cases(in_xml=True))
    def test_without_encoding(self, case: Case) -> None:
        """Keys that XML can carry are also listed exactly without encoding-type=url."""
        self.assertEqual(self.listed_v1(self.plain, case), lines_v1(case))
        self.assertEqual(self.listed_v2(self.plain, case), lines(case))

    def listed_v1(self, s3: Any, case: Case) -> list[Shown]:
        bucket, marker, found = self.bucket_with(case.keys), case.marker, list[Shown]()
        truncated = True
        while truncated and len(found) <= len(case.keys):
            page = s3.list_objects(Bucket=bucket, Marker=marker, **case.arguments())
            self.assertEqual(page["Marker"], marker)
            found += self.checked(page, case)
            truncated = page["IsTruncated"]
            self.assertEqual("NextMarker" in page, truncated and bool(case.delimiter))
            if truncated:
                marker = page.get("NextMarker", found[-1].text)
        return found

    def listed_v2(self, s3: Any, case: Case) -> list[Shown]:
        bucket, found = self.bucket_with(case.keys), list[Shown]()
        progress = {"StartAfter": case.marker}
        truncated = True
        while truncated and len(found) <= len(case.keys):
            page = s3.list_objects_v2(Bucket=bucket, **progress, **case.arguments())
            shown = self.checked(page, case)
            self.assertEqual((page["KeyCount"], page["Prefix"]), (len(shown), case.prefix))
            found += shown
            truncated = page["IsTruncated"]
            self.assertEqual("NextContinuationToken" in page, truncated)
            if truncated:
                progress = {"ContinuationToken": page["NextContinuationToken"]}
        return found

    def checked(self, page: dict[str, Any], case: Case) -> list[Shown]:
        """The lines of a page that is full if another one follows, and never fuller."""
        shown = page_lines(page)
        self.assertLessEqual(len(shown), case.page_size)
        if page["IsTruncated"]:
            self.assertEqual(len(shown), case.page_size)
        self.assertEqual(page.get("Delimiter", ""), case.delimiter)
        return shown


class MemberTests(ListingsTestCase):
    """What the members of the request and of the answer mean."""

    def setUp(self) -> None:
        super().setUp()
        self.bucket = self.bucket_with(frozenset(f"key {n:04}" for n in range(1001)))

    def both(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        for call in (self.s3.list_objects, self.s3.list_objects_v2):
            yield call(Bucket=self.bucket, **arguments)

    def test_page_of_a_thousand(self) -> None:
        """A page has 1,000 lines unless fewer are asked for, and says so."""
        for arguments in ({}, {"MaxKeys": 1000}, {"MaxKeys": 1001}, {"MaxKeys": 2**31 - 1}):
            for page in self.both(**arguments):
                self.assertEqual(len(page["Contents"]), 1000)
                self.assertEqual((page["MaxKeys"], page["IsTruncated"]), (1000, True))
        for page in self.both(MaxKeys=999):
            self.assertEqual((len(page["Contents"]), page["MaxKeys"]), (999, 999))

    def test_empty_page(self) -> None:
        """A page of 0 lines is empty and the last."""
        for page in self.both(MaxKeys=0):
            self.assertNotIn("Contents", page)
            self.assertEqual((page["MaxKeys"], page["IsTruncated"]), (0, False))

    def test_page_sizes_refused(self) -> None:
        """A page size that is not a number from 0 to 2,147,483,647 is refused."""
        s3 = self.server.client(parameter_validation=False)
        for page_size in (-1, 2**31, "ten", ""):
            for call in (s3.list_objects, s3.list_objects_v2):
                refusal(self, 400, "InvalidArgument", call, Bucket=self.bucket, MaxKeys=page_size)

    def test_owner(self) -> None:
        """V1 shows the owner of an object always, V2 when it is asked to."""
        owner = self.s3.list_buckets()["Owner"]["ID"]
        first = {"Bucket": self.bucket, "MaxKeys": 1}
        [v1] = self.s3.list_objects(**first)["Contents"]
        [with_owner] = self.s3.list_objects_v2(**first, FetchOwner=True)["Contents"]
        [without] = self.s3.list_objects_v2(**first, FetchOwner=False)["Contents"]
        self.assertEqual((v1["Owner"]["ID"], with_owner["Owner"]["ID"]), (owner, owner))
        self.assertNotIn("Owner", without)

    def test_optional_attributes(self) -> None:
        """RestoreStatus may be asked for, and as nothing is archived it is never shown."""
        asked = {"OptionalObjectAttributes": ["RestoreStatus"], "MaxKeys": 1}
        for page in self.both(**asked):
            self.assertNotIn("RestoreStatus", page["Contents"][0])
        for call in (self.s3.list_objects, self.s3.list_objects_v2):
            for wrong in ("Tags", "restorestatus", "RestoreStatus,Tags"):
                arguments = {"Bucket": self.bucket, "OptionalObjectAttributes": [wrong]}
                refusal(self, 400, "InvalidArgument", call, **arguments)

    def test_empty_parameters(self) -> None:
        """Parameters that are given without a value are as if they were not given."""
        for page in self.both(Prefix="", Delimiter="", MaxKeys=2):
            shown = [line["Key"] for line in page["Contents"]]
            self.assertEqual(shown, ["key 0000", "key 0001"])
            self.assertEqual(page["Prefix"], "")
            self.assertNotIn("Delimiter", page)
        page = self.s3.list_objects_v2(Bucket=self.bucket, StartAfter="", MaxKeys=1)
        self.assertEqual(page["Contents"][0]["Key"], "key 0000")

    def test_encoding_type(self) -> None:
        """Keys are encoded as AWS does it if the request says so, and tokens never are."""
        bucket = self.bucket_with(frozenset({"a +\u00e9/\x01*", "b"}))
        page = self.s3.list_objects_v2(Bucket=bucket, MaxKeys=1, EncodingType="url")
        self.assertEqual(page["EncodingType"], "url")
        self.assertEqual(page["Contents"][0]["Key"], "a+%2B%C3%A9/%01*")
        token = page["NextContinuationToken"]
        self.assertEqual(
            self.s3.list_objects_v2(Bucket=bucket, ContinuationToken=token)["ContinuationToken"],
            token,
        )
        s3 = self.server.client(parameter_validation=False)
        refusal(
            self, 400, "InvalidArgument", s3.list_objects_v2, Bucket=bucket, EncodingType="gzip"
        )

    def test_tokens_are_opaque(self) -> None:
        """A token shows no key, and is refused with any character changed, added or lost."""
        bucket = self.bucket_with(frozenset({"secretly", "secretmost"}))
        page = self.s3.list_objects_v2(Bucket=bucket, MaxKeys=1)
        token = page["NextContinuationToken"]
        self.assertNotIn("secret", token)
        changed = [token[:n] + "Aa"[c == "A"] + token[n + 1 :] for n, c in enumerate(token)]
        for garbled in ("", "x", "*", token[:-1], token + "A", token + "=", *changed):
            refusal(
                self,
                400,
                "InvalidArgument",
                self.s3.list_objects_v2,
                Bucket=bucket,
                ContinuationToken=garbled,
            )

    def test_token_before_start_after(self) -> None:
        """A token says where to go on, whatever start-after repeats."""
        first = self.s3.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
        second = self.s3.list_objects_v2(
            Bucket=self.bucket,
            MaxKeys=1,
            StartAfter="key 0900",
            ContinuationToken=first["NextContinuationToken"],
        )
        self.assertEqual(second["Contents"][0]["Key"], "key 0001")

    def test_far_too_long(self) -> None:
        """A marker that is longer than any key finds what it must."""
        long = "k" * 3000
        after = self.s3.list_objects_v2(Bucket=self.bucket, StartAfter=long)
        self.assertEqual(after["KeyCount"], 0)
        self.assertNotIn("Contents", self.s3.list_objects(Bucket=self.bucket, Marker=long))

    def test_no_bucket(self) -> None:
        """The objects of a bucket that is not there cannot be listed."""
        for call in (self.s3.list_objects, self.s3.list_objects_v2):
            refusal(self, 404, "NoSuchBucket", call, Bucket="nowhere")

    def test_lines(self) -> None:
        """A line shows an object's size, time, ETag, storage class and checksum."""
        put = self.s3.put_object(Bucket=self.bucket, Key="a", Body=b"hello")
        for page in self.both(MaxKeys=1):
            [line] = page["Contents"]
            self.assertEqual((line["Key"], line["Size"], line["ETag"]), ("a", 5, put["ETag"]))
            self.assertEqual(line["StorageClass"], "STANDARD")
            self.assertEqual(line["ChecksumAlgorithm"], ["CRC32"])
            self.assertRegex(str(line["LastModified"]), re.compile(r"^\d{4}-\d\d-\d\d "))
