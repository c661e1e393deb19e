"""How a provider is found and opened, and what it is given of its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Attribute, Interface

_P = ParamSpec("_P")
_T = TypeVar("_T")


class RunInThread(Protocol):
    """Run a blocking call in a thread; the Deferred fires on the reactor thread.

    Tests pass one that calls at once. Cancelling the Deferred does not stop the call.
    """

    def __call__(
        self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> Deferred[_T]: ...


@runtime_checkable
class HasLines(Protocol):
    """What a `RunInThread` may be besides: the server's own is, those of tests need not be."""

    def line(self) -> RunInThread:
        """One that makes one call after the other, in the order in which they were asked for,
        without a turn of the reactor between them."""


@attrs.frozen
class Host:
    """What a provider is given of its surroundings when it is opened.

    `announce` shows lines once to the person who starts the server; they are never logged.
    """

    data_directory: Path
    clock: IReactorTime
    run_in_thread: RunInThread
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    announce: Callable[[str], object] = lambda line: None
    on_failure: Callable[[Exception], None] = lambda error: None
    """Called once by a store that cannot go on (a failed sync): the service then ends the
    process, so that the next one recovers."""
    joins: bool = False
    """Whether another process of this server has what is opened for itself, and this one works
    beside it: then nothing is locked, marked or tidied up, for that is done."""


class IProvider(Interface):
    """A Twisted plugin that opens one provider of one kind. Light: it imports nothing heavy."""

    kind: str = Attribute("'metadata', 'blobs', 'credentials', 'tls' or 'keys'.")
    name: str = Attribute("What the configuration calls it, e.g. 'rocksdb'.")
    help: str = Attribute("One line for `objectd providers`.")

    def settings_type() -> type[Any]:
        """The frozen attrs class that the provider's section of the configuration is
        checked against. May import the implementation; what the import raises stops the
        start of the server with that very error."""

    async def open(settings: Any, host: Host) -> Any:
        """Open the store (or what the kind calls for), ready for use.

        `settings` is an instance of `settings_type()`. May block while it recovers. Raises
        `FormatUnsupported` before it touches anything that a newer version wrote, and
        `StoreFailed` with what an operator should do.
        """
