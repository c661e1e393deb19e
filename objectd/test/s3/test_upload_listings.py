"""Listings of uploads and of parts over the wire agree with plain models."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import attrs
from hypothesis import given
from hypothesis import strategies as st

from objectd.test.s3.test_listings import ListingsTestCase
from objectd.test.s3.wire import refusal
from objectd.testing.s3 import result_of
from objectd.testing.strategies import object_keys, object_text


class Line(NamedTuple):
    """An upload of a key, or a common prefix (`upload` is '')."""

    text: str
    upload: str


@attrs.frozen
class Case:
    """The keys of uploads in the order of their start, some of them more than once, and a
    question. `marker_upload` is an index: the upload of that number is the marker, of
    whichever key."""

    keys: tuple[str, ...]
    prefix: str
    delimiter: str
    key_marker: str
    marker_upload: int | None
    page_size: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Prefixes, delimiters and markers are mostly pieces of the keys, so that they matter."""
    text = object_text()
    some = draw(st.lists(object_keys(), max_size=4))
    keys = draw(st.lists(st.sampled_from(some), max_size=9)) if some else []
    beginnings = pieces = markers = text
    marker_upload = None
    if keys:
        key = st.sampled_from(keys)
        beginnings = st.builds(lambda key, stop: key[:stop], key, st.integers(0, 6))
        pieces = st.builds(lambda key, at: key[at : at + 2], key, st.integers(0, 3))
        markers = key | beginnings
        marker_upload = draw(st.none() | st.integers(0, len(keys) - 1))
    return Case(
        tuple(keys),
        prefix=draw(st.just("") | beginnings | text),
        delimiter=draw(st.just("") | st.just("/") | pieces | text),
        key_marker=draw(st.just("") | markers | text),
        marker_upload=marker_upload,
        page_size=draw(st.integers(1, 3) | st.just(1001)),
    )


def lines(case: Case, ids: list[str]) -> list[Line]:
    """What is to be listed: the uploads after the marker, by key and then by their start. A
    common prefix that the marker lies in is not repeated. An upload as a marker needs its key
    beside it, and without an upload all of the key's are passed."""
    marker = (case.key_marker.encode(), len(ids))
    if case.marker_upload is not None:
        marker = (case.key_marker.encode(), case.marker_upload)
    found: dict[Line, None] = {}
    for key, number in sorted(
        zip(case.keys, range(len(ids)), strict=True),
        key=lambda entry: (entry[0].encode(), entry[1]),
    ):
        if not key.startswith(case.prefix):
            continue
        if case.key_marker and (key.encode(), number) <= marker:
            continue
        end = key.find(case.delimiter, len(case.prefix)) if case.delimiter else -1
        if end < 0:
            found[Line(key, ids[number])] = None
        elif not case.key_marker.startswith(key[: end + len(case.delimiter)]):
            found[Line(key[: end + len(case.delimiter)], "")] = None
    return list(found)


def page_lines(page: dict[str, Any]) -> list[Line]:
    uploads = [Line(unquote_plus(u["Key"]), u["UploadId"]) for u in page.get("Uploads", [])]
    prefixes = [Line(unquote_plus(p["Prefix"]), "") for p in page.get("CommonPrefixes", [])]
    assert prefixes == sorted(prefixes, key=_utf8), "the prefixes of a page are not sorted"
    assert uploads == sorted(uploads, key=_utf8), "the uploads of a page are not sorted"
    return sorted(uploads + prefixes, key=_utf8)


def _utf8(line: Line) -> bytes:
    return line.text.encode()


class UploadsTests(ListingsTestCase):
    """Page by page, every line comes once and in order."""

    def bucket_with_uploads(self, keys: tuple[str, ...]) -> tuple[str, list[str]]:
        """A new bucket, and the ids of its uploads."""
        bucket = self.bucket_with(frozenset())
        uploads = self.server.store.uploads
        return bucket, [result_of(uploads.create(bucket, key)).id.text() for key in keys]

    @given(cases())
    def test_pages(self, case: Case) -> None:
        """ListMultipartUploads agrees with the model."""
        bucket, ids = self.bucket_with_uploads(case.keys)
        found: list[Line] = []
        key_marker, id_marker = case.key_marker, ""
        if case.marker_upload is not None:
            id_marker = ids[case.marker_upload]
        truncated = True
        while truncated and len(found) <= len(case.keys):
            page = self.s3.list_multipart_uploads(
                Bucket=bucket,
                Prefix=case.prefix,
                Delimiter=case.delimiter,
                KeyMarker=key_marker,
                UploadIdMarker=id_marker,
                MaxUploads=case.page_size,
                EncodingType="url",
            )
            shown = page_lines(page)
            self.assertLessEqual(len(shown), case.page_size)
            echoed = (unquote_plus(page["KeyMarker"]), page["UploadIdMarker"])
            self.assertEqual(echoed, (key_marker, id_marker))
            self.assertEqual(unquote_plus(page["Prefix"]), case.prefix)
            found += shown
            truncated = page["IsTruncated"]
            if truncated:
                self.assertEqual(len(shown), case.page_size)
                key_marker = unquote_plus(page["NextKeyMarker"])
                id_marker = page.get("NextUploadIdMarker", "")
                self.assertEqual((key_marker, id_marker), tuple(shown[-1]))
        self.assertEqual(found, lines(case, ids))

    def test_empty_page(self) -> None:
        """A page of 0 lines is empty and the last."""
        bucket, _ = self.bucket_with_uploads(("a", "b"))
        page = self.s3.list_multipart_uploads(Bucket=bucket, MaxUploads=0)
        self.assertNotIn("Uploads", page)
        self.assertEqual((page["MaxUploads"], page["IsTruncated"]), (0, False))

    def test_page_sizes(self) -> None:
        """A page has at most 1,000 lines, however many are asked for; what is not a number of
        lines is refused."""
        bucket, _ = self.bucket_with_uploads(tuple(f"{n:04}" for n in range(1001)))
        for size in (1000, 1001, 2**31 - 1):
            page = self.s3.list_multipart_uploads(Bucket=bucket, MaxUploads=size)
            self.assertEqual((len(page["Uploads"]), page["MaxUploads"]), (1000, 1000))
            self.assertEqual((page["IsTruncated"], page["NextKeyMarker"]), (True, "0999"))
        s3 = self.server.client(parameter_validation=False)
        for wrong in (-1, 2**31, "ten", ""):
            refusal(
                self,
                400,
                "InvalidArgument",
                s3.list_multipart_uploads,
                Bucket=bucket,
                MaxUploads=wrong,
            )

    def test_marker_that_is_none(self) -> None:
        """An upload id that never was one is no marker; without a key it is not looked at."""
        bucket, _ = self.bucket_with_uploads(("a", "b"))
        wrong = {"Bucket": bucket, "UploadIdMarker": "x"}
        refusal(
            self, 400, "InvalidArgument", self.s3.list_multipart_uploads, **wrong, KeyMarker="a"
        )
        self.assertEqual(len(self.s3.list_multipart_uploads(**wrong)["Uploads"]), 2)

    def test_no_bucket(self) -> None:
        """The uploads of a bucket that is not there cannot be listed."""
        refusal(self, 404, "NoSuchBucket", self.s3.list_multipart_uploads, Bucket="nowhere")


class PartsTests(ListingsTestCase):
    def upload_with(self, numbers: frozenset[int]) -> dict[str, str]:
        bucket = self.bucket_with(frozenset())
        uploads = self.server.store.uploads
        upload_id = result_of(uploads.create(bucket, "k")).id.text()
        for number in numbers:
            result_of(uploads.put_part(bucket, "k", upload_id, number, b"%d" % number))
        return {"Bucket": bucket, "Key": "k", "UploadId": upload_id}

    @given(
        st.frozensets(st.integers(1, 20) | st.sampled_from((9_999, 10_000)), max_size=8),
        st.integers(0, 21) | st.sampled_from((9_999, 10_000, 2**31 - 1)),
        st.integers(1, 4) | st.just(1001),
    )
    def test_pages(self, numbers: frozenset[int], after: int, page_size: int) -> None:
        """ListParts shows the parts after the marker, by number, page by page."""
        upload = self.upload_with(numbers)
        found: list[int] = []
        marker, truncated = after, True
        while truncated and len(found) <= len(numbers):
            page = self.s3.list_parts(**upload, PartNumberMarker=marker, MaxParts=page_size)
            shown = [part["PartNumber"] for part in page.get("Parts", [])]
            self.assertEqual(page["PartNumberMarker"], marker)
            self.assertLessEqual(len(shown), page_size)
            for part in page.get("Parts", []):
                self.assertEqual(part["Size"], len(str(part["PartNumber"])))
            marker, truncated = page["NextPartNumberMarker"], page["IsTruncated"]
            self.assertEqual(marker, shown[-1] if shown else page["PartNumberMarker"])
            found += shown
        self.assertEqual(found, sorted(number for number in numbers if number > after))

    def test_empty_page(self) -> None:
        """A page of 0 parts is empty and the last."""
        upload = self.upload_with(frozenset({1, 2}))
        page = self.s3.list_parts(**upload, MaxParts=0)
        self.assertNotIn("Parts", page)
        self.assertEqual((page["MaxParts"], page["IsTruncated"]), (0, False))

    def test_page_sizes(self) -> None:
        """A page has at most 1,000 parts; what is not a number of parts is refused."""
        upload = self.upload_with(frozenset(range(1, 1002)))
        for size in (1000, 1001, 2**31 - 1):
            page = self.s3.list_parts(**upload, MaxParts=size)
            self.assertEqual((len(page["Parts"]), page["MaxParts"]), (1000, 1000))
            self.assertEqual((page["IsTruncated"], page["NextPartNumberMarker"]), (True, 1000))
        s3 = self.server.client(parameter_validation=False)
        for wrong in (-1, 2**31, "ten", ""):
            refusal(self, 400, "InvalidArgument", s3.list_parts, **upload, MaxParts=wrong)
            refusal(self, 400, "InvalidArgument", s3.list_parts, **upload, PartNumberMarker=wrong)
