"""Renaming: an object gets another key, in one commit and with all that it has."""

from __future__ import annotations

from collections.abc import Awaitable

from objectd.errors import (
    BucketNotFound,
    DamagedRecord,
    InvalidArgument,
    InvalidOperation,
    ObjectNotFound,
    PreconditionFailed,
    TokenMismatch,
)
from objectd.model import keys
from objectd.model.records import Headers
from objectd.objects.conditions import NO_CONDITIONS, Conditions
from objectd.objects.writer import Batch
from objectd.test.objects.cases import LARGE, NOON_US, StoreCase

DAY_US = 24 * 60 * 60 * 1_000_000
NEW = Conditions(if_none_match="*")


class RenameCase(StoreCase):
    def put(self, key: str, data: bytes = b"small") -> str:
        return self.ok(self.store.objects.put("photos", key, data)).etag

    def renaming(
        self,
        source: str,
        target: str,
        source_conditions: Conditions = NO_CONDITIONS,
        conditions: Conditions = NO_CONDITIONS,
        token: str = "",
    ) -> Awaitable[None]:
        return self.store.renames.rename(
            "photos",
            source,
            target,
            source_conditions=source_conditions,
            conditions=conditions,
            token=token,
        )


class RenameTests(RenameCase):
    def test_all_that_it_has(self) -> None:
        """Whatever holds its bytes, the object is at the new key only, and all else of it is
        as it was, its time included."""
        headers = Headers(content_type="text/plain")
        for data in (b"", b"small", LARGE):
            put = self.ok(
                self.store.objects.put("photos", "a", data, headers=headers, metadata={"x": "y"})
            )
            self.now_us += DAY_US
            self.ok(self.renaming("a", "b"))
            found = self.ok(self.store.objects.head("photos", "b"))
            self.assertEqual((found.head, found.tail), (put.head, put.tail))
            self.assertEqual((self.read("b"), self.keys_listed()), (data, ["b"]))
            self.ok(self.store.collector.run_to_rest())
            self.assertEqual(self.read("b"), data)

    def test_upload(self) -> None:
        """An object that was uploaded in parts keeps them; its Complete still gets its answer."""
        upload_id = self.upload("a", b"part1", b"part2")
        listed = self.listed("a", upload_id)
        complete = self.store.completions.complete
        first = self.ok(complete("photos", "a", upload_id, listed))
        self.ok(self.renaming("a", "b"))
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.read("b"), b"part1part2")
        self.assertEqual(self.ok(complete("photos", "a", upload_id, listed)), first)

    def test_over_another(self) -> None:
        """What was at the new key goes, and nothing of it stays."""
        for data in (b"other", LARGE + b"other"):
            self.put("a", LARGE)
            self.put("b", data)
            self.ok(self.renaming("a", "b"))
            self.assertEqual((self.read("b"), self.keys_listed()), (LARGE, ["b"]))
            usage = self.ok(self.store.buckets.usage("photos"))
            self.assertEqual((usage.objects, usage.size_bytes), (1, len(LARGE)))
            self.ok(self.store.collector.run_to_rest())
            self.assertEqual((len(self.files()), self.rows(keys.PAYLOADS)), (1, []))

    def test_there_and_back(self) -> None:
        """An object that is renamed twice is where it was."""
        self.put("a")
        self.ok(self.renaming("a", "b"))
        self.ok(self.renaming("b", "a"))
        self.assertEqual((self.read("a"), self.keys_listed()), (b"small", ["a"]))

    def test_one_commit(self) -> None:
        """It is one commit, so nobody sees the object twice or not at all."""
        self.put("a")
        self.metadata.changes_left = 1
        self.ok(self.renaming("a", "b", token="t"))
        self.assertEqual(self.keys_listed(), ["b"])

    def test_refused(self) -> None:
        """There must be an object, a bucket, and another name."""
        self.refused(ObjectNotFound, self.renaming("a", "b"))
        self.put("a")
        self.refused(InvalidOperation, self.renaming("a", "a"))
        self.refused(BucketNotFound, self.store.renames.rename("nowhere", "a", "b"))
        self.assertEqual(self.keys_listed(), ["a"])

    def test_damaged(self) -> None:
        """What cannot be read stays where it is; over it another object may go."""
        self.addCleanup(self.flushLoggedErrors)
        self.put("a")
        self.put("b")
        row_key = keys.object_(self.ok(self.store.buckets.id_of("photos")), b"a")

        async def damage(batch: Batch) -> None:
            batch.put(row_key, b"\x01 is not what it was")

        self.ok(self.store.core.writer.transact(damage))
        self.refused(DamagedRecord, self.renaming("a", "c"))
        self.refused(PreconditionFailed, self.renaming("b", "a", conditions=NEW))
        self.ok(self.renaming("b", "a"))
        self.assertEqual(self.read("a"), b"small")


class ConditionTests(RenameCase):
    def test_source(self) -> None:
        """Conditions on the source are about the object that is renamed."""
        etag = self.put("a")
        for conditions in (
            Conditions("other"),
            NEW,
            Conditions(if_none_match=etag),
            Conditions(if_modified_since=NOON_US),
            Conditions(if_unmodified_since=NOON_US - DAY_US),
        ):
            error = self.refused(PreconditionFailed, self.renaming("a", "b", conditions))
            self.assertIn("x-amz-rename-source-", error.condition)
        self.refused(ObjectNotFound, self.renaming("x", "b", Conditions("*")))
        self.ok(self.renaming("a", "b", Conditions(etag, if_modified_since=NOON_US - DAY_US)))

    def test_target(self) -> None:
        """Conditions on the target are about what is replaced, or is not there to be."""
        self.put("a")
        for conditions in (Conditions("other"), Conditions(if_modified_since=0)):
            self.refused(PreconditionFailed, self.renaming("a", "b", conditions=conditions))
        etag = self.put("b", b"other")
        for conditions in (
            Conditions("other"),
            NEW,
            Conditions(if_modified_since=NOON_US),
            Conditions(if_unmodified_since=NOON_US - DAY_US),
        ):
            self.refused(PreconditionFailed, self.renaming("a", "b", conditions=conditions))
        self.assertEqual(self.keys_listed(), ["a", "b"])
        self.ok(self.renaming("a", "b", conditions=Conditions(etag)))
        self.ok(self.renaming("b", "c", conditions=Conditions(if_unmodified_since=0)))
        self.ok(self.renaming("c", "d", conditions=NEW))


class TokenTests(RenameCase):
    def test_again(self) -> None:
        """The same request with the same token succeeds again, and does nothing."""
        self.put("a")
        self.ok(self.renaming("a", "b", token="once"))
        self.put("a", b"another")
        self.ok(self.renaming("a", "b", token="once"))
        self.assertEqual((self.read("a"), self.read("b")), (b"another", b"small"))

    def test_other_request(self) -> None:
        """A token is for one request: other keys and other conditions are refused."""
        etag = self.put("a")
        self.ok(self.renaming("a", "b", token="once"))
        for work in (
            self.renaming("b", "a", token="once"),
            self.renaming("a", "b", Conditions(etag), token="once"),
            self.renaming("a", "b", conditions=NEW, token="once"),
        ):
            self.refused(TokenMismatch, work)
        self.ok(self.renaming("b", "a", token="twice"))

    def test_failed(self) -> None:
        """A request that failed does not use its token up."""
        self.refused(ObjectNotFound, self.renaming("a", "b", token="once"))
        self.put("a")
        self.ok(self.renaming("a", "c", token="once"))

    def test_other_bucket(self) -> None:
        """Tokens are for one bucket, and a bucket that is made again knows none of the old."""
        self.put("a")
        self.ok(self.renaming("a", "b", token="once"))
        self.ok(self.store.objects.delete("photos", "b"))
        self.ok(self.store.buckets.delete("photos"))
        self.ok(self.store.buckets.create("photos"))
        self.put("c")
        self.ok(self.renaming("c", "b", token="once"))

    def test_form(self) -> None:
        """A token has 1 to 64 visible ASCII characters."""
        self.put("a")
        for token in ("t" * 65, "a b", "\x7f", "ä", "\n"):
            self.refused(InvalidArgument, self.renaming("a", "b", token=token))
        self.ok(self.renaming("a", "b", token="!~" * 32))

    def test_at_once(self) -> None:
        """Of one request that is sent to two processes at once, one is carried out."""
        self.put("a")
        other = self.beside()

        async def beside() -> None:
            await other.renames.rename("photos", "a", "b", token="once")
            await other.objects.put("photos", "a", b"another")

        self.metadata.after(keys.CLIENT_TOKENS, beside)
        self.ok(self.renaming("a", "b", token="once"))
        self.assertEqual((self.read("a"), self.read("b")), (b"another", b"small"))

    def test_how_long(self) -> None:
        """A token is known for a day at least, also when the clock steps back, and is then
        forgotten by the collector."""
        self.put("a")
        self.ok(self.renaming("a", "b", token="once"))
        for step_us in (DAY_US, -2 * DAY_US):
            self.now_us += step_us
            self.ok(self.store.collector.run_to_rest())
            self.ok(self.renaming("a", "b", token="once"))
        self.now_us += 3 * DAY_US
        self.ok(self.store.collector.run_to_rest())
        self.assertEqual(self.rows(keys.CLIENT_TOKENS), [])

    def test_first_day(self) -> None:
        """A host that believes in 1970 renames by tokens, and collects."""
        self.now_us = 1
        self.put("a")
        self.ok(self.renaming("a", "b", token="once"))
        self.ok(self.store.collector.run_to_rest())
        self.ok(self.renaming("a", "b", token="once"))


class RaceTests(RenameCase):
    def test_source_replaced(self) -> None:
        """What is renamed is what the source holds at the commit, not what was looked at."""
        self.put("a")
        other = self.beside()

        async def replace() -> None:
            await other.objects.put("photos", "a", b"newer")

        self.metadata.after(keys.OBJECTS, replace)
        self.ok(self.renaming("a", "b"))
        self.assertEqual((self.read("b"), self.keys_listed()), (b"newer", ["b"]))

    def test_target_appears(self) -> None:
        """Something that appears at the target meanwhile is not lost on one who wants none."""
        self.put("a")
        other = self.beside()

        async def appear() -> None:
            await other.objects.put("photos", "b", b"appeared")

        self.metadata.after(keys.OBJECTS, appear)
        self.refused(PreconditionFailed, self.renaming("a", "b", conditions=NEW))
        self.assertEqual((self.read("a"), self.read("b")), (b"small", b"appeared"))

    def test_swap(self) -> None:
        """Two renames that cross do not lose an object but the one that is replaced."""
        self.put("a", b"was a")
        self.put("b", b"was b")
        other = self.beside()

        async def cross() -> None:
            await other.renames.rename("photos", "b", "a")

        self.metadata.after(keys.OBJECTS, cross)
        self.ok(self.renaming("a", "b"))
        self.assertEqual((self.read("b"), self.keys_listed()), (b"was b", ["b"]))

    def test_bucket_deleted(self) -> None:
        """Nothing is renamed in a bucket that is gone."""
        self.put("a")
        other = self.beside()

        async def delete() -> None:
            await other.objects.delete("photos", "a")
            await other.buckets.delete("photos")

        self.metadata.after(keys.OBJECTS, delete)
        self.refused(BucketNotFound, self.renaming("a", "b"))
        self.assertEqual(self.rows(keys.OBJECTS), [])
