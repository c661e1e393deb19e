"""The tree of resources: the application, and what is served beside it.

werkzeug's routing would redirect, merge slashes, decode and answer with HTML; the
application must be given every target as it came. So paths are routed undecoded (see
`TreeRequest`), and whatever is not one of the few reserved paths is the application's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from klein import Klein
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from werkzeug.routing import BaseConverter

from objectd.protocol.messages import HttpRequest, Response
from objectd.web.application import Application, RequestBody, Respond
from objectd.web.request import TreeRequest
from objectd.web.serving import Exchange

RESERVED_PREFIX = b"/-/"
"""What is under it may be served beside the application: '-' is no legal bucket name."""

_TEXT = ((b"content-type", b"text/plain; charset=utf-8"),)


class _AnyTarget(BaseConverter):
    """Matches everything that no other rule does."""

    regex = r"[\s\S]*"
    part_isolating = False
    weight = 1000


class Tree:
    """A tree of resources as the root of a site. Satisfies `objectd.web.site.Root`."""

    def __init__(self, resource: IResource) -> None:
        self._resource = resource

    def begin(self, exchange: Exchange) -> None:
        TreeRequest(exchange).begin(self._resource)


def build_tree(
    application: Application,
    *,
    ready: Callable[[], bool],
    names_bucket: Callable[[HttpRequest], bool] = lambda _: False,
) -> Tree:
    """The root of a `Site`.

    Health is under the reserved prefix, except where the host names a bucket and the path
    is a key; `names_bucket` tells.
    """
    app = Klein()
    # Before the first route: rules copy these.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    app.url_map.converters["any_target"] = _AnyTarget

    async def live(request: HttpRequest, body: RequestBody) -> Response:
        return Response(200, _TEXT, b"live\n")

    async def serving_is_possible(request: HttpRequest, body: RequestBody) -> Response:
        return Response(200, _TEXT, b"ready\n") if ready() else Response(503, _TEXT, b"not ready\n")

    async def answer(request: IRequest, respond: Respond) -> bytes:
        await cast(TreeRequest, request).exchange.run(respond)
        return b""

    async def answer_beside(request: IRequest, respond: Respond) -> bytes:
        is_key = names_bucket(cast(TreeRequest, request).exchange.head)
        return await answer(request, application.respond if is_key else respond)

    @app.route("/-/health/live")
    async def health_live(request: IRequest) -> bytes:
        return await answer_beside(request, live)

    @app.route("/-/health/ready")
    async def health_ready(request: IRequest) -> bytes:
        return await answer_beside(request, serving_is_possible)

    @app.route("/<any_target:_>")
    @app.route("/")
    async def s3(request: IRequest, _: str = "") -> bytes:
        return await answer(request, application.respond)

    return Tree(app.resource())
