"""Conversations with a server in a process of its own, over sockets, several at once."""

from __future__ import annotations

import errno
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from select import select
from threading import Lock

import attrs

from objectd.test.auth.signing import ACCESS_KEY, SECRET_KEY
from objectd.test.functional.server import BUCKET, Server
from objectd.test.fuzz.answers import NotAnswers, read_answers
from objectd.test.fuzz.conversations import Conversation, End, draw
from objectd.test.fuzz.dice import Dice
from objectd.test.fuzz.heads import Keys
from objectd.test.fuzz.judging import Fault, Tally, judge
from objectd.test.fuzz.requests import ANCHOR, BUCKETS, LOCKED, VAULT, Known, Requests

__all__ = ["fuzz_process"]

CLIENTS = 24
ANSWER_SECONDS_MAX = 30
"""Longer than all deadlines of one connection together, as they are configured here."""

SETTLING_SECONDS_MAX = 30

CONFIG = """
objects.part_bytes_min = 1
collection.interval_seconds = 0.2
deadlines.headers_seconds = 4
deadlines.idle_seconds = 4
deadlines.progress_window_seconds = 4
deadlines.drain_seconds = 1
"""

KEPT = {"kept": b"kept" * 100_000, "small": b"small"}
_CLOSED = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN)
_SIGN_OF_TROUBLE = re.compile(r"Traceback|Unhandled|CRITICAL|#critical|#error|Fatal|panic")


def fuzz_process(directory: Path, seed: str, *, seconds: float) -> Tally:
    """Raises `Fault`."""
    server = Server(directory, config=CONFIG)
    try:
        server.start()
        return _Fuzz(server, seed).run(seconds)
    finally:
        server.end()


class _Fuzz:
    def __init__(self, server: Server, seed: str) -> None:
        self._server = server
        self._seed = seed
        self._tally = Tally()
        self._known = Known()
        self._lock = Lock()
        self._client = server.client()
        for bucket in (*BUCKETS, LOCKED, VAULT):
            self._client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=bucket == LOCKED)
            self._client.put_object(Bucket=bucket, Key=ANCHOR)
        for key, data in KEPT.items():
            self._client.put_object(Bucket=VAULT, Key=key, Body=data)

    def run(self, seconds: float) -> Tally:
        self._check()
        files = len(self._server.open_files())
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(self._talk, n, until) for n in range(CLIENTS)]
            for client in clients:
                self._end(client)
        self._await_quiet(files)
        self._check()
        return self._tally

    def _end(self, client: Future[None]) -> None:
        try:
            client.result()
        except Fault as fault:
            raise Fault(f"{fault}\n{self._trouble()}") from fault

    def _talk(self, client: int, until: float) -> None:
        number = 0
        while time.monotonic() < until:
            dice = Dice(f"{self._seed}/{client}/{number}")
            with self._lock:
                requests = Requests(dice, Keys(ACCESS_KEY, SECRET_KEY), self._known)
                conversation = draw(dice, requests)
            if not conversation.certain and dice.happens(0.9):
                # Otherwise most of the time would go by waiting for deadlines.
                conversation = attrs.evolve(conversation, end=End.FINISHES)
            self._have(conversation, reset=dice.happens(0.5))
            number += 1

    def _have(self, conversation: Conversation, *, reset: bool) -> None:
        stays = conversation.end is not End.GOES and conversation.sent_bytes_max is None
        with socket.create_connection(self._server.address, ANSWER_SECONDS_MAX) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            received = bytearray()
            whole = _send(connection, conversation, received) and stays
            if stays:
                whole = _receive(connection, conversation, received) and whole
            elif reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        with self._lock:
            judge(conversation, bytes(received), self._tally, self._known, whole=whole)

    def _await_quiet(self, files: int) -> None:
        """Returns when the server has no more descriptors than before, nor files of uploads."""
        self._await(lambda: len(self._server.open_files()) <= files, "descriptors are left")
        self._await(
            lambda: not [p for p in self._server.blob_files() if "incoming" in p.parts],
            "files of uploads are left",
        )

    def _await(self, condition: Callable[[], bool], message: str) -> None:
        until = time.monotonic() + SETTLING_SECONDS_MAX
        while not condition():
            if time.monotonic() > until:
                raise Fault(f"{message}: {sorted(self._server.open_files())}")
            self._client.head_bucket(Bucket=BUCKET)

    def _check(self) -> None:
        """The process lives, answers rightly and has logged no trouble."""
        if self._server.process.poll() is not None:
            raise Fault(f"the server ended with {self._server.process.returncode}")
        listed = self._client.list_objects_v2(Bucket=VAULT).get("Contents", [])
        if {found["Key"] for found in listed} != {ANCHOR, *KEPT}:
            raise Fault(f"the vault holds {[found['Key'] for found in listed]}")
        for key, data in KEPT.items():
            if self._client.get_object(Bucket=VAULT, Key=key)["Body"].read() != data:
                raise Fault(f"{key} has changed in the vault")
        if trouble := self._trouble():
            raise Fault(f"logged: {trouble}")

    def _trouble(self) -> str:
        log = self._server.logged()
        found = _SIGN_OF_TROUBLE.search(log)
        return log[max(0, found.start() - 1000) : found.start() + 4000] if found else ""


def _send(connection: socket.socket, conversation: Conversation, received: bytearray) -> bool:
    """Whether all of it went out; a server that has closed need not take more. What it answers
    meanwhile is read, so that neither waits for the other."""
    try:
        for piece in conversation.pieces():
            _send_piece(connection, piece, received)
        if conversation.end is End.FINISHES:
            connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
        return False
    return True


def _send_piece(connection: socket.socket, piece: bytes, received: bytearray) -> None:
    left = memoryview(piece)
    while left:
        readable, writable, _ = select([connection], [connection], [], ANSWER_SECONDS_MAX)
        if readable:
            data = connection.recv(1 << 16)
            received += data
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "the server has closed")
        if writable:
            left = left[connection.send(left) :]
        if not (readable or writable):
            raise Fault("the server neither reads nor closes the connection")


def _receive(connection: socket.socket, conversation: Conversation, received: bytearray) -> bool:
    """Read until there are as many answers as there can be, or the server closes. Whether
    these are all of them: a connection that is reset may lose some."""
    connection.settimeout(ANSWER_SECONDS_MAX)
    while not _answered(conversation, bytes(received)):
        try:
            data = connection.recv(1 << 16)
        except ConnectionResetError:
            return False
        except TimeoutError:
            raise Fault("the server hangs", conversation) from None
        if not data:
            return True
        received += data
    return True


def _answered(conversation: Conversation, received: bytes) -> bool:
    """Only where it is certain how many answers there are to be."""
    if not conversation.certain:
        return False
    heads = sum(sent.method == "HEAD" for sent in conversation.requests)
    try:
        answers = read_answers(received, heads_max=heads)
    except NotAnswers:
        return False
    final = [answer for answer in answers if not answer.interim]
    # A head that came alone may be that of a GET whose body is still on its way.
    return len(final) == len(conversation.requests) and not any(
        answer.bodiless and sent.method != "HEAD"
        for answer, sent in zip(final, conversation.requests, strict=True)
    )
