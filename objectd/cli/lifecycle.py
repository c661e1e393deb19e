"""`objectd lifecycle explain`: what becomes of the versions of a key, when, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from objectd.cli.maintenance import CLEAN, PROBLEMS
from objectd.objects import ObjectStore
from objectd.objects.lifecycle.explaining import Explanation, explain
from objectd.objects.lifecycle.rules import Fate, told

__all__ = ["explain_key"]

Say = Callable[[str], object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def explain_key(store: ObjectStore, bucket: str, key: str, say: Say) -> int:
    """Say it, version by version. That there is nothing of the key is a problem."""
    bucket_id = await store.buckets.id_of(bucket)
    lifecycle = await store.lifecycles.get(bucket)
    if lifecycle is None:
        say(f"bucket {bucket!r} has no lifecycle: nothing happens by itself")
    elif (seconds := store.core.settings.lifecycle_day_seconds) != 86_400:
        say(f"a day takes {seconds:g} seconds here (lifecycle_day_seconds)")
    time = await store.trusted_time.reading()
    if time.jumped:
        say("the wall clock has jumped: nothing happens until it is confirmed")
    found = 0
    async for each in explain(store.core, store.lifecycles, bucket, bucket_id, key, time.now_us):
        found += 1
        for line in _lines(each, time.now_us):
            say(line)
    if not found:
        say(f"there is nothing at {key!r} in bucket {bucket!r}")
    return CLEAN if found else PROBLEMS


def _lines(each: Explanation, now_us: int) -> list[str]:
    lines = [f"{each.what}, of {_time(each.made_us)}"]
    happens = [*each.moves, *([] if each.fate is None else [each.fate])]
    if not happens:
        lines.append("  nothing happens to it as it is now")
    lines += [f"  {_told(fate, now_us)}, by rule {fate.rule.id!r}" for fate in happens]
    if each.is_held:
        lines.append("  under a legal hold: it is not deleted before that ends")
    if each.is_event_held:
        lines.append("  under an event hold: its retention ends some time after that is released")
    if each.locked_until_us > now_us:
        lines.append(f"  locked: it is not deleted before {_time(each.locked_until_us)}")
    for rule, says in each.verdicts:
        if not isinstance(says, Fate):
            lines.append(f"  rule {rule.id!r} does nothing: {says}")
        elif says not in happens:
            lines.append(f"  rule {rule.id!r} is not the first: {_told(says, now_us)}")
    return lines


def _told(fate: Fate, now_us: int) -> str:
    when = f"from {_time(fate.due_us)} on"
    if fate.due_us <= now_us:
        when += ", which is past: at the next pass"
    return f"{told(fate)} {when}"


def _time(time_us: int) -> str:
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
