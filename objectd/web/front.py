"""A leaf in front of the tree, for the requests that a server spends its life with.

Klein and werkzeug take some 70 µs a request to find out that a path is none of the reserved
ones (`contrib/bench/web.py` has both). The tree stays what defines the routing, and
`objectd.test.web.test_front` holds this leaf to it.
"""

from __future__ import annotations

from objectd.web.application import Respond
from objectd.web.serving import Exchange
from objectd.web.tree import RESERVED_PREFIX, Tree

_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})


class Front:
    """Serves what is certainly the application's itself, and leaves the rest to the tree.
    Satisfies `objectd.web.site.Root`."""

    def __init__(self, respond: Respond, tree: Tree) -> None:
        self._respond = respond
        self._tree = tree

    def begin(self, exchange: Exchange) -> None:
        head = exchange.head
        if head.method in _METHODS and not head.target.startswith(RESERVED_PREFIX):
            exchange.serve(self._respond)
        else:
            self._tree.begin(exchange)
