"""The access log: one structured event for each request, after its end."""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from objectd.web.application import AccessEvent

_log = Logger(namespace="objectd.access")


def log_access(event: AccessEvent) -> None:
    """Give `event` to Twisted's log with its attributes as fields of the same names."""
    _log.info(
        "{request_id} {peer} {method} {path} {status} {error_code} "
        "in={bytes_in} out={bytes_out} ms={milliseconds:.1f}",
        **attrs.asdict(event),
    )
