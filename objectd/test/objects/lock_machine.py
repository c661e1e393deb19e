"""The law of Object Lock: no version is destroyed before the end that was promised for it, by an
ideal clock that only runs forward, whatever is done to the clocks of the machine."""

from __future__ import annotations

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.task import Clock

from objectd.blobs.memory import MemoryBlobs
from objectd.errors import InvalidArgument, ObjectdError, ObjectLocked
from objectd.interfaces import IBlobStore, IMetadataStore
from objectd.metadata.memory import MemoryMetadata
from objectd.model.locks import DefaultRetention, EventHoldDuration, Lock, Retention, RetentionMode
from objectd.objects.copy_source import ObjectName
from objectd.objects.deleting import Unwanted
from objectd.objects.opening import run_at_once
from objectd.objects.store import ObjectStore, open_store
from objectd.objects.uptime import Uptime
from objectd.objects.versions import Deleted
from objectd.test.objects.cases import NOON_US, SETTINGS
from objectd.test.objects.lock_case import DAY_US, HOUR_US, YEAR_US
from objectd.testing.s3 import result_of

MINUTE_US = 60_000_000

BUCKET = "safe"
KEYS = st.sampled_from(("a", "b"))
MODES = st.sampled_from(RetentionMode)
SPANS_US = st.sampled_from((MINUTE_US, HOUR_US, DAY_US, 30 * DAY_US, YEAR_US))
OFFSETS_US = st.sampled_from((0, 2 * HOUR_US, -2 * HOUR_US, YEAR_US, -YEAR_US))
"""How wrong the wall clock is set. Less than an hour ahead it would be followed."""

OFF_US = st.sampled_from((0, MINUTE_US, 3 * HOUR_US, DAY_US))
DURATIONS = st.builds(EventHoldDuration, days=st.sampled_from((1, 30)))
DEFAULTS = (
    st.none()
    | st.builds(DefaultRetention, MODES, days=st.sampled_from((1, 30)))
    | st.builds(
        DefaultRetention,
        MODES,
        days=st.sampled_from((0, 7)),
        years=st.just(0),
        event_hold=DURATIONS,
    )
)


@attrs.define
class Promise:
    """What was promised of a version; `until_us` is 0 where nothing was. Under an event hold
    `kept_us` is for how long it will be kept after that, and otherwise 0."""

    key: str
    data: bytes
    mode: RetentionMode = RetentionMode.GOVERNANCE
    until_us: int = 0
    kept_us: int = 0
    is_held: bool = False
    is_gone: bool = False

    def binds(self, now_us: int, *, bypass: bool) -> bool:
        return self.is_held or self.retains(now_us, bypass=bypass)

    def retains(self, now_us: int, *, bypass: bool) -> bool:
        gives_way = bypass and self.mode is RetentionMode.GOVERNANCE
        return (now_us < self.until_us or self.kept_us > 0) and not gives_way


class LockMachine(RuleBasedStateMachine):
    versions = Bundle("versions")

    @initialize()
    def open_new(self) -> None:
        self.make_place()
        self.ideal_us, self.offset_us = NOON_US, 0
        self.boots, self.booted_us = 0, NOON_US
        self.count = 0
        self.promises: dict[str, Promise] = {}
        self.store = result_of(self.opened())
        result_of(self.store.buckets.create(BUCKET, object_lock=True))

    def make_place(self) -> None:
        """A place for a new store: here, one in memory, which is as it was when opened again."""
        self.metadata, self.blobs = MemoryMetadata(), MemoryBlobs()

    async def open_place(self) -> tuple[IMetadataStore, IBlobStore]:
        return self.metadata, self.blobs

    def shut(self) -> None:
        """Before the store is opened again."""

    async def opened(self) -> ObjectStore:
        metadata, blobs = await self.open_place()
        return await open_store(
            metadata,
            blobs,
            clock=Clock(),
            run_in_thread=run_at_once,
            now_us=lambda: self.ideal_us + self.offset_us,
            uptime=lambda: Uptime(str(self.boots), self.ideal_us - self.booted_us),
            settings=SETTINGS,
        )

    # Clocks

    @rule(time_us=SPANS_US, marked=st.booleans())
    def time_passes(self, time_us: int, marked: bool) -> None:
        self.ideal_us += time_us
        if marked:
            result_of(self.store.trusted_time.advance())

    @rule(offset_us=OFFSETS_US, marked=st.booleans())
    def wall_clock_is_set(self, offset_us: int, marked: bool) -> None:
        self.offset_us = offset_us
        if marked:
            result_of(self.store.trusted_time.advance())

    @rule()
    def server_restarts(self) -> None:
        self.shut()
        self.store = result_of(self.opened())

    @rule(off_us=OFF_US, offset_us=OFFSETS_US)
    def machine_restarts(self, off_us: int, offset_us: int) -> None:
        self.shut()
        self.ideal_us += off_us
        self.boots, self.booted_us, self.offset_us = self.boots + 1, self.ideal_us, offset_us
        self.store = result_of(self.opened())

    @rule()
    def clock_is_put_right_and_confirmed(self) -> None:
        self.offset_us = 0
        result_of(self.store.trusted_time.confirm())

    # Versions

    @rule(default=DEFAULTS)
    def configure(self, default: DefaultRetention | None) -> None:
        result_of(self.store.object_locks.configure(BUCKET, default))

    @rule(target=versions, key=KEYS, large=st.booleans())
    def put(self, key: str, large: bool) -> str:
        return self._put(key, large, None)

    @rule(target=versions, key=KEYS, mode=MODES, span_us=SPANS_US)
    def put_locked(self, key: str, mode: RetentionMode, span_us: int) -> str:
        return self._put(key, False, Lock(Retention(mode, self._future_us(span_us))))

    @rule(target=versions, key=KEYS, mode=MODES, duration=DURATIONS)
    def put_event_held(self, key: str, mode: RetentionMode, duration: EventHoldDuration) -> str:
        lock = Lock(Retention(mode, 0), event_hold=True, event_hold_duration=duration)
        return self._put(key, False, lock)

    @rule(target=versions, source=versions, key=KEYS)
    def copy(self, source: str, key: str) -> str:
        old = self.promises[source]
        if old.is_gone:
            return source
        copied = result_of(
            self.store.copies.copy(
                ObjectName(BUCKET, old.key), ObjectName(BUCKET, key), source_version=source
            )
        )
        return self._promised(copied.version_id, key, old.data)

    @rule(key=KEYS)
    def delete_plainly(self, key: str) -> None:
        deleted = result_of(self.store.objects.delete(BUCKET, key))
        assert deleted.is_delete_marker

    @rule(version=versions, bypass=st.booleans())
    def delete(self, version: str, bypass: bool) -> None:
        self._delete([version], bypass)

    @rule(wanted=st.lists(versions, max_size=6), bypass=st.booleans())
    def delete_many(self, wanted: list[str], bypass: bool) -> None:
        self._delete(wanted, bypass)

    @rule(version=versions, mode=MODES, span_us=SPANS_US, bypass=st.booleans())
    def retain(self, version: str, mode: RetentionMode, span_us: int, bypass: bool) -> None:
        self._retain(version, Retention(mode, self._future_us(span_us)), bypass)

    @rule(version=versions, bypass=st.booleans())
    def let_go(self, version: str, bypass: bool) -> None:
        self._retain(version, None, bypass)

    @rule(version=versions, on=st.booleans())
    def hold(self, version: str, on: bool) -> None:
        promise = self.promises[version]
        if not promise.is_gone:
            locks = self.store.object_locks
            result_of(locks.put_legal_hold(BUCKET, promise.key, on=on, version_id=version))
            promise.is_held = on

    @rule(version=versions, mode=MODES, duration=DURATIONS, bypass=st.booleans())
    def hold_for_event(
        self, version: str, mode: RetentionMode, duration: EventHoldDuration, bypass: bool
    ) -> None:
        wanted = Lock(Retention(mode, 0), event_hold=True, event_hold_duration=duration)
        self._change_event_hold(version, wanted, bypass)

    @rule(version=versions, mode=MODES, bypass=st.booleans())
    def release(self, version: str, mode: RetentionMode, bypass: bool) -> None:
        self._change_event_hold(version, Lock(Retention(mode, 0), event_hold=False), bypass)

    # What must hold

    @invariant()
    def every_version_is_there(self) -> None:
        for version, promise in self.promises.items():
            if not promise.is_gone:
                opened = result_of(self.store.objects.get(BUCKET, promise.key, version_id=version))
                assert result_of(opened.read()) == promise.data

    @invariant()
    def trusted_time_is_never_ahead(self) -> None:
        assert result_of(self.store.trusted_time.now_us()) <= self.ideal_us

    def _put(self, key: str, large: bool, lock: Lock | None) -> str:
        self.count += 1
        data = b"%d" % self.count * (20 if large else 1)
        stored = result_of(self.store.objects.put(BUCKET, key, data, lock=lock))
        return self._promised(stored.version_id, key, data)

    def _promised(self, version: str, key: str, data: bytes) -> str:
        """What the store says of a new version is what it has promised."""
        promise = self.promises[version] = Promise(key, data)
        self._hear(version, promise)
        return version

    def _hear(self, version: str, promise: Promise) -> None:
        """What the store says of a version that has a retention."""
        found = self.store.objects.head(BUCKET, promise.key, version_id=version)
        lock = result_of(found).tail.lock
        if lock is None or lock.retention is None:
            return
        promise.mode, promise.until_us = lock.retention.mode, lock.retention.until_us
        duration = lock.event_hold_duration
        promise.kept_us = duration.days * DAY_US if duration is not None else 0

    def _future_us(self, span_us: int) -> int:
        return result_of(self.store.trusted_time.reading()).latest_us + span_us

    def _delete(self, wanted: list[str], bypass: bool) -> None:
        unwanted = [
            Unwanted(self.promises[version].key, version, bypass_governance=bypass)
            for version in wanted
        ]
        done = result_of(self.store.objects.delete_many(BUCKET, unwanted))
        for version, outcome in zip(wanted, done, strict=True):
            self._judge(self.promises[version], outcome, bypass)

    def _judge(self, promise: Promise, outcome: Deleted | ObjectdError, bypass: bool) -> None:
        trusted_us = result_of(self.store.trusted_time.now_us())
        if isinstance(outcome, Deleted):
            is_broken = promise.binds(self.ideal_us, bypass=bypass) and not promise.is_gone
            assert not is_broken, f"destroyed {promise.until_us - self.ideal_us} us early"
            promise.is_gone = True
        else:
            assert isinstance(outcome, ObjectLocked)
            assert promise.binds(trusted_us, bypass=bypass), "locked without a reason"

    def _retain(self, version: str, retention: Retention | None, bypass: bool) -> None:
        promise = self.promises[version]
        if promise.is_gone:
            return
        work = self.store.object_locks.put_retention(
            BUCKET, promise.key, retention, version_id=version, bypass_governance=bypass
        )
        was_free = not promise.retains(self.ideal_us, bypass=bypass)
        try:
            result_of(work)
        except ObjectLocked:
            return
        until_us = retention.until_us if retention is not None else 0
        stays = retention is not None and retention.mode is promise.mode
        if promise.kept_us:  # the hold keeps it until then, at least
            until_us = max(until_us, self._future_us(promise.kept_us))
        assert was_free or (stays and until_us >= promise.until_us)
        promise.until_us = until_us
        if retention is not None:
            promise.mode = retention.mode

    def _change_event_hold(self, version: str, wanted: Lock, bypass: bool) -> None:
        """Nothing that was promised gets less by it, but for one who may bypass that."""
        promise = self.promises[version]
        if promise.is_gone or wanted.retention is None:
            return
        work = self.store.object_locks.put_retention(
            BUCKET,
            promise.key,
            wanted.retention,
            event_hold=wanted.event_hold,
            event_hold_duration=wanted.event_hold_duration,
            version_id=version,
            bypass_governance=bypass,
        )
        was_free = not promise.retains(self.ideal_us, bypass=bypass)
        mode, until_us = promise.mode, promise.until_us
        if promise.kept_us:
            until_us = max(until_us, self._future_us(promise.kept_us))
        try:
            result_of(work)
        except InvalidArgument:  # there is nothing to release
            assert not wanted.event_hold and not until_us
            return
        except ObjectLocked:
            trusted_us = result_of(self.store.trusted_time.now_us())
            assert mode is not wanted.retention.mode
            assert promise.retains(trusted_us, bypass=bypass), "locked without a reason"
            return
        self._hear(version, promise)
        assert bool(promise.kept_us) is wanted.event_hold
        assert promise.until_us >= until_us
        assert was_free or promise.mode is mode


def try_law(machine: type[LockMachine], budget: settings | None = None) -> None:
    """Raises `AssertionError` with the shortest history that breaks it."""
    try:
        run_state_machine_as_test(machine, settings=budget)
    except Exception as error:
        # trial does not show the notes of an exception, in which hypothesis tells it all.
        told = "\n".join([str(error), *getattr(error, "__notes__", ())])
        raise AssertionError(told) from error
