"""Steps that make objects of objects: copies, appends, renames and tags."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import rule

from objectd.test.machine import sums
from objectd.test.machine.draws import (
    ALGORITHMS,
    CONDITIONS,
    CONTENTS,
    KEPT,
    KEYS,
    PLACES,
    Place,
    declared,
    rename_source,
)
from objectd.test.machine.machine import S3Machine
from objectd.test.machine.plain import Answer

ATTRIBUTES = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
TAGS = st.dictionaries(st.sampled_from(("a", "b:c", "ä ö")), st.sampled_from(("", "1")))


class ChangeRules(S3Machine):
    @rule(
        source=PLACES,
        onto=PLACES,
        own=st.none() | KEPT,
        without_tags=st.booleans(),
        algorithm=st.just("") | ALGORITHMS,
        condition=CONDITIONS,
    )
    def copy(
        self,
        source: Place,
        onto: Place,
        own: Answer | None,
        without_tags: bool,
        algorithm: str,
        condition: str,
    ) -> None:
        at = self.place(onto)
        given = self.condition(condition, **at)
        if own is not None:
            given |= {**own, "MetadataDirective": "REPLACE"}
        if without_tags:
            given |= {"TaggingDirective": "REPLACE"}
        if algorithm:
            given |= {"ChecksumAlgorithm": algorithm}
        self.ask("copy_object", **at, CopySource=self.place(source), **given)

    @rule(
        place=PLACES,
        data=CONTENTS,
        offset=st.sampled_from(("end", "end", "end", "0", "beyond")),
        algorithm=st.none() | ALGORITHMS,
        condition=CONDITIONS,
    )
    def append(
        self, place: Place, data: bytes, offset: str, algorithm: str | None, condition: str
    ) -> None:
        """Mostly with the checksum that the object has already."""
        at = self.place(place)
        there = self.there(**at)
        size_bytes = len(there.data) if there else 0
        offsets = {"end": size_bytes, "0": 0, "beyond": size_bytes + 1}
        known = there.algorithm if there and there.algorithm in sums.LINEAR else None
        given = {**declared(algorithm or known or "CRC32", data), **self.condition(condition, **at)}
        self.ask_as(
            "put_object",
            "append_object",
            **at,
            Body=data,
            WriteOffsetBytes=offsets[offset],
            **given,
        )

    @rule(source=PLACES, key=KEYS)
    def rename(self, source: Place, key: str) -> None:
        at = self.place(source)
        given = {"RenameSource": rename_source(at["Key"])}
        self.ask("rename_object", Bucket=at["Bucket"], Key=key, **given)

    @rule(place=PLACES, tags=TAGS)
    def tag(self, place: Place, tags: dict[str, str]) -> None:
        lines = [{"Key": name, "Value": value} for name, value in tags.items()]
        at = self.place(place)
        self.ask("put_object_tagging", **at, Tagging={"TagSet": lines})
        self.ask("get_object_tagging", **at)

    @rule(place=PLACES)
    def untag(self, place: Place) -> None:
        self.ask("delete_object_tagging", **self.place(place))

    @rule(place=PLACES, number=st.integers(1, 4))
    def get_part(self, place: Place, number: int) -> None:
        at = self.place(place)
        self.ask_as("get_object", "get_part", **at, PartNumber=number)

    @rule(place=PLACES)
    def attributes(self, place: Place) -> None:
        self.ask("get_object_attributes", **self.place(place), ObjectAttributes=ATTRIBUTES)
