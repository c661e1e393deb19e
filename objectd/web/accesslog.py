"""The access log: a line for each request, after its end."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from objectd.web.application import AccessEvent

FLUSH_SECONDS = 0.25
EVENTS_MAX = 1000

_log = Logger(namespace="objectd.access")


class AccessLog:
    """Takes events as requests end, and gives them to Twisted's log in batches: an event of its
    own for each request took a sixth of the time of a small GET."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._events: list[AccessEvent] = []
        self._timer: IDelayedCall | None = None

    def add(self, event: AccessEvent) -> None:
        self._events.append(event)
        if self._timer is None:
            self._timer = self._clock.callLater(FLUSH_SECONDS, self.flush)
        elif len(self._events) >= EVENTS_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what there is. To be called when nothing more may come."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        events, self._events = self._events, []
        if events:
            _log.info("{lines}", lines="\n".join(map(access_line, events)), events=events)


def access_line(event: AccessEvent) -> str:
    return (
        f"{event.request_id} {event.peer} {event.method} {event.path} {event.status} "
        f"{event.error_code or '-'} in={event.bytes_in} out={event.bytes_out} "
        f"ms={event.milliseconds:.1f}"
    )
