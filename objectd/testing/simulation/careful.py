"""Clients of a simulated store that look first, and write only if it is still so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred

from objectd.errors import (
    AnswerLost,
    BucketNotFound,
    InvalidOperation,
    ObjectArchived,
    ObjectNotFound,
    PreconditionFailed,
)
from objectd.objects.appending import appended_etag
from objectd.objects.classes import STANDARD
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.testing.simulation.asking import Asker, Body, Undecided, done
from objectd.testing.simulation.beliefs import KEYS, Value
from objectd.testing.simulation.history import Register

BROKEN_BODY_PROBABILITY = 0.03

_NEW = Conditions(if_none_match="*")


class CarefulClient:
    """What its conditions are told of a key must fit what all others were told of it."""

    def __init__(self, ask: Asker) -> None:
        self._ask = ask

    async def put_new(self) -> None:
        bucket, key = self._ask.place()
        value = self._value()
        await self._write("put new", bucket, key, None, value, self._put(bucket, key, value, _NEW))

    async def put_over(self) -> None:
        bucket, key = self._ask.place()
        seen = await self.look(bucket, key)
        if seen is not None:
            value = self._value()
            work = self._put(bucket, key, value, still(seen))
            await self._write("put over", bucket, key, seen, value, work)

    def _put(
        self, bucket: str, key: str, value: Value, conditions: Conditions
    ) -> Coroutine[Deferred[Any], Any, object]:
        return self._ask.store.objects.put(
            bucket,
            key,
            self._body(value.data),
            metadata=_metadata(value),
            conditions=conditions,
            encryption=self._ask.encryption(),
            storage_class=value.storage_class or STANDARD,
        )

    async def delete(self) -> None:
        bucket, key = self._ask.place()
        seen = await self.look(bucket, key)
        if seen is not None:
            work = self._ask.store.objects.delete(bucket, key, conditions=still(seen))
            await self._write("delete seen", bucket, key, seen, None, done(work))

    async def append(self) -> None:
        bucket, key = self._ask.place()
        seen = await self.look(bucket, key)
        longer = attrs.evolve(self._value(), storage_class=STANDARD)
        data, own, conditions = longer.data, _metadata(longer), _NEW
        if seen is not None:
            etag = appended_etag(seen.etag, longer.etag)
            longer = Value(None, etag, seen.data + data)
            own, conditions = {}, still(seen)
        work = self._ask.store.appends.append(
            bucket,
            key,
            self._body(data),
            offset_bytes=len(seen.data) if seen is not None else 0,
            metadata=own,
            conditions=conditions,
        )
        await self._write("append", bucket, key, seen, longer, work)

    async def rename(self) -> None:
        """Perhaps with a token: then it is asked for again where no answer came."""
        ask = self._ask
        bucket, source = ask.place()
        target = ask.random.choice([key for key in KEYS if key != source])
        seen = await self.look(bucket, source)
        if seen is None:
            return
        token = str(ask.beliefs.next_operation()) if ask.schedule.chance(0.5) else ""
        conditions = _NEW if ask.schedule.chance(0.3) else NO_CONDITIONS
        start = ask.now
        left = ask.beliefs.objects[bucket, source]
        taken = ask.beliefs.objects[bucket, target]
        writes = (left.begin(None, start), taken.begin(Value(None, seen.etag, seen.data), start))

        def work() -> Coroutine[Deferred[Any], Any, bool]:
            return done(
                ask.store.renames.rename(
                    bucket,
                    source,
                    target,
                    source_conditions=still(seen),
                    conditions=conditions,
                    token=token,
                )
            )

        try:
            is_done = await ask.write("rename", bucket, writes, work())
        except ObjectNotFound:
            self._refuse("rename", left, start, writes, is_nothing)
        except PreconditionFailed as error:
            if error.condition.startswith("x-amz-rename-source"):
                self._refuse("rename", left, start, writes, is_other_than(seen))
            else:
                self._refuse("rename", taken, start, writes, is_something)
        else:
            if is_done:
                left.observe(is_like(seen), start, ask.now, "was renamed")
            elif token and not writes[0].is_refused:
                await self._ask_again(writes, work())

    async def _ask_again(
        self, writes: Sequence[Undecided], work: Coroutine[Deferred[Any], Any, bool]
    ) -> None:
        """Success says that it was done once, now or before; an error says nothing of the
        first time."""
        try:
            await self._ask.change("rename again", writes, work)
        except Exception as error:
            self._ask.beliefs.count(f"rename again: {type(error).__name__}")

    async def _write(
        self,
        what: str,
        bucket: str,
        key: str,
        seen: Value | None,
        value: Value | None,
        work: Coroutine[Deferred[Any], Any, object],
    ) -> None:
        """Write on the condition that what was seen is still there."""
        ask, start = self._ask, self._ask.now
        register = ask.beliefs.objects[bucket, key]
        write = register.begin(value, start)
        try:
            answer = await ask.write(what, bucket, [write], work)
        except ObjectNotFound:
            self._refuse(what, register, start, [write], is_nothing)
        except PreconditionFailed:
            expected = is_something if seen is None else is_other_than(seen)
            self._refuse(what, register, start, [write], expected)
        except (InvalidOperation, ObjectArchived) as error:
            # Nothing is appended to what is encrypted, or cannot be read.
            ask.refuse(f"{what}: {type(error).__name__}", [write])
        else:
            if answer:
                expected = is_nothing if seen is None else is_like(seen)
                register.observe(expected, start, ask.now, f"let {what} pass")

    def _refuse(
        self,
        what: str,
        register: Register[Value | None],
        start: int,
        writes: Sequence[Undecided],
        expected: Callable[[Value | None], bool],
    ) -> None:
        self._ask.refuse(f"{what}: condition", writes)
        register.observe(expected, start, self._ask.now, f"refused {what}")

    async def look(self, bucket: str, key: str) -> Value | None:
        """What is at the key, or None if there is nothing or it cannot be known."""
        ask, start = self._ask, self._ask.now
        register = ask.beliefs.objects[bucket, key]
        try:
            found = await ask.store.objects.head(bucket, key)
        except (ObjectNotFound, BucketNotFound, AnswerLost):
            return None
        shown: list[Value] = []

        def recognise(value: Value | None) -> bool:
            if value is None or not ask.beliefs.is_shown(value, found.head, found.tail):
                return False
            shown.append(value)
            return True

        ask.beliefs.classes.observe(found.head, start, ask.now)
        register.observe(recognise, start, ask.now, f"{found.etag} was seen")
        return attrs.evolve(shown[0], etag=found.etag, other_etag="")

    def _value(self) -> Value:
        data = self._ask.data() or b"little"
        etag, storage_class = hashlib.md5(data).hexdigest(), self._ask.storage_class()
        return Value(self._ask.beliefs.next_operation(), etag, data, storage_class)

    def _body(self, data: bytes) -> Body:
        return Body(self._ask.process, data, self._ask.schedule.chance(BROKEN_BODY_PROBABILITY))


def _metadata(value: Value) -> dict[str, str]:
    return {} if value.operation is None else {"op": str(value.operation)}


def still(seen: Value) -> Conditions:
    return Conditions(if_match=f'"{seen.etag}"')


def is_nothing(value: Value | None) -> bool:
    return value is None


def is_something(value: Value | None) -> bool:
    return value is not None


def is_like(seen: Value) -> Callable[[Value | None], bool]:
    return lambda value: value is not None and value.has_etag(seen.etag)


def is_other_than(seen: Value) -> Callable[[Value | None], bool]:
    """Of a copy nobody may know which of two ETags it has."""
    return lambda value: value is not None and (value.etag != seen.etag or bool(value.other_etag))
