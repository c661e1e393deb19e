"""The language of the metadata owner's socket: frames of msgpack, requests and answers.

A frame is length (4 bytes, big-endian) ‖ request id (8) ‖ msgpack. The client chooses the
ids; answers carry the id of their request and come in any order. What is told and not asked
has the id `TOLD`. Both ends are of one version, started by one supervisor, so that nothing
here is negotiated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from objectd import errors
from objectd.errors import (
    Conflict,
    CounterLimitReached,
    DamagedRecord,
    Fenced,
    ObjectdError,
    TokenReused,
)
from objectd.interfaces import Commit, Expectation, Outcome, Row, Scan, ScanPage, Token

FRAME_BYTES_MAX = 64 << 20
"""Far above the largest commit and page: only a `get` of very many large rows is longer."""

IN_FLIGHT_MAX = 1024
"""Requests of one connection that are not answered yet."""

TOLD = 0
"""The id of frames that have no answer, in both directions."""

_HEAD = struct.Struct(">IQ")
_ID_BYTES = 8


class _Message(msgspec.Struct, frozen=True, array_like=True, tag_field="type", gc=False):
    pass


class BeginIncarnation(_Message, frozen=True, tag="begin"):
    above: int


class Fence(_Message, frozen=True, tag="fence"):
    incarnations: tuple[int, ...]


class Get(_Message, frozen=True, tag="get"):
    keys: tuple[bytes, ...]


class Scans(_Message, frozen=True, tag="scans"):
    scans: tuple[Scan, ...]


class Apply(_Message, frozen=True, tag="commit"):
    commit: Commit


class AskOutcome(_Message, frozen=True, tag="outcome"):
    token: Token


class Hello(_Message, frozen=True, tag="hello"):
    """Told first, by a process that reads and writes under this incarnation."""

    incarnation: int


class EpochOver(_Message, frozen=True, tag="over"):
    """Told: all reads have ended that had begun when `Epoch` came."""

    number: int


Request = BeginIncarnation | Fence | Get | Scan | Scans | Apply | AskOutcome
Told = Hello | EpochOver


class Epoch(_Message, frozen=True, tag="epoch"):
    """Told by the owner: it waits for `EpochOver` with the same number."""

    number: int


class Committed(_Message, frozen=True, tag="committed"):
    """Told by the owner: the commits with these request ids were carried out, and have these
    revisions."""

    revisions: dict[int, int]


class Number(_Message, frozen=True, tag="number"):
    """An incarnation or a revision."""

    number: int


class Done(_Message, frozen=True, tag="done"):
    pass


class Rows(_Message, frozen=True, tag="rows"):
    rows: list[Row | None]


class Page(_Message, frozen=True, tag="page"):
    page: ScanPage


class Pages(_Message, frozen=True, tag="pages"):
    pages: list[ScanPage]


class Became(_Message, frozen=True, tag="became"):
    outcome: Outcome


class Failed(_Message, frozen=True, tag="failed"):
    """An error that is all in its class and message."""

    error: str
    message: str


class FailedConflict(_Message, frozen=True, tag="conflict"):
    failed: tuple[tuple[Expectation, bytes, Row | None], ...]
    rows: dict[bytes, Row | None]


class FailedCounter(_Message, frozen=True, tag="counter"):
    key: bytes
    value: str  # in decimal: a sum may need more than the 64 bits of msgpack
    at_most: int


class FailedFence(_Message, frozen=True, tag="fenced"):
    incarnation: int


class FailedToken(_Message, frozen=True, tag="token"):
    token: Token


class FailedRecord(_Message, frozen=True, tag="damaged"):
    what: str
    message: str


Failure = Failed | FailedConflict | FailedCounter | FailedFence | FailedToken | FailedRecord
Answer = Number | Done | Rows | Page | Pages | Became | Failure

_PLAIN_ERRORS: dict[str, type[ObjectdError]] = {
    error.__name__: error
    for error in (
        errors.AnswerLost,
        errors.CommitInvalid,
        errors.StoreBusy,
        errors.StoreFailed,
        errors.StoreFull,
    )
}

encode_message = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request | Told).decode
decode_answer = msgspec.msgpack.Decoder(Answer | Committed | Epoch).decode


def frame(request_id: int, message: bytes) -> bytes:
    return _HEAD.pack(_ID_BYTES + len(message), request_id) + message


class FrameTooLong(Exception):
    """The other end sends what nobody would send: drop the connection."""


class FrameReader:
    """Cuts a stream of bytes into (request id, message)."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._missing = 0
        """Of the frame that the pieces begin; or 0, if not even its head is there."""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The messages that are complete now; raises `FrameTooLong` at a length over
        `FRAME_BYTES_MAX`."""
        if self._pieces:
            self._pieces.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
        start, size, missing = 0, len(data), 0
        while size - start >= _HEAD.size:
            length, request_id = _HEAD.unpack_from(data, start)
            if not _ID_BYTES <= length <= FRAME_BYTES_MAX:
                raise FrameTooLong(length)
            end = start + _HEAD.size - _ID_BYTES + length
            if size < end:
                missing = end - size
                break
            yield request_id, data[start + _HEAD.size : end]
            start = end
        if start < size:
            self._pieces.append(data[start:])
        self._missing = missing


def from_error(error: Exception) -> Failure:
    """What tells the other end of an error of a store. One that no contract names leaves the
    asker as uncertain as a lost answer would."""
    match error:
        case Conflict():
            return FailedConflict(error.failed, dict(error.rows))
        case CounterLimitReached():
            return FailedCounter(error.key, str(error.value), error.at_most)
        case Fenced():
            return FailedFence(error.incarnation)
        case TokenReused():
            return FailedToken(error.token)
        case DamagedRecord():
            return FailedRecord(error.what, str(error))
    name = type(error).__name__
    return Failed(name if name in _PLAIN_ERRORS else errors.AnswerLost.__name__, str(error))


def to_error(failure: Failure) -> ObjectdError:
    """The error, as the store raised it."""
    match failure:
        case FailedConflict():
            return Conflict(failure.failed, failure.rows)
        case FailedCounter():
            return CounterLimitReached(failure.key, int(failure.value), failure.at_most)
        case FailedFence():
            return Fenced(failure.incarnation)
        case FailedToken():
            return TokenReused(failure.token)
        case FailedRecord():
            return DamagedRecord(failure.what, failure.message)
        case Failed():
            return _PLAIN_ERRORS[failure.error](failure.message)
