"""Several things at once, and never more than asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.client.concurrency import for_each, in_order


class Bench:
    """Work that lasts until the test ends it."""

    def __init__(self) -> None:
        self.under_way: dict[int, Deferred[int]] = {}
        self.begun: list[int] = []
        self.cancelled: list[int] = []

    async def work(self, item: int) -> int:
        self.begun.append(item)
        self.under_way[item] = Deferred(lambda _: self.cancelled.append(item))
        return await self.under_way[item]

    async def nothing(self, item: int) -> None:
        await self.work(item)

    def end(self, item: int) -> None:
        self.under_way.pop(item).callback(item * 10)


class ForEachTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench()

    def start(self, *items: int) -> Deferred[None]:
        return Deferred.fromCoroutine(for_each(items, self.bench.nothing, at_once=2))

    def test_bounded(self) -> None:
        """The next begins when one ends, whichever it is."""
        work = self.start(1, 2, 3)
        self.assertEqual(self.bench.begun, [1, 2])
        self.bench.end(2)
        self.assertEqual(self.bench.begun, [1, 2, 3])
        self.bench.end(1)
        self.assertNoResult(work)
        self.bench.end(3)
        self.successResultOf(work)

    def test_nothing(self) -> None:
        """No items are no work."""
        self.successResultOf(self.start())

    def test_failure(self) -> None:
        """The first failure cancels the others, begins no more, and is raised."""
        work = self.start(1, 2, 3)
        self.bench.under_way[1].errback(KeyError("first"))
        self.failureResultOf(work, KeyError)
        self.assertEqual((self.bench.begun, self.bench.cancelled), ([1, 2], [2]))

    def test_cancelled(self) -> None:
        """Cancelled, it cancels what is under way."""
        work = self.start(1, 2, 3)
        work.cancel()
        self.failureResultOf(work, CancelledError)
        self.assertEqual((self.bench.begun, self.bench.cancelled), ([1, 2], [1, 2]))

    def test_failing_items(self) -> None:
        """When the items themselves fail, what is under way is cancelled too."""

        async def items() -> AsyncIterator[int]:
            yield 1
            raise KeyError("no more")

        work = Deferred.fromCoroutine(for_each(items(), self.bench.nothing, at_once=2))
        self.failureResultOf(work, KeyError)
        self.assertEqual(self.bench.cancelled, [1])


class InOrderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench()
        self.results: list[int] = []

    async def collect(self, *items: int) -> None:
        async with aclosing(in_order(items, self.bench.work, at_once=2)) as results:
            async for result in results:
                self.results.append(result)

    def test_order(self) -> None:
        """Results come in the order of the items, however they end; those that wait for their
        turn count as being worked on."""
        work = Deferred.fromCoroutine(self.collect(1, 2, 3))
        self.bench.end(2)
        self.assertEqual((self.results, self.bench.begun), ([], [1, 2]))
        self.bench.end(1)
        self.assertEqual((self.results, self.bench.begun), ([10, 20], [1, 2, 3]))
        self.bench.end(3)
        self.successResultOf(work)
        self.assertEqual(self.results, [10, 20, 30])

    def test_failure(self) -> None:
        """A failure is raised in its turn, and cancels the rest without a word."""
        work = Deferred.fromCoroutine(self.collect(1, 2, 3))
        self.bench.under_way[1].errback(KeyError("one"))
        self.failureResultOf(work, KeyError)
        self.assertEqual(self.bench.cancelled, [2])

    def test_cancelled(self) -> None:
        """Cancelled, it cancels all that is under way."""
        work = Deferred.fromCoroutine(self.collect(1, 2, 3))
        work.cancel()
        self.failureResultOf(work, CancelledError)
        self.assertEqual(sorted(self.bench.cancelled), [1, 2])
