"""The operations that are built: one row each.

A row drives routing, authorisation, metrics and the support table in the docs. What a row
does not name, a request may not ask for: it is refused with 501 and the member's name, never
ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from objectd.objects.checksums import ALGORITHMS
from objectd.s3 import buckets, listings, multipart, objects
from objectd.s3.attributes import KEPT_HEADERS
from objectd.s3.call import Answer

Handler = Callable[..., Awaitable[Answer]]

_PAYER = "RequestPayer"
"""Nobody is billed, so whoever agrees to pay has agreed to nothing."""

_CHECKSUMS = tuple(f"Checksum{name}" for name in ALGORITHMS)

_STREAM = ("Body", "ContentLength", "ContentMD5", "ChecksumAlgorithm", *_CHECKSUMS)
"""The body and what is said of it; `objectd.s3.body` reads that, where trailers count too."""

_OVERRIDES = (
    "ResponseCacheControl",
    "ResponseContentDisposition",
    "ResponseContentEncoding",
    "ResponseContentLanguage",
    "ResponseContentType",
    "ResponseExpires",
)


@attrs.frozen
class Operation:
    """`action` is what IAM policies call the permission that the operation needs.

    Of the model's input members, `arguments` are those that the handler takes, `supported`
    these and what is served around it, and `ignored` those that change nothing here.
    """

    name: str
    action: str
    handler: Handler
    arguments: frozenset[str]
    supported: frozenset[str]
    ignored: frozenset[str]

    async def carry_out(self, call: Any, arguments: dict[str, object]) -> Answer:
        given = {k: v for k, v in arguments.items() if k in self.arguments}
        return await self.handler(call, **given)


def _row(
    action: str,
    handler: Handler,
    *,
    also: tuple[str, ...] = (),
    of_body: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
) -> Operation:
    """`also` names what a handler takes by **keywords, `of_body` what it gets by the body."""
    name = "".join(word.capitalize() for word in handler.__name__.split("_"))
    parameters = inspect.signature(handler).parameters.values()
    named = {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    arguments = frozenset(named | {*also})
    return Operation(name, action, handler, arguments, arguments.union(of_body), frozenset(ignored))


OPERATIONS: dict[str, Operation] = {
    row.name: row
    for row in (
        _row("s3:CreateBucket", buckets.create_bucket),
        _row("s3:ListBucket", buckets.head_bucket),
        _row("s3:DeleteBucket", buckets.delete_bucket),
        _row("s3:ListAllMyBuckets", buckets.list_buckets),
        _row("s3:GetBucketLocation", buckets.get_bucket_location),
        _row("s3:ListBucket", listings.list_objects, ignored=(_PAYER,)),
        _row("s3:ListBucket", listings.list_objects_v2, ignored=(_PAYER,)),
        _row(
            "s3:PutObject",
            objects.put_object,
            also=tuple(KEPT_HEADERS),
            of_body=_STREAM,
            ignored=(_PAYER,),
        ),
        _row("s3:GetObject", objects.get_object, ignored=(_PAYER,), also=_OVERRIDES),
        _row("s3:GetObject", objects.head_object, ignored=(_PAYER,), also=_OVERRIDES),
        _row("s3:DeleteObject", objects.delete_object, ignored=(_PAYER,)),
        _row(
            "s3:DeleteObject",
            objects.delete_objects,
            of_body=("ChecksumAlgorithm",),
            ignored=(_PAYER,),
        ),
        _row(
            "s3:PutObject",
            multipart.create_multipart_upload,
            also=tuple(KEPT_HEADERS),
            ignored=(_PAYER,),
        ),
        _row("s3:PutObject", multipart.upload_part, of_body=_STREAM, ignored=(_PAYER,)),
        _row(
            "s3:PutObject",
            multipart.complete_multipart_upload,
            also=_CHECKSUMS,
            ignored=(_PAYER,),
        ),
        _row("s3:AbortMultipartUpload", multipart.abort_multipart_upload, ignored=(_PAYER,)),
        _row("s3:ListMultipartUploadParts", multipart.list_parts, ignored=(_PAYER,)),
        _row("s3:ListBucketMultipartUploads", multipart.list_multipart_uploads, ignored=(_PAYER,)),
    )
}
