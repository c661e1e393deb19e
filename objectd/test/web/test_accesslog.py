"""The access log in batches."""

from __future__ import annotations

from msgspec import structs
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.web.applications import Scripted, echo, get
from objectd.testing.http import Connection, memory_site
from objectd.web.accesslog import EVENTS_MAX, FLUSH_SECONDS, AccessLog
from objectd.web.application import AccessEvent

EVENT = AccessEvent("id", "192.0.2.1", "GET", "/b/k", 200, "", 0, 10, 1.5, True)


class AccessLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.seen = EventLoggingObserver()
        globalLogPublisher.addObserver(self.seen)
        self.addCleanup(globalLogPublisher.removeObserver, self.seen)
        self.clock = Clock()
        self.log = AccessLog(self.clock)

    def lines(self) -> list[str]:
        mine = [event for event in self.seen if event["log_namespace"] == "objectd.access"]
        return [line for event in mine for line in str(formatEvent(event)).split("\n")]

    def test_written_after_a_while(self) -> None:
        """Events wait for a quarter of a second, and go out in their order."""
        self.log.add(EVENT)
        self.log.add(structs.replace(EVENT, request_id="second"))
        self.assertEqual(self.lines(), [])
        self.clock.advance(FLUSH_SECONDS)
        self.assertEqual(
            self.lines(),
            [
                "id 192.0.2.1 GET /b/k 200 - in=0 out=10 ms=1.5",
                "second 192.0.2.1 GET /b/k 200 - in=0 out=10 ms=1.5",
            ],
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_do_not_wait(self) -> None:
        """No more than so many events are held."""
        for _ in range(EVENTS_MAX - 1):
            self.log.add(EVENT)
        self.assertEqual(self.lines(), [])
        self.log.add(EVENT)
        self.assertEqual(len(self.lines()), EVENTS_MAX)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_flush_writes_at_once(self) -> None:
        """What is flushed leaves no timer behind; to flush nothing does nothing."""
        self.log.add(EVENT)
        self.log.flush()
        self.log.flush()
        self.assertEqual((len(self.lines()), self.clock.getDelayedCalls()), (1, []))

    def test_last_connection(self) -> None:
        """A site has its log flushed when its last connection is gone."""
        flushed: list[None] = []
        site = memory_site(Scripted(echo), flush_log=lambda: flushed.append(None))
        one, two = Connection(site), Connection(site)
        one.send(get())
        one.disconnect()
        self.assertEqual(flushed, [])
        two.disconnect()
        self.assertEqual(len(flushed), 1)
