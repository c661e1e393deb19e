"""The lines of a listing are, byte for byte, what the writer of all documents makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.model.records import ObjectHead
from objectd.objects import ListedObject
from objectd.protocol.model import load_s3_model
from objectd.protocol.operations import compiled
from objectd.protocol.xml_text import Markup
from objectd.s3.contents import common_prefixes, contents
from objectd.testing.strategies import object_text

MODEL = load_s3_model()
DAY_US = 86_400_000_000
ANY_TEXT = st.text(max_size=20)
TEXTS = ANY_TEXT | object_text()
MANY_CHARACTERS = "".join(map(chr, range(0x80, 0x100)))
ETAGS = st.from_regex(r"[0-9a-f]{32}(-[0-9]{1,5})?", fullmatch=True) | TEXTS
WORDS = st.sampled_from(("STANDARD", "GLACIER", "&", '"'))
TIMES = st.integers(0, 20_000 * DAY_US) | st.integers(0, 3_000_000)
HEADS = st.builds(
    ObjectHead,
    size_bytes=st.integers(0, 1 << 50),
    modified_us=TIMES,
    etag=ETAGS,
    version=st.just(b"v" * 12),
    owner=st.integers(0, 3),
    storage_class=WORDS,
    checksum_algorithm=st.sampled_from(("", "CRC64NVME", "SHA256", "<")),
    checksum_kind=st.sampled_from(("FULL_OBJECT", "COMPOSITE", "&")),
)
ENCODINGS = st.sampled_from((None, "url"))
OPERATIONS = st.sampled_from(("ListObjects", "ListObjectsV2"))
OWNER_IDS = st.sampled_from((None, lambda account: f"{account:064x}"))


def members(listed: ListedObject, owner_id: Callable[[int], str] | None) -> dict[str, object]:
    """The mapping that a line is made of elsewhere."""
    head = listed.head
    line: dict[str, object] = {
        "Key": listed.key,
        "LastModified": head.modified_us,
        "ETag": f'"{head.etag}"',
        "Size": head.size_bytes,
        "StorageClass": head.storage_class,
    }
    if head.checksum_algorithm:
        line["ChecksumAlgorithm"] = [head.checksum_algorithm]
        line["ChecksumType"] = head.checksum_kind
    if owner_id is not None:
        line["Owner"] = {"ID": owner_id(head.owner)}
    return line


def written(
    objects: Sequence[ListedObject], encoding: str | None, owner_id: Callable[[int], str] | None
) -> Markup:
    keys, heads = [listed.key for listed in objects], [listed.head for listed in objects]
    return contents(keys, heads, encoding=encoding, owner_id=owner_id)


class ContentsTests(SynchronousTestCase):
    @given(
        OPERATIONS,
        st.lists(st.builds(ListedObject, TEXTS, HEADS), max_size=8),
        st.lists(TEXTS, max_size=8),
        ENCODINGS,
        OWNER_IDS,
    )
    @example("ListObjects", [], ["+ %&;+", "a\nb", " "], "url", None)
    @example("ListObjects", [], ["&amp;", "<&>", '"'], None, None)
    @example("ListObjects", [], [MANY_CHARACTERS, "%41"], "url", None)
    def test_same_document(
        self,
        operation: str,
        objects: list[ListedObject],
        prefixes: list[str],
        encoding: str | None,
        owner_id: Callable[[int], str] | None,
    ) -> None:
        """A document is the same however its lines were written, whatever keys there are."""

        def document(contents: object, common_prefixes: object) -> bytes:
            result = {
                "Name": "bucket",
                "EncodingType": encoding,
                "Contents": contents,
                "CommonPrefixes": common_prefixes,
            }
            return compiled(MODEL, operation).render(result).body

        self.assertEqual(
            document(
                written(objects, encoding, owner_id),
                common_prefixes(prefixes, encoding=encoding),
            ),
            document(
                [members(listed, owner_id) for listed in objects],
                [{"Prefix": prefix} for prefix in prefixes],
            ),
        )

    @given(st.lists(st.builds(ListedObject, TEXTS, HEADS), min_size=2, max_size=30))
    def test_one_page_or_many(self, objects: list[ListedObject]) -> None:
        """A line does not depend on those around it."""
        whole = written(objects, "url", str)
        each = [written([listed], "url", str) for listed in objects]
        self.assertEqual(whole.text, "".join(one.text for one in each))
