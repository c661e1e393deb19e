"""Going on past a damaged record: it costs what it describes, and nothing else."""

from __future__ import annotations

from typing import TypeVar

from twisted.logger import Logger

from objectd.errors import DamagedRecord
from objectd.model.codec import decode
from objectd.model.records import Record

_R = TypeVar("_R", bound=Record)
_log = Logger()


def decoded(record_type: type[_R], key: bytes, value: bytes | None) -> _R | None:
    """The record, or None, and an error in the log, for one that is damaged."""
    try:
        return decode(record_type, value or b"")
    except DamagedRecord as error:
        _log.error("{key!r}: {error}; what it led to is out of reach", key=key, error=error)
        return None
