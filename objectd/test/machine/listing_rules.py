"""Steps that list what is in a bucket, at once and page by page."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import rule

from objectd.test.machine.draws import BUCKETS, KEYS
from objectd.test.machine.machine import S3Machine
from objectd.test.machine.plain import Answer

PREFIXES = st.sampled_from(("", "a", "a/", "a/b", "ä", "c\n", "none"))
DELIMITERS = st.sampled_from(("", "/", "//", "b"))
AFTER = st.just("") | KEYS
PAGE_KEYS = st.integers(1, 4)


class ListingRules(S3Machine):
    @rule(bucket=BUCKETS, prefix=PREFIXES, delimiter=DELIMITERS, after=AFTER, page_keys=PAGE_KEYS)
    def list_v2(self, bucket: str, prefix: str, delimiter: str, after: str, page_keys: int) -> None:
        span = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter, "StartAfter": after}
        whole = self.ask("list_objects_v2", **span)
        token: Answer = {}
        for expected in _pages(whole, page_keys):
            found = self.s3.list_objects_v2(**span, **token, MaxKeys=page_keys)
            self.agree("page", {**expected, "MaxKeys": page_keys}, found)
            token = {"ContinuationToken": found.get("NextContinuationToken", "none")}

    @rule(bucket=BUCKETS, prefix=PREFIXES, delimiter=DELIMITERS, after=AFTER, page_keys=PAGE_KEYS)
    def list_v1(self, bucket: str, prefix: str, delimiter: str, after: str, page_keys: int) -> None:
        span = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter}
        whole = self.ask("list_objects", **span, Marker=after)
        for expected in _pages(whole, page_keys):
            found = self.s3.list_objects(**span, Marker=after, MaxKeys=page_keys)
            self.agree("page", {**expected, "MaxKeys": page_keys}, found)
            after = found.get("NextMarker") or (found.get("Contents") or [{"Key": ""}])[-1]["Key"]


def _pages(whole: Answer, page_keys: int) -> Iterator[Answer]:
    """The pages that a listing comes in: all full but the last."""
    lines = [
        (str(line.get("Key", line.get("Prefix"))).encode(), kind, line)
        for kind in ("Contents", "CommonPrefixes")
        for line in cast("list[Answer]", whole.get(kind, []))
    ]
    lines.sort(key=itemgetter(0))
    for start in range(0, len(lines), page_keys):
        stop = start + page_keys
        page: Answer = {"Contents": [], "CommonPrefixes": [], "IsTruncated": stop < len(lines)}
        for _, kind, line in lines[start:stop]:
            cast("list[Answer]", page[kind]).append(line)
        yield page
