"""The turns of a reactor, for what is better done once in each of them."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import Interface


class ITurns(Interface):
    """A reactor that tells when a turn is over: everything that could be read was read, and all
    calls that were due were made."""

    def at_end_of_turn(call: Callable[[], object]) -> None:
        """Call this once, before the reactor looks for events again, and waits for some."""
