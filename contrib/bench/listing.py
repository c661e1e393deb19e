"""What a page of a listing costs: milliseconds of CPU for each stage of ListObjectsV2.

    python contrib/bench/listing.py [--objects 300000] [--rounds 30] [--profile PAGE]
    python contrib/bench/listing.py --deleted 500000

A page of 1,000 out of a bucket of many keys, as boto3 asks for it (encoding-type=url), on rows
in memory and in RocksDB. `keys` is a page of objects from the middle of the bucket, `roll-up`
one of 1,000 common prefixes with 100 keys each, `odd` one of keys that must be encoded. The
stages, each the best of several rounds:

- scan: the rows, in the process that has them;
- socket: to write that page as a frame and to read it, in two processes;
- page: to check and decode what the rows say of their objects;
- answer: the document, with authentication and all else above the object store.

With --deleted, what a page takes that lies behind so many objects that have just been deleted,
by the thousand as clients do, and how long others wait meanwhile, who read an object every
2 ms. In one process, with RocksDB and files.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import pstats
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater, react

from objectd.auth.root import RootCredentials
from objectd.auth.signing import KeyPair, signed
from objectd.blobs.memory import MemoryBlobs
from objectd.interfaces import (
    ROOT_ACCOUNT,
    Commit,
    Credential,
    Host,
    IMetadataStore,
    Put,
    Scan,
    Token,
)
from objectd.metadata import frames, rocksdb
from objectd.metadata.memory import MemoryMetadata
from objectd.model import keys
from objectd.model.codec import OBJECT_HEAD_BYTES_MAX, encode_object
from objectd.model.records import Checksum, Headers, InRow, ObjectHead, ObjectTail
from objectd.objects import ObjectStore, open_directory
from objectd.objects.loading import SmallObject
from objectd.objects.opening import run_at_once
from objectd.objects.store import open_store, wall_clock_us
from objectd.process.running import spare_collections
from objectd.protocol.messages import HttpRequest
from objectd.protocol.model import load_s3_model
from objectd.s3.application import S3Application, S3Settings

PAIR = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
BUCKET = "bucket"
KEYS_A_PREFIX = 100
ROWS_A_COMMIT = 5_000
DELETED_AT_ONCE = 1_000
LEFT = 5_000
PAGES_BEHIND = 8
READ_SECONDS = 0.002
TAIL = ObjectTail(
    InRow(), Headers(content_type="binary/octet-stream"), {}, (Checksum("CRC64NVME", b"12345678"),)
)


class NoBody:
    length: int | None = 0

    def whole(self) -> bytes | None:
        return b""

    async def read(self) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing is held."""


@attrs.frozen
class Page:
    """A request for a page, and the scan that it leads to."""

    prefix: str
    after: str = ""
    delimiter: str = ""

    def request(self) -> HttpRequest:
        parameters = {
            "delimiter": self.delimiter,
            "encoding-type": "url",
            "list-type": "2",
            "prefix": self.prefix,
            "start-after": self.after,
        }
        given = [f"{k}={v.replace('/', '%2F')}" for k, v in parameters.items() if v]
        target = f"/{BUCKET}?{'&'.join(given)}"
        host = ((b"host", b"127.0.0.1:9000"),)
        return signed(
            HttpRequest("GET", target.encode(), host, request_id="0123456789ABCDEF"),
            PAIR,
            payload=hashlib.sha256().hexdigest(),
            region="us-east-1",
            now_us=wall_clock_us(),
        )


def finished(work: Coroutine[Any, Any, Any] | Any) -> Any:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def best_ms(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time_ns()
        work()
        best = min(best, time.process_time_ns() - began)
    return best / 1e6


def object_rows(bucket_id: int, count: int) -> Iterator[Put]:
    """Half of the keys are plain; the others hold what is to be encoded."""
    base, began_us = keys.objects(bucket_id), wall_clock_us()
    for n in range(count):
        group, name = divmod(n // 2, KEYS_A_PREFIX)
        key = f"odd/date={group:05}/part {name:03}" if n % 2 else f"data/{group:05}/file-{name:03}"
        head = ObjectHead(
            size_bytes=4096 + n,
            modified_us=began_us + n * 20_000,
            etag=hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(),
            version=n.to_bytes(12, "big"),
            owner=ROOT_ACCOUNT,
            checksum_algorithm="CRC64NVME",
            checksum_kind="FULL_OBJECT",
        )
        yield Put(base + key.encode(), encode_object(head, TAIL))


class Bench:
    def __init__(self, metadata: IMetadataStore, objects: int, rounds: int) -> None:
        self.metadata = metadata
        self.rounds = rounds
        self.store: ObjectStore = finished(
            open_store(metadata, MemoryBlobs(), clock=Clock(), run_in_thread=run_at_once)
        )
        credentials = RootCredentials(Credential(PAIR.access_key, PAIR.secret_key, ROOT_ACCOUNT))
        self.application = S3Application(
            self.store,
            credentials,
            load_s3_model(),
            clock=Clock(),
            now_us=wall_clock_us,
            run_in_thread=run_at_once,
            settings=S3Settings(),
        )
        finished(self.store.buckets.create(BUCKET))
        self.base = keys.objects(finished(self.store.buckets.id_of(BUCKET)))
        self._fill(objects)
        middle = objects // 4 // KEYS_A_PREFIX
        self.pages = {
            "keys": Page("data/", f"data/{middle:05}/"),
            "roll-up": Page("data/", "", "/"),
            "odd": Page("odd/"),
        }

    def _fill(self, objects: int) -> None:
        incarnation = finished(self.metadata.begin_incarnation())
        rows = list(object_rows(int.from_bytes(self.base[1:], "big"), objects))
        for n in range(0, objects, ROWS_A_COMMIT):
            token, changes = Token(incarnation, n), tuple(rows[n : n + ROWS_A_COMMIT])
            finished(self.metadata.commit(Commit(token, n, changes)))

    def stages(self, name: str) -> dict[str, float]:
        page = self.pages[name]
        prefix = self.base + page.prefix.encode()
        position = page.after.encode() + b"\0" if page.after else b""

        def scan() -> Any:
            return finished(
                self.metadata.scan(
                    Scan(
                        max(self.base + position, prefix),
                        keys.after(prefix),
                        limit=1000,
                        prefix=prefix,
                        delimiter=page.delimiter.encode(),
                        head_bytes=OBJECT_HEAD_BYTES_MAX,
                    )
                )
            )

        def listing() -> Any:
            return finished(
                self.store.listings.objects(
                    BUCKET, prefix=page.prefix, delimiter=page.delimiter, position=position
                )
            )

        frame = frames.Page(scan())
        assert len(frame.page.entries) == 1000, name
        message = frames.encode_message(frame)
        scanned = best_ms(scan, self.rounds)
        listed = best_ms(listing, self.rounds)
        answered = best_ms(self.responding(name), self.rounds)
        return {
            "scan": scanned,
            "socket": best_ms(lambda: frames.encode_message(frame), self.rounds)
            + best_ms(lambda: frames.decode_answer(message), self.rounds),
            "page": listed - scanned,
            "answer": answered - listed,
        }

    def responding(self, name: str) -> Callable[[], None]:
        request = self.pages[name].request()

        def respond() -> None:
            response = finished(self.application.respond(request, NoBody()))
            assert response.status == 200, response

        return respond


class Reader:
    """Reads one object after the other, and notes how late each answer is."""

    def __init__(self, reactor: ReactorBase, store: ObjectStore) -> None:
        self._reactor = reactor
        self._store = store
        self._late_seconds: list[float] = []
        self._stopped = False

    async def run(self) -> None:
        number = 0
        while not self._stopped:
            due = self._reactor.seconds() + READ_SECONDS
            await deferLater(self._reactor, READ_SECONDS)
            (await self._store.objects.get(BUCKET, left_key(number % LEFT))).close()
            self._late_seconds.append(self._reactor.seconds() - due)
            number += 1

    def stop(self) -> None:
        self._stopped = True

    async def longest_ms(self) -> float:
        """Since it was last asked, with what waits at this moment."""
        await deferLater(self._reactor, 5 * READ_SECONDS)
        late_seconds, self._late_seconds = self._late_seconds, []
        return max(late_seconds) * 1e3


def deleted_key(number: int) -> str:
    return f"logs/2024/{number:08}"


def left_key(number: int) -> str:
    return f"photos/{number:08}"


async def behind_deletions(reactor: ReactorBase, directory: Path, count: int) -> None:
    store = await open_directory(reactor, directory)
    await store.buckets.create(BUCKET)
    for key, objects in ((deleted_key, count), (left_key, LEFT)):
        await store.loads.put_all(BUCKET, (SmallObject(key(n), b"x" * 16) for n in range(objects)))
    spare_collections()  # as servers do
    reader = Reader(reactor, store)
    reading = Deferred.fromCoroutine(reader.run())
    began = time.perf_counter()
    for first in range(0, count, DELETED_AT_ONCE):
        gone = [deleted_key(n) for n in range(first, min(first + DELETED_AT_ONCE, count))]
        await store.objects.delete_many(BUCKET, gone)
    seconds, late_ms = time.perf_counter() - began, await reader.longest_ms()
    print(f"deleted {count / seconds:,.0f} a second; another waited {late_ms:.1f} ms at most")
    for number in range(PAGES_BEHIND):
        began = time.perf_counter()
        page = await store.listings.objects(BUCKET)
        seconds = time.perf_counter() - began
        assert page.last == left_key(999), page.last
        late_ms = await reader.longest_ms()
        print(f"page {number}: {seconds * 1e3:.1f} ms; another waited {late_ms:.1f} ms at most")
    reader.stop()
    await reading
    await store.close()


def in_rocksdb(directory: Path) -> IMetadataStore:
    host = Host(directory, Clock(), run_at_once)
    store: IMetadataStore = finished(rocksdb.open_store(rocksdb.Settings(free_mib_min=1), host))
    return store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--profile", metavar="PAGE")
    parser.add_argument("--deleted", type=int, help="measure a page behind so many deletions")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if options.deleted:
            measured = partial(behind_deletions, directory=Path(directory), count=options.deleted)
            react(lambda reactor: Deferred.fromCoroutine(measured(reactor)))
        stores = {"memory": MemoryMetadata(), "rocksdb": in_rocksdb(Path(directory))}
        benches = {name: Bench(s, options.objects, options.rounds) for name, s in stores.items()}
        if options.profile:
            profile = cProfile.Profile()
            profile.runcall(benches["rocksdb"].responding(options.profile))
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)
            return
        print(f"{'rows in':<10}{'page':<10}", end="")
        print(
            *(f"{stage:>9}" for stage in ("scan", "socket", "page", "answer", "all")), "ms of CPU"
        )
        for where, bench in benches.items():
            for name in bench.pages:
                taken = bench.stages(name)
                figures = [*taken.values(), sum(taken.values())]
                print(f"{where:<10}{name:<10}", *(f"{ms:9.2f}" for ms in figures), flush=True)


if __name__ == "__main__":
    main()
