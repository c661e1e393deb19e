"""What the tests of lifecycles share: a store with a clock to advance, and a look at versions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
from msgspec import structs

from objectd.model import keys
from objectd.model.codec import decode_object_head
from objectd.model.lifecycle import LifecycleFilter, LifecycleRule
from objectd.model.records import ObjectHead
from objectd.objects.lifecycle.passes import LifecycleReport
from objectd.objects.trusted_time import Reading
from objectd.test.objects.cases import NOON_US, StoreCase

DAY_US = 86_400_000_000
MIDNIGHT_US = NOON_US // DAY_US * DAY_US
"""Before the time at which tests begin."""

ALL = LifecycleFilter()


def rule(id_: str = "rule", wanted: LifecycleFilter = ALL, **actions: object) -> LifecycleRule:
    """A rule that is in force."""
    return structs.replace(LifecycleRule(id_, True, wanted), **actions)


def at(text: str) -> int:
    """A time as in AWS's examples: '2014-01-15 10:30', in microseconds."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000


@attrs.define
class FakeTime:
    """A wall clock that may be found to have jumped."""

    case: LifecycleCase
    trusted: bool = True

    async def reading(self) -> Reading:
        return Reading(self.case.now_us, self.case.now_us, jumped=not self.trusted)


class LifecycleCase(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.time = FakeTime(self)

    def set_rules(self, *rules: LifecycleRule, bucket: str = "photos") -> None:
        self.ok(self.store.lifecycles.put(bucket, rules))

    def put(self, key: str, data: bytes = b"x", tags: Mapping[str, str] | None = None) -> str:
        """Returns the version's id."""
        stored = self.ok(self.store.objects.put("photos", key, data, tags=tags))
        return stored.version_id

    def delete(self, key: str, version_id: str = "") -> str:
        return self.ok(self.store.objects.delete("photos", key, version_id=version_id)).version_id

    def pass_days(self, days: float) -> None:
        self.pass_until(self.now_us + int(days * DAY_US))

    def pass_until(self, time_us: int) -> None:
        """Time passes, as all clocks see."""
        passed_us = time_us - self.now_us
        self.now_us = time_us
        self.uptime = self.uptime._replace(us=self.uptime.us + passed_us)

    def run_pass(self) -> LifecycleReport:
        return self.ok(self.store.lifecycle_passes.run(self.time))

    def heads(self, key: str) -> list[ObjectHead]:
        """The versions and markers of a key, newest first."""
        bucket_id = self.ok(self.store.buckets.id_of("photos"))
        [row] = self.ok(self.metadata.get([keys.object_(bucket_id, key.encode())]))
        current = [row.value] if row is not None else []
        others = [e.value or b"" for e in self.rows(keys.key_versions(bucket_id, key.encode()))]
        return [decode_object_head(value) for value in [*current, *others]]

    def shape(self, key: str) -> str:
        """The same as letters: v for a version, m for a marker."""
        return "".join("m" if head.is_delete_marker else "v" for head in self.heads(key))
