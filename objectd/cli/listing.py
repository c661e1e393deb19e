"""ls and du."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from objectd.cli.places import ObjectPlace
from objectd.cli.report import human, shown
from objectd.cli.session import Session
from objectd.client.listing import Listed, pages

__all__ = ["disk_usage", "list_buckets", "list_objects"]


async def list_buckets(session: Session) -> None:
    token: object = None
    while True:
        result = await session.client.call("ListBuckets", ContinuationToken=token)
        for bucket in cast("Sequence[Mapping[str, object]]", result.get("Buckets", ())):
            created_us = cast(int, bucket.get("CreationDate", 0))
            session.report.output(f"{_time(created_us)} {shown(str(bucket['Name']))}")
        token = result.get("ContinuationToken")
        if not token:
            return


async def list_objects(
    session: Session, place: ObjectPlace, *, recursive: bool, human_sizes: bool
) -> None:
    """Whole keys with `recursive`, else what stands at this level, by its last segment. That
    there is nothing is a failure if a prefix was given."""
    cut = 0 if recursive else len(place.key.rpartition("/")[0]) + ("/" in place.key)
    found = False
    delimiter = None if recursive else "/"
    async for page in pages(session.client, place.bucket, place.key, delimiter=delimiter):
        lines = [f"{'PRE':>30} {shown(prefix[cut:])}" for prefix in page.prefixes]
        lines += [_line(each, cut, human_sizes) for each in page.objects]
        if lines:
            found = True
            session.report.output("\n".join(lines))
    if place.key and not found:
        session.report.failed(str(place), "nothing has this prefix")


async def disk_usage(session: Session, place: ObjectPlace, *, human_sizes: bool) -> None:
    """The sum of the sizes below a prefix, and how many objects they are."""
    size_bytes = count = 0
    async for page in pages(session.client, place.bucket, place.key):
        size_bytes += sum(each.size_bytes for each in page.objects)
        count += len(page.objects)
    size = human(size_bytes) if human_sizes else str(size_bytes)
    session.report.output(f"{size}\t{count} objects\t{shown(str(place))}")


def _line(listed: Listed, cut: int, human_sizes: bool) -> str:
    size = human(listed.size_bytes) if human_sizes else str(listed.size_bytes)
    return f"{_time(listed.modified_us)} {size:>10} {shown(listed.key[cut:])}"


def _time(time_us: int) -> str:
    """Local, as everything else on the machine shows times."""
    return datetime.fromtimestamp(time_us // 1_000_000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
