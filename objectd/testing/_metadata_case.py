"""What every test of the metadata conformance suite starts from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from objectd.interfaces import (
    Change,
    Commit,
    Expectation,
    Host,
    IMetadataStore,
    Row,
    Scan,
    Token,
)

OpenStore = Callable[[Host], Awaitable[IMetadataStore]]

TURN_SECONDS = 0.01
TURNS_MAX = 1000

_P = ParamSpec("_P")
_T = TypeVar("_T")


def run_at_once(function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Deferred[_T]:
    """A thread that is none: calls now, and the Deferred has fired on return."""
    return maybeDeferred(function, *args, **kwargs)


def make_host(directory: str) -> tuple[Host, Clock]:
    """Surroundings of a store in which nothing happens by itself."""
    path = Path(directory)
    path.mkdir()
    clock = Clock()
    return Host(data_directory=path, clock=clock, run_in_thread=run_at_once), clock


def result_of(clock: Clock, awaitable: Coroutine[Any, Any, _T]) -> _T:
    """What the coroutine returns or raises, while the clock goes on for as long as it takes."""
    results: list[_T | Failure] = []
    Deferred.fromCoroutine(awaitable).addBoth(results.append)
    for _ in range(TURNS_MAX):
        if results:
            break
        clock.advance(TURN_SECONDS)
    else:
        raise AssertionError(f"no result after {TURNS_MAX} turns of the clock")
    [result] = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


async def opened(open_store: OpenStore, host: Host) -> IMetadataStore:
    return await open_store(host)


class MetadataStoreTestCase(SynchronousTestCase):
    """One open store with one incarnation, and short ways to write to it and read it."""

    open_store: OpenStore

    def setUp(self) -> None:
        super().setUp()
        self.host, self.clock = make_host(self.mktemp())
        self.store = self.wait(opened(self.open_store, self.host))
        self.addCleanup(self.close)
        self.incarnation = self.wait(self.store.begin_incarnation())
        self.sequence = 0

    def close(self) -> None:
        self.wait(self.store.close())

    def wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return result_of(self.clock, coroutine)

    def next_token(self) -> Token:
        self.sequence += 1
        return Token(self.incarnation, self.sequence)

    def commit(self, *changes: Change, expect: Sequence[Expectation] = ()) -> int:
        """Apply the changes with a new token."""
        token = self.next_token()
        return self.wait(self.store.commit(Commit(token, 0, changes, tuple(expect))))

    def get(self, *keys: bytes) -> list[Row | None]:
        return self.wait(self.store.get(keys))

    def values(self, *keys: bytes) -> list[bytes | None]:
        return [row.value if row else None for row in self.get(*keys)]

    def stored_keys(self, start: bytes = b"", stop: bytes = b"\xff\xff") -> list[bytes]:
        """All keys in the range except those of incarnations."""
        page = self.wait(self.store.scan(Scan(start, stop, limit=1000)))
        self.assertFalse(page.more)
        return [entry.key for entry in page.entries if not entry.key.startswith(b"i")]
