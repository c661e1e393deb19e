"""What the web layer costs: a trivial application on 127.0.0.1:9100, to be measured with

    python contrib/bench/web.py front       # or: tree, stock
    wrk -t1 -c32 -d10 http://127.0.0.1:9100/4k
    curl -o /dev/null http://127.0.0.1:9100/zeros/1073741824
    curl -T big-file http://127.0.0.1:9100/b/k

CPU a request is what `/proc/PID/stat` gained, by the requests that wrk counted. `stock` is a
leaf resource on Twisted's own site. With two more arguments, a certificate and
a key in PEM files, it is TLS.
"""

from __future__ import annotations

import sys
from itertools import count
from time import time

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site as StockSite

from objectd.protocol.messages import HttpRequest, Response
from objectd.web.application import RefusalCode, RequestBody
from objectd.web.front import Front
from objectd.web.limits import PIECE_BYTES_MAX, Deadlines, Limits
from objectd.web.server import WebServer
from objectd.web.site import Site
from objectd.web.tls import PemContexts, Settings
from objectd.web.tree import build_tree

_PIECE = bytes(PIECE_BYTES_MAX)


class Zeros:
    def __init__(self, size_bytes: int) -> None:
        self._remaining_bytes = size_bytes

    async def read(self) -> bytes:
        size_bytes = min(self._remaining_bytes, PIECE_BYTES_MAX)
        self._remaining_bytes -= size_bytes
        return _PIECE if size_bytes == PIECE_BYTES_MAX else _PIECE[:size_bytes]

    def close(self) -> None:
        self._remaining_bytes = 0


class Trivial:
    async def respond(self, request: HttpRequest, body: RequestBody) -> Response:
        if request.target.startswith(b"/zeros/"):
            size_bytes = int(request.target[len(b"/zeros/") :])
            return Response(200, (), Zeros(size_bytes), size_bytes)
        if request.target == b"/4k":
            return Response(200, ((b"content-type", b"text/plain"),), _PIECE[:4096])
        size_bytes = 0
        while piece := await body.read():
            size_bytes += len(piece)
        return Response(200, ((b"content-type", b"text/plain"),), b"%5d" % size_bytes)

    def refuse(self, request_id: str, code: RefusalCode, message: str) -> Response:
        return Response(400, (), message.encode())


class StockLeaf(Resource):
    isLeaf = True  # noqa: N815 - Twisted's name

    def render_GET(self, request: object) -> bytes:  # noqa: N802
        return b"hello"


def serve(root: str, *pem_files: str) -> None:
    if root == "stock":
        site = StockSite(StockLeaf())
        site.log = lambda request: None
        reactor.listenTCP(9100, site, interface="127.0.0.1")
    else:
        application = Trivial()
        tree = build_tree(application, ready=lambda: True)
        numbers = count(1)
        site = Site(
            Front(application.respond, tree) if root == "front" else tree,
            application,
            clock=reactor,
            now=time,
            new_request_id=lambda: f"{next(numbers):016X}",
            log_request=lambda event: None,
            limits=Limits(),
            deadlines=Deadlines(),
        )
        tls = PemContexts(Settings(*pem_files)) if pem_files else None
        WebServer(reactor, site).listen("127.0.0.1:9100", tls)
    reactor.run()


if __name__ == "__main__":
    serve(*sys.argv[1:])
