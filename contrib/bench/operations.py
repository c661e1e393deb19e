"""What requests cost above the stores and below HTTP: microseconds of CPU for each operation,
through `S3Application.respond` on stores in memory, without a socket.

    python contrib/bench/operations.py [--way long] [--profile NAME] [NAME ...]

Each figure is the best of several rounds of some hundred different requests, signed in their
headers as SDKs do, or (`-url`) in the query. `auth` is `authenticate` alone. `--way long` goes
around the hot leaf. `metadata` is the part of a PUT, a DELETE or a GET that is the store in
memory itself: the same calls of its `get` and `commit` once more.
"""

from __future__ import annotations

import argparse
import base64
import cProfile
import pstats
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from hashlib import sha256
from typing import Any

from msgspec import structs
from twisted.internet.task import Clock

from objectd.auth.authenticate import authenticate
from objectd.auth.root import RootCredentials
from objectd.auth.signing import KeyPair, presigned, signed
from objectd.interfaces import ROOT_ACCOUNT, Credential
from objectd.objects import ObjectStore, open_in_memory
from objectd.objects.opening import run_at_once
from objectd.objects.store import wall_clock_us
from objectd.protocol.messages import HttpRequest, Response
from objectd.protocol.model import load_s3_model
from objectd.s3.application import S3Application, S3Settings

KEYS = 300
BODY = bytes(range(256)) * 16
CRC32 = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big"))
PAIR = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
UNSIGNED = "UNSIGNED-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHUNKED = b"1000\r\n%b\r\n0\r\nx-amz-checksum-crc32:%b\r\n\r\n" % (BODY, CRC32)

CHANGING = ("get-new", "delete", "delete-url")
"""Operations that need fresh objects in every round; the others find the same ones again,
whose records are known."""

_CLIENT = (
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux#6.1 md/arch#x86_64"),
    (b"amz-sdk-invocation-id", b"6ab7c0ad-5a35-4d76-8a1c-3a14a6c1f0b7"),
    (b"amz-sdk-request", b"attempt=1"),
)
"""What boto3 sends along and does not sign."""


class Body:
    """A body that is there already."""

    def __init__(self, data: bytes) -> None:
        self.length: int | None = len(data)
        self._data: bytes = data

    def whole(self) -> bytes | None:
        data, self._data = self._data, b""
        return data

    async def read(self) -> bytes:
        data, self._data = self._data, b""
        return data

    def close(self) -> None:
        """Nothing is held."""


Requests = list[tuple[HttpRequest, bytes]]


def by_header(
    method: str,
    target: str,
    body: bytes = b"",
    payload: str = "",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> HttpRequest:
    fields = [(b"host", b"127.0.0.1:9000"), *headers]
    if method == "PUT":
        fields.append((b"content-type", b"binary/octet-stream"))
    request = signed(
        HttpRequest(method, target.encode(), tuple(fields), request_id="0123456789ABCDEF"),
        PAIR,
        payload=payload or sha256(body).hexdigest(),
        region="us-east-1",
        now_us=wall_clock_us(),
    )
    length = ((b"content-length", b"%d" % len(body)),) if method == "PUT" else ()
    return structs.replace(request, headers=(*request.headers, *length, *_CLIENT))


def by_url(method: str, target: str, body: bytes = b"") -> HttpRequest:
    length = ((b"content-length", b"%d" % len(body)),) if method == "PUT" else ()
    request = presigned(
        HttpRequest(
            method, target.encode(), ((b"host", b"127.0.0.1:9000"),), request_id="0123456789ABCDEF"
        ),
        PAIR,
        region="us-east-1",
        now_us=wall_clock_us(),
        expires_seconds=3600,
    )
    return structs.replace(request, headers=(*request.headers, *length))


def targets(prefix: str) -> list[str]:
    return [f"/bucket/{prefix}/{i:06d}" for i in range(KEYS)]


def operations() -> dict[str, Requests]:
    crc = [(b"x-amz-checksum-crc32", CRC32), (b"x-amz-sdk-checksum-algorithm", b"CRC32")]
    trailer = [
        (b"x-amz-trailer", b"x-amz-checksum-crc32"),
        (b"x-amz-decoded-content-length", b"4096"),
        (b"x-amz-sdk-checksum-algorithm", b"CRC32"),
        (b"content-encoding", b"aws-chunked"),
    ]
    listing = "/bucket/?delimiter=%2F&encoding-type=url&list-type=2&max-keys=2&prefix="
    return {
        "get": [(by_header("GET", t), b"") for t in targets("o")],
        "get-new": [(by_header("GET", t), b"") for t in targets("o")],
        "get-url": [(by_url("GET", t), b"") for t in targets("o")],
        "head": [(by_header("HEAD", t), b"") for t in targets("o")],
        "put": [(by_header("PUT", t, BODY, UNSIGNED), BODY) for t in targets("p")],
        "put-url": [(by_url("PUT", t, BODY), BODY) for t in targets("p")],
        "put-signed": [(by_header("PUT", t, BODY, headers=crc), BODY) for t in targets("p")],
        "put-trailer": [
            (by_header("PUT", t, CHUNKED, TRAILER, trailer), CHUNKED) for t in targets("p")
        ],
        "list-2": [(by_header("GET", listing), b"")] * KEYS,
        "delete": [(by_header("DELETE", t), b"") for t in targets("p")],
        "delete-url": [(by_url("DELETE", t), b"") for t in targets("p")],
    }


def finished(work: Coroutine[Any, Any, Any] | Any) -> Any:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def best_us(rounds: Iterator[Callable[[], int]]) -> float:
    """The least time of a round, divided by how many requests it says to have made."""
    best = float("inf")
    for run in rounds:
        began = time.process_time_ns()
        count = run()
        best = min(best, (time.process_time_ns() - began) / count)
    return best / 1000


class Bench:
    def __init__(self, way: str, rounds: int) -> None:
        self.credentials = RootCredentials(
            Credential(PAIR.access_key, PAIR.secret_key, ROOT_ACCOUNT)
        )
        self.store: ObjectStore = self.opened()
        self.application = S3Application(
            self.store,
            self.credentials,
            load_s3_model(),
            clock=Clock(),
            now_us=wall_clock_us,
            run_in_thread=run_at_once,
            settings=S3Settings(),
        )
        self.rounds = rounds
        self.respond: Callable[[HttpRequest, Any], Awaitable[Response]] = self.application.respond
        if way == "long":
            self.respond = self.application.respond_at_length
        self.all = operations()
        finished(self.store.buckets.create("bucket"))

    def opened(self) -> ObjectStore:
        store: ObjectStore = finished(open_in_memory())
        return store

    def fill(self, name: str) -> None:
        """Have there what a round needs."""
        prefix = "p" if name.startswith(("put", "delete")) else "o"
        for i in range(KEYS):
            finished(self.store.objects.put("bucket", f"{prefix}/{i:06d}", BODY))

    def ready(self, requests: Requests) -> Callable[[], int]:
        """What carries them out, when it is called."""
        return lambda: self.run(requests)

    def run(self, requests: Requests) -> int:
        bodies = [(request, Body(body)) for request, body in requests]
        respond = self.respond
        for request, body in bodies:
            status = finished(respond(request, body)).status
            assert status in (200, 204), status
        return len(requests)

    def measure(self, name: str) -> float:
        requests = self.all[name]

        def rounds() -> Iterator[Callable[[], int]]:
            self.fill(name)
            self.run(requests)
            for _ in range(self.rounds):
                if name in CHANGING:
                    self.fill(name)
                yield lambda: self.run(requests)

        return best_us(rounds())

    def authentication(self, name: str) -> float:
        requests = self.all[name]

        def run() -> int:
            for request, _ in requests:
                finished(authenticate(request, self.credentials, now_us=wall_clock_us()))
            return len(requests)

        return best_us(iter([run] * self.rounds))

    def in_store(self, name: str) -> float:
        """What the metadata store itself takes of an operation: its time inside."""
        metadata = self.store.core.metadata
        spent = 0

        def timed(function: Callable[..., Any]) -> Callable[..., Any]:
            async def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal spent
                began = time.perf_counter_ns()
                try:
                    return await function(*args, **kwargs)
                finally:
                    spent += time.perf_counter_ns() - began

            return call

        self.fill(name)
        best = float("inf")
        kept = {n: getattr(metadata, n) for n in ("get", "commit", "scan")}
        for _ in range(self.rounds):
            if name in CHANGING:
                self.fill(name)
            for n, function in kept.items():
                setattr(metadata, n, timed(function))
            spent = 0
            count = self.run(self.all[name])
            best = min(best, spent / count)
            for n in kept:
                delattr(metadata, n)
        return best / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--way", choices=("hot", "long"), default="hot")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--profile", metavar="NAME")
    options = parser.parse_args()
    bench = Bench(options.way, options.rounds)
    if options.profile:
        bench.fill(options.profile)
        bench.run(bench.all[options.profile])
        bench.fill(options.profile)
        profile = cProfile.Profile()
        profile.runcall(bench.run, bench.all[options.profile])
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        return
    print(f"{'operation':<12}{'auth':>8}{'metadata':>10}{'respond':>10}   us of CPU a request")
    for name in options.names or bench.all:
        auth, inside, whole = (
            bench.authentication(name),
            bench.in_store(name),
            bench.measure(name),
        )
        print(f"{name:<12}{auth:8.1f}{inside:10.1f}{whole:10.1f}", flush=True)


if __name__ == "__main__":
    main()
