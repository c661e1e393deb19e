"""sync: make a directory or prefix what another is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import attrs

from objectd.cli.places import Local, ObjectPlace, Place
from objectd.cli.transfer import FILES_AT_ONCE, RANGES_OF_ONE_FILE, Copying, directories
from objectd.cli.trees import Item, items_below
from objectd.client.concurrency import for_each
from objectd.client.deleting import KEYS_MAX, NotDeleted, delete_all
from objectd.client.syncing import (
    Comparison,
    Filters,
    differs_at_all,
    differs_in_size,
    is_outdated,
    side_by_side,
)

__all__ = ["comparison", "sync_all"]


def comparison(target: Place, *, size_only: bool, exact_timestamps: bool) -> Comparison:
    """Times are never exactly the same at a server: an object has that of its upload."""
    if size_only:
        return differs_in_size
    return differs_at_all if exact_timestamps and isinstance(target, Local) else is_outdated


async def sync_all(
    copying: Copying,
    source: Place,
    target: Place,
    filters: Filters,
    *,
    differs: Comparison,
    delete: bool,
) -> None:
    """Copy what is missing or `differs`; then, with `delete`, remove from the target what the
    source does not have, unless anything went wrong: what could not be read is not gone."""
    source, target = directories(source, target)
    session = copying.session
    copying = attrs.evolve(copying, ranges_at_once=RANGES_OF_ONE_FILE)
    extra: list[Item] = []

    async def outdated() -> AsyncIterator[Item]:
        async with (
            aclosing(items_below(session, source, filters)) as here,
            aclosing(items_below(session, target, filters)) as there,
        ):
            async for item, old in side_by_side(here, there):
                if item is None and old is not None:
                    extra.append(old)
                elif item is not None and (old is None or differs(item, old)):
                    yield item

    async def copy(item: Item) -> None:
        await copying.copy_below(item, target)

    await for_each(outdated(), copy, at_once=FILES_AT_ONCE)
    if delete and session.report.failures and extra:
        session.report.failed(str(target), f"{len(extra)} not deleted, because of the errors")
    elif delete:
        await _delete(copying, target, extra)


async def _delete(copying: Copying, root: Local | ObjectPlace, extra: Sequence[Item]) -> None:
    report = copying.session.report
    if copying.dry_run:
        for item in extra:
            report.line(f"(dry run) delete: {item.place}")
    elif isinstance(root, ObjectPlace):
        await _delete_objects(copying, root.bucket, [root.key + item.name for item in extra])
    else:
        for item in extra:
            await _delete_file(copying, item)


async def _delete_objects(copying: Copying, bucket: str, keys: Sequence[str]) -> None:
    report = copying.session.report

    def tell(tried: Sequence[str], failed: Sequence[NotDeleted]) -> None:
        left = {each.key for each in failed}
        for key in tried:
            if key not in left:
                report.line(f"delete: {ObjectPlace(bucket, key)}")
        for each in failed:
            report.failed(str(ObjectPlace(bucket, each.key)), f"{each.message} ({each.code})")

    async def batches() -> AsyncIterator[Sequence[str]]:
        for start in range(0, len(keys), KEYS_MAX):
            yield keys[start : start + KEYS_MAX]

    await delete_all(copying.session.client, bucket, batches(), tell)


async def _delete_file(copying: Copying, item: Item) -> None:
    report = copying.session.report
    if isinstance(item.place, Local):
        with report.attempt(str(item.place)):
            await copying.session.run_in_thread(item.place.path.unlink)
            report.line(f"delete: {item.place}")
