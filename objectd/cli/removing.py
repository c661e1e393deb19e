"""mb, rb and rm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import click

from objectd.cli.places import ObjectPlace
from objectd.cli.session import Session
from objectd.client.deleting import NotDeleted, delete_all
from objectd.client.listing import pages
from objectd.client.syncing import Filters

__all__ = ["make_bucket", "remove_all", "remove_bucket", "remove_one"]


async def make_bucket(session: Session, bucket: str) -> None:
    region = session.client.region
    elsewhere = {"LocationConstraint": region} if region != "us-east-1" else None
    await session.client.call("CreateBucket", Bucket=bucket, CreateBucketConfiguration=elsewhere)
    session.report.line(f"make_bucket: {bucket}")


async def remove_bucket(session: Session, bucket: str, *, force: bool) -> None:
    """`force` empties it first."""
    if force:
        await remove_all(session, ObjectPlace(bucket, ""), Filters())
    if not session.report.failures:
        await session.client.call("DeleteBucket", Bucket=bucket)
        session.report.line(f"remove_bucket: {bucket}")


async def remove_one(
    session: Session, place: ObjectPlace, *, dry_run: bool, version_id: str
) -> None:
    if not place.key:
        raise click.UsageError(f"{place} names no object: use --recursive")
    what = f"delete: {place} {version_id}".rstrip()
    if dry_run:
        session.report.line(f"(dry run) {what}")
        return
    named = {"VersionId": version_id or None}
    await session.client.call("DeleteObject", Bucket=place.bucket, Key=place.key, **named)
    session.report.line(what)


async def remove_all(
    session: Session, place: ObjectPlace, filters: Filters, *, dry_run: bool = False
) -> None:
    """Everything below a prefix: pages are listed while earlier ones are deleted."""
    report = session.report
    root = place.as_directory() if place.key else place

    async def batches() -> AsyncIterator[Sequence[str]]:
        async for page in pages(session.client, root.bucket, root.key):
            keys = [each.key for each in page.objects]
            yield [key for key in keys if filters.take(key.removeprefix(root.key))]

    def tell(tried: Sequence[str], failed: Sequence[NotDeleted]) -> None:
        left = {each.key for each in failed}
        lines = [f"delete: {ObjectPlace(root.bucket, key)}" for key in tried if key not in left]
        report.lines(lines)
        for each in failed:
            report.failed(str(ObjectPlace(root.bucket, each.key)), f"{each.message} ({each.code})")

    if dry_run:
        async for keys in batches():
            report.lines([f"(dry run) delete: {ObjectPlace(root.bucket, key)}" for key in keys])
    else:
        await delete_all(session.client, root.bucket, batches(), tell)
