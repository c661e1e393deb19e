"""A client and a server in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute, fail, maybeDeferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from objectd.auth.signing import KeyPair
from objectd.client.address import Endpoint
from objectd.client.client import Client
from objectd.client.multipart import Transfer
from objectd.client.retrying import Patience
from objectd.objects.store import wall_clock_us
from objectd.protocol.messages import HttpRequest, Response
from objectd.protocol.model import load_s3_model
from objectd.testing.agent import MemoryAgent
from objectd.testing.http import memory_site
from objectd.testing.s3 import ACCESS_KEY, HOST, SECRET_KEY, MemoryServer
from objectd.web.application import RequestBody
from objectd.web.site import Site

__all__ = [
    "BUCKET",
    "KEY_PAIR",
    "Disturbed",
    "Losing",
    "at_once",
    "client_of",
    "disturbed_site",
    "transfer",
]

MODEL = load_s3_model()
KEY_PAIR = KeyPair(ACCESS_KEY, SECRET_KEY)
BUCKET = "photos"

_T = TypeVar("_T")


def at_once(function: Callable[[], _T], /) -> Awaitable[_T]:
    """What stands for a thread."""
    return execute(function)


def transfer(**options: Any) -> Transfer:
    return Transfer(at_once, **options)


def client_of(
    site: Site | MemoryServer,
    *,
    agent: IAgent | None = None,
    clock: Clock | None = None,
    secure: bool = False,
    authority: str = HOST,
    key_pair: KeyPair = KEY_PAIR,
    region: str = "us-east-1",
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> Client:
    """A client that speaks to a server in memory, or to it through another agent."""
    site = site.site if isinstance(site, MemoryServer) else site
    return Client(
        Endpoint("https" if secure else "http", authority),
        key_pair,
        model=MODEL,
        agent=agent or MemoryAgent(site),
        clock=clock or Clock(),
        now_us=wall_clock_us,
        random=Random(1),
        region=region,
        patience=patience,
    )


class Disturbed:
    """A server's application, in front of which some answers are given by a script: a
    `Response`, or None to let the server answer. After the script it always does."""

    def __init__(self, server: MemoryServer, script: Iterable[Response | None] = ()) -> None:
        self.server = server
        self.script = list(script)
        self.requests: list[HttpRequest] = []
        self.refuse = server.application.refuse

    async def respond(self, request: HttpRequest, body: RequestBody) -> Response:
        self.requests.append(request)
        scripted = self.script.pop(0) if self.script else None
        return scripted or await self.server.application.respond(request, body)


def disturbed_site(application: Disturbed) -> Site:
    return memory_site(application)


@implementer(IAgent)
class Losing:
    """An agent whose first so many answers are lost on the way, after the server gave them."""

    def __init__(self, agent: IAgent, lost: int) -> None:
        self._agent = agent
        self._lost = lost
        self.requests = 0

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        self.requests += 1
        answer = maybeDeferred(self._agent.request, method, uri, headers, bodyProducer)
        if self.requests > self._lost:
            return answer
        return answer.addCallback(
            lambda _: fail(ResponseNeverReceived([Failure(ConnectionLost())]))
        )
