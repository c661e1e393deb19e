"""RenameObject, which AWS has for directory buckets and we have for all."""

from __future__ import annotations

from urllib.parse import unquote

import attrs

from objectd.objects.conditions import Conditions
from objectd.protocol.errors import invalid_argument
from objectd.s3.call import Answer, Call
from objectd.s3.conditions import write_conditions


async def rename_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    RenameSource: str,
    ClientToken: str = "",
    DestinationIfMatch: str = "",
    DestinationIfModifiedSince: int | None = None,
    DestinationIfNoneMatch: str = "",
    DestinationIfUnmodifiedSince: int | None = None,
    SourceIfMatch: str = "",
    SourceIfModifiedSince: int | None = None,
    SourceIfNoneMatch: str = "",
    SourceIfUnmodifiedSince: int | None = None,
) -> Answer:
    await call.store.renames.rename(
        Bucket,
        rename_source(Bucket, RenameSource),
        Key,
        source_conditions=Conditions(
            SourceIfMatch, SourceIfNoneMatch, SourceIfModifiedSince, SourceIfUnmodifiedSince
        ),
        conditions=attrs.evolve(
            write_conditions(DestinationIfMatch, DestinationIfNoneMatch),
            if_modified_since=DestinationIfModifiedSince,
            if_unmodified_since=DestinationIfUnmodifiedSince,
        ),
        token=ClientToken,
    )
    return Answer()


def rename_source(bucket: str, header: str) -> str:
    """The key that `x-amz-rename-source` names, percent-decoded exactly once. The key may
    stand alone, as AWS's own clients send it, or behind its bucket: `/bucket/key`.

    Raises `S3Error`.
    """
    try:
        decoded = unquote(header, errors="strict")
    except UnicodeDecodeError:
        decoded = ""
    key = decoded.removeprefix(f"/{bucket}/")
    if not key:
        name = "x-amz-rename-source"
        raise invalid_argument(name, header, f"{name} must name a key of this bucket.")
    return key
