"""A leaf in front of the tree, for the requests that a server spends its life with.

Klein and werkzeug take some 70 µs a request to find out that a path is none of the reserved
ones (a trivial GET, best runs on one core: 6,200 requests/s through the tree, 11,000/s by this
leaf; `contrib/bench/web.py`). The tree stays what defines the routing, and
`objectd.test.web.test_front` holds this leaf to it.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from objectd.web.application import Respond
from objectd.web.request import Request
from objectd.web.serving import serve
from objectd.web.tree import RESERVED_PREFIX

_METHODS = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE"})


class Front(Resource):
    """Serves what is certainly the application's itself, and leaves the rest to the tree."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, respond: Respond, tree: IResource) -> None:
        super().__init__()
        self._respond = respond
        self._tree = tree

    def render(self, request: IRequest) -> int:
        ours = cast(Request, request)
        if ours.method in _METHODS and not ours.path.startswith(RESERVED_PREFIX):
            self._serve(ours)
        else:
            self._tree.render(request)
        return NOT_DONE_YET

    def _serve(self, request: Request) -> None:
        """Let the coroutine run; it is cancelled when the client goes."""

        def failed(failure: Failure) -> None:
            request.processingFailed(failure)

        serving = Deferred.fromCoroutine(serve(request, self._respond))
        serving.addCallback(lambda _: request.finish())
        serving.addErrback(failed)
        if not serving.called:
            request.notifyFinish().addErrback(lambda _: serving.cancel())
