"""Conditions on writes: judged on what is there at the moment of the commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from hashlib import md5
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.errors import (
    AnswerLost,
    ConditionalConflict,
    ObjectdError,
    ObjectNotFound,
    OperationAborted,
    PreconditionFailed,
)
from objectd.interfaces import Put
from objectd.model import keys
from objectd.model.records import ObjectHead
from objectd.objects import Completed, ObjectStore
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.deleting import Unwanted
from objectd.objects.versions import Deleted
from objectd.test.objects.cases import LARGE, NOON_US, StoreCase, begin
from objectd.testing.simulation import metadata as simulated
from objectd.testing.simulation.world import Faults, Worker, World

NEW = Conditions(if_none_match="*")


def unwanted(object_keys: str, conditions: Sequence[Conditions]) -> list[Unwanted]:
    """Keys of one letter each, to be deleted on these conditions."""
    return [Unwanted(key, "", each) for key, each in zip(object_keys, conditions, strict=True)]


SECOND_US = 1_000_000
HEAD = ObjectHead(size_bytes=5, modified_us=NOON_US + 123, etag="abc", version=b"v", owner=1)


def passes(conditions: Conditions, head: ObjectHead | None) -> bool:
    try:
        conditions.check_write("photos", "a", head)
    except PreconditionFailed:
        return False
    return True


class JudgementTests(SynchronousTestCase):
    def test_etags(self) -> None:
        """An ETag matches quoted or not, weak or strong, alone or in a list, and by `*`."""
        for tag in ("abc", '"abc"', 'W/"abc"', '"x", "abc"', "*"):
            self.assertTrue(passes(Conditions(if_match=tag), HEAD), tag)
            self.assertFalse(passes(Conditions(if_none_match=tag), HEAD), tag)
        for tag in ("ab", '"abcd"', "abc*", '""'):
            self.assertFalse(passes(Conditions(if_match=tag), HEAD), tag)
            self.assertTrue(passes(Conditions(if_none_match=tag), HEAD), tag)

    def test_size_and_time(self) -> None:
        """A size must be exact, a time exact to the second, and both hold."""
        self.assertTrue(passes(Conditions(size_bytes=5, modified_us=NOON_US), HEAD))
        self.assertFalse(passes(Conditions(size_bytes=0, modified_us=NOON_US), HEAD))
        self.assertFalse(passes(Conditions(size_bytes=5, modified_us=NOON_US + SECOND_US), HEAD))

    def test_nothing_there(self) -> None:
        """Where there is nothing, an ETag is not found; a size or a time is no hindrance."""
        for conditions in (NEW, Conditions(size_bytes=5), Conditions(modified_us=NOON_US)):
            self.assertTrue(passes(conditions, None))
        self.assertFalse(passes(Conditions(if_modified_since=NOON_US), None))
        for tag in ("abc", "*"):
            check = Conditions(if_match=tag).check_write
            self.assertRaises(ObjectNotFound, check, "photos", "a", None)

    def test_damaged(self) -> None:
        """What cannot be read is there, and matches nothing but `*`."""
        Conditions(if_match="*").check_damaged()
        NO_CONDITIONS.check_damaged()
        for conditions in (
            Conditions(if_match="abc"),
            Conditions(if_match='""'),
            Conditions(if_none_match="*"),
            Conditions(if_none_match="abc"),
            Conditions(if_match="*", size_bytes=5),
            Conditions(modified_us=NOON_US),
            Conditions(if_unmodified_since=NOON_US),
        ):
            self.assertRaises(PreconditionFailed, conditions.check_damaged)

    def test_conflict(self) -> None:
        """Others that keep winning are a conflict to who set conditions, and else a reason to
        try again."""

        def lose(conditions: Conditions) -> None:
            with conditions.telling_conflicts():
                raise OperationAborted("others won")

        self.assertRaises(ConditionalConflict, lose, NEW)
        self.assertRaises(OperationAborted, lose, NO_CONDITIONS)


class UnreadStream:
    """A body that nobody may ask for."""

    async def read(self) -> bytes:
        raise AssertionError("the body was read")

    def close(self) -> None:
        """Nothing is held."""


class PutTests(StoreCase):
    def put(self, conditions: Conditions, data: bytes = LARGE) -> str:
        return self.ok(self.store.objects.put("photos", "a", data, conditions=conditions)).etag

    def test_new(self) -> None:
        """If-None-Match: * makes an object only where there is none."""
        self.put(NEW, b"one")
        self.refused(
            PreconditionFailed, self.store.objects.put("photos", "a", b"two", conditions=NEW)
        )
        self.assertEqual(self.read("a"), b"one")

    def test_swap(self) -> None:
        """If-Match replaces exactly the object that the writer has seen."""
        conditions = Conditions(if_match=self.put(NO_CONDITIONS, b"one"))
        self.put(conditions, b"two")
        work = self.store.objects.put("photos", "a", b"three", conditions=conditions)
        self.refused(PreconditionFailed, work)
        self.assertEqual(self.read("a"), b"two")

    def test_before_the_body(self) -> None:
        """A write that must fail is refused before its body is asked for."""
        gone = Conditions(if_match="abc")
        work = self.store.objects.put("photos", "a", UnreadStream(), conditions=gone)
        self.refused(ObjectNotFound, work)
        self.put(NO_CONDITIONS)
        for conditions in (NEW, gone):
            work = self.store.objects.put("photos", "a", UnreadStream(), conditions=conditions)
            self.refused(PreconditionFailed, work)

    def test_at_the_commit(self) -> None:
        """A write whose condition fails while the body comes in leaves nothing behind."""
        work = begin(self.store.objects.put("photos", "a", LARGE * 2, conditions=NEW))
        self.successResultOf(work)
        self.ok(self.store.objects.delete("photos", "a"))
        other = self.beside()

        async def win() -> None:
            await other.objects.put("photos", "a", b"the winner's")

        self.metadata.before(keys.CONTENTS, win)
        work = begin(self.store.objects.put("photos", "a", LARGE, conditions=NEW))
        self.failureResultOf(work, PreconditionFailed)
        self.assertEqual(self.read("a"), b"the winner's")
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.files(), [])

    def test_between_read_and_commit(self) -> None:
        """One that loses to another between its look and its commit looks again."""
        other = self.beside()

        async def win() -> None:
            await other.objects.put("photos", "a", b"the winner's")

        self.metadata.after_second(keys.OBJECTS, win)
        work = self.store.objects.put("photos", "a", b"mine", conditions=NEW)
        self.refused(PreconditionFailed, work)
        self.assertEqual(self.read("a"), b"the winner's")

    def test_others_keep_winning(self) -> None:
        """One that loses each time to others that leave its condition true gives up with a
        conflict; nothing is overwritten."""
        conditions = Conditions(self.put(NO_CONDITIONS, b"same"))
        other = self.beside()

        async def win() -> None:
            await other.objects.put("photos", "a", b"same")
            self.metadata.after(keys.OBJECTS, win)

        self.metadata.after(keys.OBJECTS, win)
        work = self.store.objects.put("photos", "a", b"mine", conditions=conditions)
        self.refused(ConditionalConflict, work)

    def test_damaged(self) -> None:
        """A damaged object is not overwritten by who wants a new one, but by who wants any."""
        self.put(NO_CONDITIONS)
        self.damage("a")
        self.refused(
            PreconditionFailed, self.store.objects.put("photos", "a", b"new", conditions=NEW)
        )
        self.put(Conditions(if_match="*"), b"new")
        self.assertEqual(self.read("a"), b"new")

    def damage(self, key: str) -> None:
        bucket_id = self.ok(self.store.buckets.id_of("photos"))
        row = Put(keys.object_(bucket_id, key.encode()), b"\x01 is not what it was")

        async def decide(batch: Any) -> None:
            batch.put(row.key, row.value)

        self.ok(self.store.core.writer.transact(decide))
        self.addCleanup(self.flushLoggedErrors)


class DeleteTests(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.etags = {
            key: self.ok(self.store.objects.put("photos", key, key.encode())).etag
            for key in ("a", "b", "c")
        }

    def test_one(self) -> None:
        """A delete happens only to what it is meant for."""
        delete = self.store.objects.delete
        self.refused(PreconditionFailed, delete("photos", "a", conditions=Conditions("x")))
        self.refused(ObjectNotFound, delete("photos", "x", conditions=Conditions("*")))
        self.ok(delete("photos", "x", conditions=Conditions(size_bytes=1)))
        self.ok(delete("photos", "a", conditions=Conditions(self.etags["a"], size_bytes=1)))
        self.assertEqual(self.keys_listed(), ["b", "c"])

    def test_many(self) -> None:
        """Each key has its own condition, and those that fail do not keep the others."""
        conditions = [Conditions(self.etags["a"]), Conditions("x"), NO_CONDITIONS, Conditions("x")]
        results = self.ok(self.store.objects.delete_many("photos", unwanted("abcx", conditions)))
        kinds = [type(result) for result in results]
        self.assertEqual(kinds, [Deleted, PreconditionFailed, Deleted, ObjectNotFound])
        self.assertEqual(self.keys_listed(), ["b"])

    def test_one_commit(self) -> None:
        """Whatever their conditions, many deletes are one commit."""
        self.metadata.changes_left = 1
        wanted = [Conditions(self.etags[key]) for key in "abc"]
        self.ok(self.store.objects.delete_many("photos", unwanted("abc", wanted)))
        self.metadata.changes_left = None
        self.assertEqual(self.keys_listed(), [])

    def test_same_key_again(self) -> None:
        """Deletes of one key in one request are judged one after the other."""
        tag = Conditions(self.etags["a"])
        wanted = unwanted("aaa", [tag, tag, NEW])
        results = self.ok(self.store.objects.delete_many("photos", wanted))
        kinds = [type(result) for result in results]
        self.assertEqual(kinds, [Deleted, ObjectNotFound, Deleted])
        self.assertEqual(self.ok(self.store.buckets.usage("photos")).objects, 2)


class CompleteTests(StoreCase):
    def completing(self, upload_id: str, conditions: Conditions) -> Awaitable[Completed]:
        listed = self.listed("a", upload_id)
        complete = self.store.completions.complete
        return complete("photos", "a", upload_id, listed, conditions=conditions)

    def test_repeated(self) -> None:
        """A repeated Complete gets the answer of the first, though its object is there now."""
        upload_id = self.upload("a", b"part1", b"part2")
        listed = self.listed("a", upload_id)
        complete = self.store.completions.complete
        first = self.ok(complete("photos", "a", upload_id, listed, conditions=NEW))
        again = self.ok(complete("photos", "a", upload_id, listed, conditions=NEW))
        self.assertEqual(first, again)

    def test_failed(self) -> None:
        """A Complete whose condition fails leaves the upload open, for another try."""
        upload_id = self.upload("a", b"part1", b"part2")
        self.ok(self.store.objects.put("photos", "a", b"other"))
        self.refused(PreconditionFailed, self.completing(upload_id, NEW))
        self.ok(self.store.uploads.put_part("photos", "a", upload_id, 3, b"part3"))
        etag = self.ok(self.store.objects.head("photos", "a")).etag
        self.ok(self.completing(upload_id, Conditions(etag)))
        self.assertEqual(self.read("a"), b"part1part2part3")

    def test_nothing_to_match(self) -> None:
        """If-Match where there is no object is not found."""
        upload_id = self.upload("a", b"part1")
        self.refused(ObjectNotFound, self.completing(upload_id, Conditions("x")))
        self.assertEqual(len(self.listed("a", upload_id)), 1)


class Race:
    """Many clients of several processes, on a store that is slow to answer or never does."""

    def __init__(self, seed: int, *, answer_loss: float) -> None:
        self.world = World(seed)
        self.processes = [
            Worker(f"p{number}", self.world, Faults(answer_loss=answer_loss)) for number in range(3)
        ]
        self.world.workers += self.processes

    def open(self) -> list[ObjectStore]:
        first, *others = self.processes
        store = self.until(first.open_alone())
        return [store, *(self.until(other.join()) for other in others)]

    def until(self, work: Coroutine[Deferred[Any], Any, Any]) -> Any:
        """The result of work, tried anew where it was refused for want of an answer."""
        results: list[Any] = []
        errors: list[Any] = []
        Deferred.fromCoroutine(work).addCallbacks(results.append, errors.append)
        while not results and not errors and self.world.schedule.step():
            pass
        if errors:
            errors[0].raiseException()
        return results[0]


class RaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(simulated, "FAILURE_SHARE", 0.0)  # a store that fails leaves who asked in doubt

    def winners(self, seed: int, answer_loss: float, data: Callable[[int], bytes]) -> None:
        race = Race(seed, answer_loss=0.0)
        stores = race.open()
        race.until(stores[0].buckets.create("photos"))
        for process in race.processes:
            process.connection.loss = answer_loss
        won: list[int] = []
        lost: list[type[BaseException]] = []

        async def put(number: int) -> None:
            objects = stores[number % 3].objects
            try:
                await objects.put("photos", "a", data(number), conditions=NEW)
            except ObjectdError as error:
                lost.append(type(error))
            else:
                won.append(number)

        for number in range(200):
            Deferred.fromCoroutine(put(number))
        while len(won) + len(lost) < 200:
            assert race.world.schedule.step()
        for process in race.processes:
            process.connection.loss = 0.0
        self.assertEqual((len(won), len(won) + len(lost)), (1, 200), seed)
        self.assertLessEqual(set(lost), {PreconditionFailed, ConditionalConflict, AnswerLost})
        opened = race.until(stores[0].objects.get("photos", "a"))
        self.assertEqual(race.until(opened.read()), data(won[0]))

    def test_small(self) -> None:
        """Of 200 racing PUTs of new objects one wins, and its bytes are read, also where
        answers are late or lost."""
        for seed in range(6):
            self.winners(seed, seed % 3 * 0.1, lambda number: b"%d" % number)

    def test_large(self) -> None:
        """So it is for objects that are blobs, some of them shared."""
        for seed in range(6):
            self.winners(
                seed, seed % 3 * 0.1, lambda number: b"as large as need be %d" % (number % 9)
            )


class HistoryTests(StoreCase):
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(("put", "delete")),
                st.sampled_from(("", "*", "current", "other")),
                st.sampled_from(("", "*")),
                st.sampled_from((b"1", b"22", LARGE)),
            ),
            max_size=12,
        )
    )
    def test_model(self, history: list[tuple[str, str, str, bytes]]) -> None:
        """Whatever is written under whatever conditions, what is there is what a variable
        under a lock would hold."""
        self.setUp()
        now: bytes | None = None
        etag = "0" * 32
        for verb, match, none_match, data in history:
            tag = etag if match == "current" else match
            conditions = Conditions(tag, none_match)
            expected: type[Exception] | None = None
            if now is None and match:
                expected = ObjectNotFound
            elif now is not None and (match == "other" or none_match):
                expected = PreconditionFailed
            work = begin(self.write(verb, data, conditions))
            if expected is not None:
                self.failureResultOf(work, expected)
                continue
            self.successResultOf(work)
            now = data if verb == "put" else None
            etag = md5(data).hexdigest() if verb == "put" else etag
            self.assertEqual(self.ok(self.store.buckets.usage("photos")).objects, now is not None)
            if now is not None:
                self.assertEqual(self.read("a"), now)

    async def write(self, verb: str, data: bytes, conditions: Conditions) -> None:
        if verb == "put":
            await self.store.objects.put("photos", "a", data, conditions=conditions)
        else:
            await self.store.objects.delete("photos", "a", conditions=conditions)
