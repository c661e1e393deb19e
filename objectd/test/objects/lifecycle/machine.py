"""Versions and lifecycles beside a plain model of both, with a clock that steps forward.

The model knows nothing of rows, heads or commits: a key is a list of versions, and what a pass
does is written down as AWS's user guide says it.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from objectd.errors import ObjectNotFound
from objectd.interfaces import IMetadataStore, Scan
from objectd.model import keys
from objectd.model.codec import decode_object
from objectd.model.lifecycle import (
    LifecycleRule,
    TransitionMinimum,
)
from objectd.objects.checking import Check, Finding
from objectd.objects.classes import NAMES, Classes, ClassSettings
from objectd.objects.ids import version_id
from objectd.objects.lifecycle import rules
from objectd.objects.store import assemble
from objectd.objects.trusted_time import Reading
from objectd.test.machine.homes import Home
from objectd.test.objects.lifecycle.cases import DAY_US
from objectd.test.objects.lifecycle.drawn_rules import START_US, some_rules
from objectd.testing.s3 import result_of

KEYS = ("a", "a/b", "b")
BUCKET = "photos"
HOUR_US = DAY_US // 24

READABLE = Classes.made({"GLACIER": ClassSettings(zstd_level=3)}, {"": 0})
"""All of them but STANDARD are kept alike, and none is an archive."""


@attrs.define
class Plain:
    """A version or delete marker of the model."""

    id: str
    time_us: int
    is_marker: bool = False
    size: int = 0
    tags: dict[str, str] = attrs.field(factory=dict)
    storage_class: str = "STANDARD"


class LifecycleMachine(RuleBasedStateMachine):
    def __init__(self, home: Home) -> None:
        super().__init__()
        self.home = home
        self.now_us = START_US
        self.versioning = "never"
        self.plain: dict[str, list[Plain]] = {key: [] for key in KEYS}
        self.in_force: list[LifecycleRule] = []
        self.minimum = self.minimum_in_force = TransitionMinimum.ALL_CLASSES_128K
        self.day_of_pass: int | None = None
        self.open()
        result_of(self.store.buckets.create(BUCKET))

    def open(self) -> None:
        opened = self.home.open()
        core = attrs.evolve(opened.core, now_us=lambda: self.now_us, classes=READABLE)
        self.store = assemble(core, opened.format)

    def teardown(self) -> None:
        self.home.shut(self.store)
        self.home.remove()

    # What clients do

    @initialize(enabled=st.sampled_from([True, True, False]), wanted=some_rules())
    def begin(self, enabled: bool, wanted: list[LifecycleRule]) -> None:
        if enabled:
            self.set_versioning(enabled=True)
        self.set_rules(wanted)

    @rule(key=st.sampled_from(KEYS), size=st.integers(0, 12), tagged=st.booleans())
    def put(self, key: str, size: int, tagged: bool) -> None:
        tags = {"t": "1"} if tagged else {}
        stored = result_of(self.store.objects.put(BUCKET, key, bytes(size), tags=tags))
        self.add(key, stored.version_id, Plain("", self.now_us, False, size, tags))

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: str) -> None:
        deleted = result_of(self.store.objects.delete(BUCKET, key))
        self.plain_delete(key, deleted.version_id)

    @rule(data=st.data(), key=st.sampled_from(KEYS))
    def delete_version(self, data: st.DataObject, key: str) -> None:
        versions = self.plain[key]
        if versions and self.versioning != "never":
            chosen = data.draw(st.sampled_from(versions), "version")
            result_of(self.store.objects.delete(BUCKET, key, version_id=chosen.id))
            versions.remove(chosen)

    @rule(enabled=st.booleans())
    def set_versioning(self, enabled: bool) -> None:
        result_of(self.store.buckets.set_versioning(BUCKET, enabled=enabled))
        self.versioning = "enabled" if enabled else "suspended"

    @rule(minimum=st.sampled_from(TransitionMinimum))
    def set_minimum(self, minimum: TransitionMinimum) -> None:
        """From the next rules on."""
        self.minimum = minimum

    @rule(wanted=some_rules())
    def set_rules(self, wanted: list[LifecycleRule]) -> None:
        if wanted:
            result_of(self.store.lifecycles.put(BUCKET, wanted, self.minimum))
        else:
            result_of(self.store.lifecycles.delete(BUCKET))
        self.in_force, self.day_of_pass = wanted, None
        self.minimum_in_force = self.minimum

    # What time does

    @rule(hours=st.sampled_from([1, 5, 24, 30, 60]))
    def wait(self, hours: int) -> None:
        self.now_us += hours * HOUR_US

    @rule()
    def run_pass(self) -> None:
        result_of(self.store.lifecycle_passes.run(self))
        today = self.now_us // DAY_US
        if self.in_force and self.day_of_pass != today:
            self.day_of_pass = today
            self.plain_pass()

    @rule(hours=st.sampled_from([24, 48, 96]))
    def live_on(self, hours: int) -> None:
        """Time passes, and then a pass is made."""
        self.wait(hours)
        self.run_pass()

    @rule(key=st.sampled_from(KEYS), size=st.integers(0, 12), times=st.integers(2, 5))
    def put_again_and_again(self, key: str, size: int, times: int) -> None:
        for number in range(times):
            self.put(key, size, tagged=bool(number % 2))
            self.now_us += HOUR_US

    @rule()
    def reopen(self) -> None:
        self.home.shut(self.store)
        self.open()

    @rule()
    def collect(self) -> None:
        """Nothing is missing of what is left."""
        result_of(self.store.collector.run_to_rest())
        core = self.store.core
        check = Check(core.metadata, core.blobs, self.store.format.digest_key)

        async def every() -> list[Finding]:
            return [finding async for finding in check.run(deep=True)]

        assert result_of(every()) == []

    async def reading(self) -> Reading:
        """As the clock of passes."""
        return Reading(self.now_us, self.now_us)

    # The model

    def add(self, key: str, id_: str, version: Plain) -> None:
        """Something becomes the newest of its key."""
        versions = self.plain[key]
        newest_us = versions[0].time_us if versions else 0
        version.time_us = max(self.now_us, newest_us + 1)
        version.id = id_ or "null"
        if self.versioning != "enabled":
            versions[:] = [each for each in versions if each.id != "null"]
        versions.insert(0, version)

    def plain_delete(self, key: str, marker_id: str) -> None:
        if self.versioning == "never":
            self.plain[key].clear()
        else:
            self.add(key, marker_id, Plain("", 0, is_marker=True))

    def plain_pass(self) -> None:
        for key in KEYS:
            versions = self.plain[key]
            if versions and not versions[0].is_marker:
                self.plain_pass_current(key, versions[0])
        for key in KEYS:
            self.plain_pass_beneath(key)

    def plain_pass_current(self, key: str, current: Plain) -> None:
        """What stays beneath its marker is moved first, and expires in the next pass."""
        target = self.target(key, current, None)
        is_expired = self.is_expired(key, current)
        stays = self.versioning == "enabled" or (
            self.versioning == "suspended" and current.id != "null"
        )
        if target and (stays or not is_expired):
            current.storage_class = target
        elif is_expired:
            markers = [each.id for each in self.found(key)[:1] if each.is_marker]
            self.plain_delete(key, "".join(markers))

    def plain_pass_beneath(self, key: str) -> None:
        """What goes, goes first, with what is moved without its bytes. Then there may be so few
        noncurrent versions left that those whose bytes would be moved stay."""
        versions = self.plain[key]
        gone: list[Plain] = []
        moved: list[tuple[Plain, str, int]] = []
        for number, version in enumerate(versions):
            if number == 0:
                gone += [version] if self.is_lone_marker(key) else []
            elif self.is_over(key, number):
                gone.append(version)
            elif target := self.target(key, version, versions[number - 1].time_us, number - 1):
                moved.append((version, target, versions[number - 1].time_us))
        versions[:] = [each for each in versions if each not in gone]
        for version, target, since_us in moved:
            is_heavy = version.size > 8 and version.storage_class == "STANDARD"
            newer = versions.index(version) - 1
            if not is_heavy or self.target(key, version, since_us, newer) == target:
                version.storage_class = target

    def target(self, key: str, version: Plain, since_us: int | None, newer_count: int = 0) -> str:
        """The coldest class to which it is due to be moved; '' for none. `since_us` is since
        when it has been noncurrent."""
        if version.is_marker:
            return ""
        due: list[str] = []
        for r in self.fitting(key, version):
            if since_us is None:
                steps = [
                    each.storage_class
                    for each in r.transitions
                    if (each.days is not None and self.has_passed(version.time_us, each.days))
                    or (each.date_us is not None and self.now_us >= each.date_us)
                ]
            else:
                steps = [
                    each.storage_class
                    for each in r.noncurrent_transitions
                    if newer_count >= (each.kept or 0) and self.has_passed(since_us, each.days)
                ]
            says_size = (r.filter.size_above, r.filter.size_below) != (None, None)
            varies = self.minimum_in_force is TransitionMinimum.VARIES
            is_small = version.size < rules.MOVED_BYTES_MIN and not says_size
            due += [name for name in steps if not is_small or (varies and name == "GLACIER")]
        below = NAMES[NAMES.index(version.storage_class) + 1 :]
        if version.storage_class == "ONEZONE_IA":
            below = tuple(name for name in below if name != "GLACIER_IR")
        return max((name for name in due if name in below), key=NAMES.index, default="")

    def fitting(self, key: str, version: Plain) -> list[LifecycleRule]:
        return [
            r
            for r in self.in_force
            if r.enabled
            and key.startswith(r.filter.prefix or "")
            and r.filter.tags.items() <= version.tags.items()
            and (r.filter.size_above is None or version.size > r.filter.size_above)
            and (r.filter.size_below is None or version.size < r.filter.size_below)
        ]

    def has_passed(self, since_us: int, days: int) -> bool:
        """So many whole days lie between, and a midnight has come after them."""
        day_after = since_us // DAY_US + days + 1
        return self.now_us >= day_after * DAY_US

    def is_expired(self, key: str, version: Plain) -> bool:
        return any(
            (r.expire_days is not None and self.has_passed(version.time_us, r.expire_days))
            or (r.expire_date_us is not None and self.now_us >= r.expire_date_us)
            for r in self.fitting(key, version)
        )

    def is_lone_marker(self, key: str) -> bool:
        versions = self.plain[key]
        if len(versions) != 1 or not versions[0].is_marker:
            return False
        about_markers = any(r.expire_markers for r in self.fitting(key, versions[0]))
        is_past = versions[0].time_us <= self.now_us
        return (about_markers and is_past) or self.is_expired(key, versions[0])

    def is_over(self, key: str, number: int) -> bool:
        versions = self.plain[key]
        return any(
            r.noncurrent_days is not None
            and number - 1 >= (r.noncurrent_kept or 0)
            and self.has_passed(versions[number - 1].time_us, r.noncurrent_days)
            for r in self.fitting(key, versions[number])
        )

    # The comparison

    def found(self, key: str) -> list[Plain]:
        """What the store holds of a key."""
        core = self.store.core
        bucket_id = result_of(self.store.buckets.id_of(BUCKET))
        [row] = result_of(core.metadata.get([keys.object_(bucket_id, key.encode())]))
        values = [row.value] if row is not None else []
        prefix = keys.key_versions(bucket_id, key.encode())
        values += _values(core.metadata, prefix)
        return [_plain(value) for value in values]

    @invariant()
    def agree(self) -> None:
        for key in KEYS:
            found, expected = self.found(key), self.plain[key]
            assert found == expected, f"{key}: {found} is not {expected}"
            shown = bool(expected) and not expected[0].is_marker
            assert shown == self.is_there(key), key

    def is_there(self, key: str) -> bool:
        try:
            opened = result_of(self.store.objects.get(BUCKET, key))
        except ObjectNotFound:
            return False
        size = self.plain[key][0].size
        assert result_of(opened.read()) == bytes(size)
        return True


def try_histories(open_home: Callable[[], Home], budget: settings) -> None:
    """Raises `AssertionError` with the shortest history in which the two disagree."""

    class Histories(LifecycleMachine):
        def __init__(self) -> None:
            super().__init__(open_home())

    try:
        run_state_machine_as_test(Histories, settings=budget)
    except Exception as error:
        # trial does not show the notes of an exception, in which hypothesis tells it all.
        told = "\n".join([str(error), *getattr(error, "__notes__", ())])
        raise AssertionError(told) from error


def _values(metadata: IMetadataStore, prefix: bytes) -> list[bytes]:
    start, stop = keys.span(prefix)
    return [e.value or b"" for e in result_of(metadata.scan(Scan(start, stop, limit=1000))).entries]


def _plain(value: bytes) -> Plain:
    head, tail = decode_object(value)
    return Plain(
        version_id(head),
        head.modified_us,
        head.is_delete_marker,
        head.size_bytes,
        dict(tail.tags),
        head.storage_class,
    )
