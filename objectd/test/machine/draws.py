"""What the steps are drawn from: few of each, so that they meet."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import strategies as st

from objectd.test.machine import sums
from objectd.test.machine.homes import SETTINGS

BLOCK_BYTES = 64 << 10

BUCKETS = st.sampled_from(("first", "first", "first", "second", "second", "third"))
KEYS = st.sampled_from(
    ("a", "a/", "a/b", "a/b/c", "a//b", "b", "ä?&=+ %2F<>", "\U0001f600/\ue000", "c\n\x01/d")
)
XML_KEYS = KEYS.filter(str.isprintable)
"""Where a key stands in a document as it is: S3 writes what XML does not allow all the same,
and no client can read it."""

Place = int | tuple[str, str]
PLACES: st.SearchStrategy[Place] = st.integers(0, 99) | st.tuples(BUCKETS, KEYS)
"""Where to look for an object: mostly (a number) where one is."""

CONTENTS = st.sampled_from(
    (
        (b"", 0),
        (b"1", 1),
        (b"2", 2),
        (b"x", SETTINGS.inline_bytes_max),
        (b"x", SETTINGS.inline_bytes_max + 1),
        (b"a", 100),
        (bytes(range(256)), 3),
        (b"block", BLOCK_BYTES // 5 + 1),
    )
).map(lambda drawn: drawn[0] * drawn[1])
ALGORITHMS = st.sampled_from(sums.ALGORITHMS)
OTHER_ALGORITHMS = ALGORITHMS.filter(lambda name: name != "CRC32")
"""Those that boto3 sends as they are given."""

CHECKSUM_KINDS = st.sampled_from(
    [(name, "COMPOSITE") for name in sums.ALGORITHMS if name != "CRC64NVME"]
    + [(name, "FULL_OBJECT") for name in sums.LINEAR]
)
KEPT = st.fixed_dictionaries(
    {},
    optional={
        "ContentType": st.sampled_from(("text/plain", "image/png; x=1")),
        "CacheControl": st.just("max-age=60"),
        "Metadata": st.sampled_from(({}, {"one": "1"}, {"a-b": "x y", "two": "2"})),
    },
)
CONDITIONS = st.sampled_from(("", "", "absent", "current", "other"))
PART_NUMBERS = st.sampled_from((1, 2, 3, 700))


def declared(algorithm: str, data: bytes) -> dict[str, str]:
    """A checksum, which boto3 computes itself where it is the one that it prefers."""
    given = {"ChecksumAlgorithm": algorithm}
    if algorithm != "CRC32":
        given[f"Checksum{algorithm}"] = sums.checksum(algorithm, data)
    return given


def rename_source(key: str) -> str:
    """boto3 leaves it to its caller to encode the key."""
    return quote(key, safe="")
