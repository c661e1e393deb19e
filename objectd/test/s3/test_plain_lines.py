"""What is written quickly of plain objects is what is written of any."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.model.locks import Lock
from objectd.model.records import Headers, InRow, ObjectHead, ObjectTail
from objectd.objects.object import Object
from objectd.protocol import header_text
from objectd.protocol.model import load_s3_model
from objectd.protocol.operations import compiled
from objectd.s3.hot import without_length
from objectd.s3.plain_lines import plain_lines
from objectd.s3.reading import shown

MODEL = load_s3_model()
SELDOM = st.sampled_from(("", "", "", "", "", "", "something"))
TEXTS = st.text(max_size=8) | st.sampled_from(("text/plain", "binary/octet-stream", "a\r\nb: c"))
HEADS = st.builds(
    ObjectHead,
    size_bytes=st.integers(0, 1 << 40),
    modified_us=st.integers(0, 4_000_000_000_000_000),
    etag=st.sampled_from(("0" * 32, "1" * 32 + "-2")) | TEXTS,
    version=st.just(b"v" * 12),
    owner=st.just(1),
    storage_class=st.sampled_from(("STANDARD", "STANDARD", "STANDARD", "GLACIER")),
)
HEADERS = st.builds(
    Headers,
    content_type=TEXTS,
    **dict.fromkeys(
        (
            "content_encoding",
            "content_disposition",
            "content_language",
            "cache_control",
            "expires",
            "website_redirect_location",
        ),
        SELDOM,
    ),
)
TAILS = st.builds(
    ObjectTail,
    source=st.just(InRow()),
    headers=HEADERS,
    metadata=st.sampled_from(({}, {}, {"colour": "blue"})),
    tags=st.sampled_from(({}, {}, {"a": "b"})),
    lock=st.sampled_from((None, None, Lock(legal_hold=True))),
)
OBJECTS = st.builds(
    Object, st.just("photos"), st.just("a"), HEADS, TAILS, version_id=SELDOM, lifecycle=st.just(b"")
)


def at_length(object_: Object) -> bytes | str:
    result, status, _, _ = shown(object_, None, "", "")
    try:
        rendered = compiled(MODEL, "GetObject").render(result, status)
        return header_text.lines(without_length(rendered.headers))
    except ValueError:
        return "refused"


def quickly(object_: Object) -> bytes | str | None:
    try:
        return plain_lines(object_)
    except ValueError:
        return "refused"


class PlainLinesTests(SynchronousTestCase):
    @given(OBJECTS)
    def test_same_lines(self, object_: Object) -> None:
        """Either way the lines are the same, and refused for the same objects."""
        lines = quickly(object_)
        if lines is not None:
            self.assertEqual(lines, at_length(object_))

    def test_plain(self) -> None:
        """An object that was put with nothing but a type is plain."""
        head = ObjectHead(1, 1_700_000_000_999_999, "0" * 32, b"v" * 12, 1)
        tail = ObjectTail(InRow(), Headers(content_type="text/plain"), {})
        lines = plain_lines(Object("photos", "a", head, tail))
        assert lines is not None
        self.assertEqual(lines.splitlines()[0], b"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT")

    def test_lifecycle(self) -> None:
        """Of an object that expires that must be told."""
        head = ObjectHead(1, 1_700_000_000_999_999, "0" * 32, b"v" * 12, 1)
        tail = ObjectTail(InRow(), Headers(content_type="text/plain"), {})
        self.assertIsNone(plain_lines(Object("photos", "a", head, tail, lifecycle=b"l")))
