"""Steps with buckets, and with objects that are put, read and deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from objectd.test.machine.draws import (
    ALGORITHMS,
    BUCKETS,
    CONDITIONS,
    CONTENTS,
    KEPT,
    KEYS,
    OTHER_ALGORITHMS,
    PLACES,
    XML_KEYS,
    Place,
    declared,
)
from objectd.test.machine.machine import S3Machine
from objectd.test.machine.plain import Answer


class BucketRules(S3Machine):
    @initialize(contents=st.dictionaries(KEYS, CONTENTS, min_size=2))
    def begin(self, contents: Mapping[str, bytes]) -> None:
        """Two buckets, and some objects."""
        for bucket in ("first", "second"):
            self.ask("create_bucket", Bucket=bucket)
        for key, data in contents.items():
            given = declared("CRC32", data)
            self.ask("put_object", Bucket="first", Key=key, Body=data, **given)

    @rule(bucket=BUCKETS)
    def create_bucket(self, bucket: str) -> None:
        self.ask("create_bucket", Bucket=bucket)

    @rule(bucket=st.sampled_from(("second", "third", "third")))
    def delete_bucket(self, bucket: str) -> None:
        self.ask("delete_bucket", Bucket=bucket)

    @rule(bucket=BUCKETS)
    def look_at_buckets(self, bucket: str) -> None:
        self.ask("head_bucket", Bucket=bucket)
        self.ask("list_buckets")


class ObjectRules(S3Machine):
    @rule(
        place=st.tuples(BUCKETS, KEYS),
        data=CONTENTS,
        algorithm=ALGORITHMS,
        kept=KEPT,
        condition=CONDITIONS,
    )
    def put(self, place: Place, data: bytes, algorithm: str, kept: Answer, condition: str) -> None:
        at = self.place(place)
        given = {**declared(algorithm, data), **kept, **self.condition(condition, **at)}
        self.ask("put_object", **at, Body=data, **given)

    @rule(place=PLACES, data=CONTENTS.filter(bool), algorithm=OTHER_ALGORITHMS)
    def put_damaged(self, place: Place, data: bytes, algorithm: str) -> None:
        """What does not have the checksum that was declared changes nothing."""
        at = self.place(place)
        if at["Bucket"] in self.model.buckets:
            given = declared(algorithm, b"another")
            self.agree("damaged", "BadDigest", self.served("put_object", **at, Body=data, **given))

    @rule(place=PLACES, condition=st.sampled_from(("", "", "IfMatch", "IfNoneMatch")))
    def get(self, place: Place, condition: str) -> None:
        at = self.place(place)
        given = {condition: self.etag(**at)} if condition else {}
        self.ask("get_object", **at, **given)

    @rule(place=PLACES, first=st.integers(0, 300), count=st.integers(1, 300))
    def get_range(self, place: Place, first: int, count: int) -> None:
        at = self.place(place)
        for text in (f"{first}-{first + count - 1}", f"{first}-", f"-{count}"):
            self.ask("get_object", **at, Range=f"bytes={text}")

    @rule(place=PLACES, mode=st.sampled_from(({}, {"ChecksumMode": "ENABLED"})))
    def head(self, place: Place, mode: Mapping[str, str]) -> None:
        self.ask("head_object", **self.place(place), **mode)

    @rule(place=PLACES, conditional=st.booleans())
    def delete(self, place: Place, conditional: bool) -> None:
        at = self.place(place)
        self.ask("delete_object", **at, **({"IfMatch": self.etag(**at)} if conditional else {}))

    @rule(
        bucket=BUCKETS,
        wanted=st.lists(st.tuples(XML_KEYS, st.booleans()), min_size=1, max_size=3),
    )
    def delete_several(self, bucket: str, wanted: Sequence[tuple[str, bool]]) -> None:
        lines = [
            {"Key": key, "ETag": self.etag(bucket, key)} if conditional else {"Key": key}
            for key, conditional in wanted
        ]
        self.ask("delete_objects", Bucket=bucket, Delete={"Objects": lines})
