"""RestoreObject, and the header that tells of a restore."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from objectd.model.records import ObjectTail, Restore
from objectd.objects import ObjectStore
from objectd.protocol.errors import S3Error
from objectd.protocol.scalars import http_date, iso_8601_seconds
from objectd.s3.call import Answer, Call

_NOT_IMPLEMENTED = ("Type", "Description", "SelectParameters", "OutputLocation")
"""What belongs to S3 Select, and to restores to another place."""


async def restore_object(
    call: Call,
    *,
    Bucket: str,
    Key: str,
    RestoreRequest: Mapping[str, object] | None = None,
    VersionId: str = "",
) -> Answer:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html"""
    wanted = RestoreRequest or {}
    for name in _NOT_IMPLEMENTED:
        if name in wanted:
            raise S3Error("NotImplemented", f"RestoreRequest.{name} is not implemented.")
    days = wanted.get("Days")
    if not isinstance(days, int):
        raise S3Error("MalformedXML")
    begins = await call.store.restores.restore(
        Bucket, Key, days=days, version_id=VersionId, tier=_tier(wanted)
    )
    return Answer(status=HTTPStatus.ACCEPTED if begins else HTTPStatus.OK)


def _tier(wanted: Mapping[str, object]) -> str:
    parameters = wanted.get("GlacierJobParameters")
    inner = parameters.get("Tier") if isinstance(parameters, Mapping) else None
    return str(inner or wanted.get("Tier") or "")


def shown_restore(store: ObjectStore, tail: ObjectTail) -> dict[str, object]:
    """What a response tells of a version that is, or is being, restored."""
    return {} if tail.restore is None else {"Restore": restore_text(store, tail)}


def restore_status(store: ObjectStore, restore: Restore) -> str:
    """The element of a listing; '' if it is over.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreStatus.html"""
    now_us = store.core.now_us()
    if now_us >= restore.expires_us:
        return ""
    if now_us < restore.ready_us:
        status = "<IsRestoreInProgress>true</IsRestoreInProgress>"
    else:
        status = (
            "<IsRestoreInProgress>false</IsRestoreInProgress>"
            f"<RestoreExpiryDate>{iso_8601_seconds(restore.expires_us)}</RestoreExpiryDate>"
        )
    return f"<RestoreStatus>{status}</RestoreStatus>"


def restore_text(store: ObjectStore, tail: ObjectTail) -> str | None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
    restore, now_us = tail.restore, store.core.now_us()
    if restore is None or now_us >= restore.expires_us:
        return None
    if now_us < restore.ready_us:
        return 'ongoing-request="true"'
    return f'ongoing-request="false", expiry-date="{http_date(restore.expires_us)}"'
