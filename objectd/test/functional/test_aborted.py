"""10,000 transfers that break off, each somewhere else, leave nothing (Ceph CVE-2019-3821 and
CVE-2020-1700, Swift CVE-2016-0738: sockets and files that were never given back)."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from random import Random
from time import monotonic

import attrs
from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.payload import PayloadMode
from objectd.test.auth.signing import ChunkSigner, signed, verified
from objectd.test.functional.server import BUCKET, MIB, Server
from objectd.test.s3.wire import CHUNKED_MODES, TRAILER_MODES, as_bytes, crc32_trailer

CLIENTS = 32
ABORTED = 10_000
ABORTED_A_ROUND = 2_000
GROWTH_BYTES_MAX = 24 * MIB
"""Between the first two rounds and the last two: the C library gives memory back as it likes,
so a single reading may be 40 MiB from the next."""

SETTLING_SECONDS_MAX = 60
TIMEOUT_SECONDS = 60

DOWN_BYTES = 8 * MIB
UP_BYTES = (1_000, 100_000, 200_000)
"""In a row of the metadata, in a small blob, in one of several writes."""

RESET = b"\1\0\0\0\0\0\0\0"


@attrs.frozen
class Transfer:
    """A request as bytes. Its answer is at least `answer_bytes` long."""

    kind: str
    data: bytes
    head_bytes: int
    answer_bytes: int


class AbortedTests(SynchronousTestCase):
    timeout = 600

    def setUp(self) -> None:
        self.server = Server(
            Path(self.mktemp()), config="collection.interval_seconds = 0.1", workers=0
        )
        self.addCleanup(self.server.end)
        self.server.start()
        self.client = self.server.client()
        self.client.put_object(Bucket=BUCKET, Key="down", Body=bytes(DOWN_BYTES))
        self.upload_id = self.client.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]

    def transfers(self) -> list[Transfer]:
        """One of each kind, signed once for all: to sign 10,000 would take longer than to
        break them off."""
        part = f"/{BUCKET}/parts?partNumber=1&uploadId={self.upload_id}"
        found = [
            _upload(mode, target, Random(size_bytes).randbytes(size_bytes), outer=outer)
            for mode in PayloadMode
            for target in (f"/{BUCKET}/up", part)
            for size_bytes in UP_BYTES
            for outer in (False, True)
        ]
        down = f"/{BUCKET}/down"
        for fields in ({}, {"range": "bytes=100-4000000"}, {"range": "bytes=-2000000"}):
            request = as_bytes(signed("GET", down, fields, payload="UNSIGNED-PAYLOAD"), b"")
            found += [Transfer("download", request, len(request), 1_900_000)] * 12
        keys = b"".join(b"<Object><Key>none/%d</Key></Object>" % n for n in range(1000))
        document = b"<Delete>%b</Delete>" % keys
        fields = {"x-amz-checksum-crc32": crc32_trailer(document).split(b":")[1].strip().decode()}
        delete = signed("POST", f"/{BUCKET}?delete", fields, payload=sha256(document).hexdigest())
        data = as_bytes(delete, document)
        found += [Transfer("delete", data, len(data) - len(document), 30_000)] * 8
        return found

    def abort(self, transfers: Sequence[Transfer], seeds: range) -> None:
        with ThreadPoolExecutor(CLIENTS) as threads:
            list(threads.map(lambda seed: self._abort_one(transfers, Random(seed)), seeds))

    def _abort_one(self, transfers: Sequence[Transfer], random: Random) -> None:
        transfer = random.choice(transfers)
        place = random.random()
        sent_bytes, read_bytes = len(transfer.data), 0
        if place < 0.1:
            sent_bytes = random.randrange(transfer.head_bytes)
        elif place < 0.7 and len(transfer.data) > transfer.head_bytes:
            sent_bytes = random.randrange(transfer.head_bytes, len(transfer.data))
        else:
            read_bytes = random.randrange(transfer.answer_bytes)
        with socket.create_connection(self.server.address, TIMEOUT_SECONDS) as connection:
            connection.sendall(transfer.data[:sent_bytes])
            while read_bytes > 0 and (data := connection.recv(min(read_bytes, 1 << 16))):
                read_bytes -= len(data)
            ending = random.randrange(3)
            if ending == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            elif ending == 1:
                connection.shutdown(socket.SHUT_WR)

    def held(self) -> tuple[int, list[Path]]:
        incoming = [path for path in self.server.blob_files() if "incoming" in path.parts]
        return len(self.server.open_files()), incoming

    def await_settled(self, descriptors: int) -> None:
        until = monotonic() + SETTLING_SECONDS_MAX
        while (held := self.held())[0] > descriptors or held[1]:
            self.assertLess(monotonic(), until, (held, sorted(self.server.open_files())))
            self.client.head_bucket(Bucket=BUCKET)

    def test_ten_thousand(self) -> None:
        """Uploads of every form, downloads and deletions that break off in their heads, their
        bodies or their answers leave no descriptor, no file and no growth of memory."""
        transfers = self.transfers()
        self.abort(transfers[::7], range(CLIENTS))  # makes the threads, and opens what stays open
        self.await_settled(len(self.server.open_files()))
        before = self.descriptors_at_rest()
        memory_bytes = []
        for start in range(0, ABORTED, ABORTED_A_ROUND):
            self.abort(transfers, range(start, start + ABORTED_A_ROUND))
            self.await_settled(before)
            memory_bytes.append(self.server.status_bytes("VmRSS"))
        grown_bytes = min(memory_bytes[-2:]) - max(memory_bytes[:2])
        self.assertLess(grown_bytes, GROWTH_BYTES_MAX, memory_bytes)
        self.assert_broken_off()
        self.assert_clean_and_working()

    def descriptors_at_rest(self) -> int:
        """With no other connection than that of `client`, and no file of the collector's."""
        counts = []
        for _ in range(20):
            self.client.head_bucket(Bucket=BUCKET)
            counts.append(len(self.server.open_files()))
        return min(counts)

    def assert_broken_off(self) -> None:
        """It was as meant: thousands of requests ended without their whole answer, or any."""
        log = self.server.logged()
        self.assertNotIn("Traceback", log)
        # The access log comes in batches: the first line has the time, the others are indented.
        line = r"(?m)(?:\[objectd\.access#info\] |^\t)\S+ \S+ (?:PUT|POST|GET) \S+ (\S+) .* ms="
        statuses = re.findall(line, log)
        self.assertGreater(len(statuses), ABORTED // 2)
        refused = sum(status not in ("200", "206") for status in statuses)
        self.assertGreater(refused, ABORTED // 5)
        self.assertGreater(statuses.count("206"), ABORTED // 20)
        self.assertEqual([s for s in statuses if s.startswith("5")], [])

    def assert_clean_and_working(self) -> None:
        self.client.delete_object(Bucket=BUCKET, Key="up")
        self.client.abort_multipart_upload(Bucket=BUCKET, Key="parts", UploadId=self.upload_id)
        until = monotonic() + SETTLING_SECONDS_MAX
        while len(left := self.server.blob_files()) != 1:
            self.assertLess(monotonic(), until, left)
            self.client.head_bucket(Bucket=BUCKET)
        data = Random(1).randbytes(3 * DOWN_BYTES)
        self.client.put_object(Bucket=BUCKET, Key="up", Body=data)
        self.assertEqual(self.client.get_object(Bucket=BUCKET, Key="up")["Body"].read(), data)
        down = self.client.get_object(Bucket=BUCKET, Key="down")["Body"].read()
        self.assertEqual(down, bytes(DOWN_BYTES))


def _upload(mode: PayloadMode, target: str, data: bytes, *, outer: bool) -> Transfer:
    headers = {}
    trailers = crc32_trailer(data) if mode in TRAILER_MODES else b""
    if mode in CHUNKED_MODES:
        headers["x-amz-decoded-content-length"] = str(len(data))
    if trailers:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    payload = sha256(data).hexdigest() if mode is PayloadMode.SHA256 else mode.value
    request = signed("PUT", target, headers, payload=payload)
    body = data
    pieces = [data[start : start + 65_536] for start in range(0, len(data), 65_536)]
    if mode is PayloadMode.UNSIGNED_CHUNKS_TRAILER:
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        body = chunks + b"0\r\n" + trailers.replace(b"\n", b"\r\n") + b"\r\n"
    elif mode in CHUNKED_MODES:
        body = ChunkSigner.following(verified(request)).body(pieces, trailers)
    sent = as_bytes(request, body, outer=outer)
    return Transfer("upload", sent, sent.index(b"\r\n\r\n") + 4, 100)
