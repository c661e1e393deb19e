"""What the tests of background work share: a look at what it logs."""

from __future__ import annotations

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase


class LoggingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.seen = EventLoggingObserver()
        globalLogPublisher.addObserver(self.seen)
        self.addCleanup(globalLogPublisher.removeObserver, self.seen)

    def logged(self, level: LogLevel = LogLevel.info) -> list[str]:
        return [formatEvent(event) for event in self.seen if event["log_level"] is level]
