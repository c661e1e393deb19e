"""The access log: one event for each request, after its end."""

from __future__ import annotations

from twisted.logger import Logger

from objectd.web.application import AccessEvent

_log = Logger(namespace="objectd.access")


def log_access(event: AccessEvent) -> None:
    """Give `event` to Twisted's log, with its line already formatted: the logger's own
    formatting of as many fields took 18 % of the time of a small GET."""
    _log.info(
        "{line}",
        line=f"{event.request_id} {event.peer} {event.method} {event.path} {event.status} "
        f"{event.error_code or '-'} in={event.bytes_in} out={event.bytes_out} "
        f"ms={event.milliseconds:.1f}",
        event=event,
    )
