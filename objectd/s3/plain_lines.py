"""The header lines of an object of which there is nothing to tell but what each has.

Most are like that. The way through a mapping of all that there may be takes 10 µs, this one 2: a
process that reads an object for the first time has to write them. What is written is the same;
`objectd.test.s3.test_plain_lines` holds it to that.
"""

from __future__ import annotations

from objectd.objects.classes import STANDARD
from objectd.objects.object import Object
from objectd.protocol import header_text
from objectd.protocol.scalars import http_date


def plain_lines(object_: Object) -> bytes | None:
    """What GET and HEAD tell of an object, without its length; None if there may be more to
    tell. Raises `ValueError` for an object with a header that cannot be one."""
    head, tail, headers = object_.head, object_.tail, object_.tail.headers
    if (
        object_.version_id
        or object_.lifecycle
        or head.storage_class != STANDARD
        or tail.metadata
        or tail.tags
        or tail.lock is not None
        or tail.encryption is not None
        or headers.cache_control
        or headers.content_disposition
        or headers.content_encoding
        or headers.content_language
        or headers.expires
        or headers.website_redirect_location
    ):
        return None
    lines = [
        (b"Last-Modified", http_date(head.modified_us).encode()),
        (b"ETag", b'"%b"' % head.etag.encode()),
        (b"accept-ranges", b"bytes"),
    ]
    if headers.content_type:
        lines.append((b"Content-Type", headers.content_type.encode()))
    return header_text.lines(tuple(lines))
