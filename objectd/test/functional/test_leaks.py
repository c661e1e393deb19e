"""Clients that go away in the middle leave nothing behind."""

from __future__ import annotations

import socket
import struct
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BUCKET, MIB, Server
from objectd.test.functional.traffic import at_once, connect, request, send_head

CLIENTS = 10
ABORTED_A_CLIENT = 50
SETTLING_SECONDS_MAX = 60
SENT_BYTES = [0, 1, 70_000, 2 * MIB]


class LeakTests(SynchronousTestCase):
    timeout = 300

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), config="collection.interval_seconds = 0.1")
        self.addCleanup(self.server.end)
        self.server.start()
        self.client = self.server.client()
        self.client.put_object(Bucket=BUCKET, Key="down", Body=bytes(8 * MIB))

    def abort_some(self, number: int, barrier: Barrier) -> None:
        for attempt in range(ABORTED_A_CLIENT):
            connection = connect(self.server)
            if attempt % 2:
                request(connection, "GET", f"/{BUCKET}/down").read(SENT_BYTES[attempt % 4])
            else:
                size_bytes = SENT_BYTES[attempt // 2 % 4]
                send_head(connection, f"/{BUCKET}/up", 8 * MIB)
                connection.send(bytes(size_bytes))
            _break_off(connection, reset=attempt % 3 == 0)

    def await_settled(self, connections: int) -> None:
        """Returns when the server holds no file of data and only so many connections."""
        until = monotonic() + SETTLING_SECONDS_MAX
        while (held := self.held())[0] > connections or held[1] or held[2]:
            self.assertLess(monotonic(), until, f"sockets, descriptors, incoming: {held}")
            self.client.head_bucket(Bucket=BUCKET)

    def held(self) -> tuple[int, list[str], list[Path]]:
        opened = self.server.open_files()
        blobs = str(self.server.data / "blobs")
        data = [name for name in opened if name.startswith(blobs) and name.count("/incoming/")]
        data += [name for name in opened if name.startswith(blobs) and "." in Path(name).name]
        incoming = [path for path in self.server.blob_files() if "incoming" in path.parts]
        return sum(name.startswith("socket:") for name in opened), data, incoming

    def test_aborted_transfers(self) -> None:
        """500 uploads and downloads that break off leave no file, no descriptor, no memory
        for bodies: transfers after them work as before."""
        self.client.head_bucket(Bucket=BUCKET)
        sockets, _, _ = self.held()
        at_once(CLIENTS, self.abort_some)
        self.await_settled(sockets)
        self.assertEqual(len(self.server.blob_files()), 1)
        listed = self.client.list_objects_v2(Bucket=BUCKET)["Contents"]
        self.assertEqual([found["Key"] for found in listed], ["down"])
        got = self.client.get_object(Bucket=BUCKET, Key="down")["Body"].read()
        self.assertEqual(got, bytes(8 * MIB))
        self.assertNotIn("Traceback", self.server.log.read_text())

    def test_everything_deleted(self) -> None:
        """When all objects are deleted and all uploads aborted, no file of data is left."""
        self.client.put_object(Bucket=BUCKET, Key="same", Body=bytes(8 * MIB))
        self.client.put_object(Bucket=BUCKET, Key="down", Body=bytes(9 * MIB))
        started = self.client.create_multipart_upload(Bucket=BUCKET, Key="k")["UploadId"]
        upload = {"Bucket": BUCKET, "Key": "k", "UploadId": started}
        self.client.upload_part(**upload, PartNumber=1, Body=bytes(MIB))
        self.client.upload_part(**upload, PartNumber=1, Body=bytes(6 * MIB))
        self.client.abort_multipart_upload(**upload)
        for key in ["same", "down"]:
            self.client.delete_object(Bucket=BUCKET, Key=key)
        until = monotonic() + SETTLING_SECONDS_MAX
        while left := self.server.blob_files():
            self.assertLess(monotonic(), until, f"{left}")
            self.client.head_bucket(Bucket=BUCKET)


def _break_off(connection: HTTPConnection, *, reset: bool) -> None:
    assert connection.sock is not None
    if reset:
        linger = struct.pack("ii", 1, 0)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()
