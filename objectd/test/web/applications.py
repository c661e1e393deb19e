"""Applications to serve in tests."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from objectd.errors import IncompleteBody
from objectd.protocol.messages import HttpRequest, Response
from objectd.streams import read_all
from objectd.web.application import RefusalCode, RequestBody, Respond

MIB = 1 << 20

STATUSES = {
    RefusalCode.BAD_REQUEST: 400,
    RefusalCode.URI_TOO_LONG: 414,
    RefusalCode.HEADERS_TOO_LARGE: 431,
    RefusalCode.REQUEST_TIMEOUT: 408,
    RefusalCode.INCOMPLETE_BODY: 400,
    RefusalCode.SLOW_DOWN: 503,
    RefusalCode.INTERNAL_ERROR: 500,
}


class Scripted:
    """Answers as the function it is made of, and remembers what it was asked."""

    def __init__(self, answer: Respond) -> None:
        self._answer = answer
        self.requests: list[HttpRequest] = []

    async def respond(self, request: HttpRequest, body: RequestBody) -> Response:
        self.requests.append(request)
        return await self._answer(request, body)

    def refuse(self, request_id: str, code: RefusalCode, message: str) -> Response:
        return Response(STATUSES[code], (), f"{code.value} {request_id}".encode())


async def echo(request: HttpRequest, body: RequestBody) -> Response:
    """Answer with method, target and body."""
    data = await read_all(body, 64 * MIB)
    return Response(200, (), b"%s %s %s" % (request.method.encode(), request.target, data))


async def deny(request: HttpRequest, body: RequestBody) -> Response:
    """Answer without reading the body."""
    return Response(403, (), b"no", error_code="AccessDenied")


class Held:
    """An answer that waits until the test releases it."""

    def __init__(self) -> None:
        self.cancelled = 0
        self._waiting: list[Deferred[Response]] = []

    async def __call__(self, request: HttpRequest, body: RequestBody) -> Response:
        waiting: Deferred[Response] = Deferred(lambda _: self._cancel())
        self._waiting.append(waiting)
        return await waiting

    def _cancel(self) -> None:
        self.cancelled += 1

    def release(self, response: Response) -> None:
        self._waiting.pop(0).callback(response)


class Reader:
    """An answer that reads its body one piece each time the test asks for it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.failure: IncompleteBody | None = None
        self._next: list[Deferred[None]] = []
        self._allowed = 0

    async def __call__(self, request: HttpRequest, body: RequestBody) -> Response:
        try:
            while True:
                await self._permission()
                piece = await body.read()
                if not piece:
                    return Response(200, (), b"%d" % sum(map(len, self.pieces)))
                self.pieces.append(piece)
        except IncompleteBody as failure:
            self.failure = failure
            raise

    async def _permission(self) -> None:
        if self._allowed == 0:
            asked: Deferred[None] = Deferred()
            self._next.append(asked)
            await asked
        self._allowed -= 1

    def read(self, times: int = 1) -> None:
        """Let the application call `read` so many times more."""
        self._allowed += times
        if self._next:
            self._next.pop().callback(None)


class Pieces:
    """A response's stream of given pieces; an exception among them is raised."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = list(pieces)
        self.reads = 0
        self.closed = False

    async def read(self) -> bytes:
        self.reads += 1
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True


def streams(bodies: Sequence[Pieces], length: int) -> Respond:
    """An answer that has the next of `bodies` as its body, the last one over and over."""
    remaining = list(bodies)

    async def answer(request: HttpRequest, body: RequestBody) -> Response:
        stream = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return Response(200, (), stream, length)

    return answer


def get(target: str = "/", *headers: str, method: str = "GET") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: s3", *headers, "", ""]).encode()


def put(data: bytes, *headers: str, length: int | None = None, target: str = "/b/k") -> bytes:
    """A request with a body, or with the beginning of one of `length` bytes."""
    size = len(data) if length is None else length
    return get(target, f"Content-Length: {size}", *headers, method="PUT") + data


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    """A request with a chunked body."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = get("/b/k", "Transfer-Encoding: chunked", method="PUT")
    return head + body + (b"0\r\n\r\n" if end else b"")
