"""What the log says of a request that failed through no fault of its client's."""

from __future__ import annotations

from twisted.logger import Logger

from objectd.errors import DamagedBlob, DamagedRecord
from objectd.protocol.messages import HttpRequest

_log = Logger()


def log_failure(request: HttpRequest, error: Exception) -> None:
    """To be called where `error` is handled. Damaged data takes a line, which says all that
    there is to say; anything else has its traceback."""
    if isinstance(error, (DamagedBlob, DamagedRecord)):
        path = request.raw_path.decode("latin-1")
        _log.error("{id} {path}: {error}", id=request.request_id, path=path, error=error)
    else:
        _log.failure("Request {id} failed", id=request.request_id)
