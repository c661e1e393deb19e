"""The server as several processes: what happens when one of them dies, or is told to change."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from select import select
from threading import Event, Thread
from time import monotonic

import boto3
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BIN, BUCKET, MIB, Server
from objectd.test.functional.traffic import connect, request, send_head
from objectd.test.web.certificates import write_certificate

DATA = Random("workers").randbytes(4 * MIB)
SECONDS_MAX = 60
STOP_SECONDS_MAX = 10
WORKERS = 2
READY = "/-/health/ready"


class WorkerTests(SynchronousTestCase):
    timeout = 300

    def make(self, config: str = "", *, tls: bool = False) -> Server:
        server = Server(Path(self.mktemp()), config=config, tls=tls, workers=WORKERS)
        self.addCleanup(server.end)
        return server

    def started(self, config: str = "", *, tls: bool = False) -> Server:
        server = self.make(config, tls=tls)
        server.start()
        return server

    def connect(self, server: Server) -> HTTPConnection:
        connection = connect(server)
        self.addCleanup(connection.close)
        return connection

    def await_(self, condition: Callable[[], bool], server: Server) -> None:
        until = monotonic() + SECONDS_MAX
        while not condition():
            self.assertLess(monotonic(), until, server.logged()[-4000:])

    def put(self, server: Server, key: str, data: bytes) -> None:
        """Try again and again until it is acknowledged."""
        until = monotonic() + SECONDS_MAX
        while not _is_put(server, key, data):
            self.assertLess(monotonic(), until, server.logged()[-4000:])

    def get(self, server: Server, key: str) -> bytes:
        answer = request(self.connect(server), "GET", f"/{BUCKET}/{key}")
        data = answer.read()
        self.assertEqual(answer.status, 200, data)
        return data

    @contextmanager
    def load(self, server: Server) -> Iterator[dict[str, bytes]]:
        """While it is entered a client puts keys; what was acknowledged is in the dictionary."""
        acknowledged: dict[str, bytes] = {}
        over = Event()

        def run() -> None:
            number = 0
            while not over.is_set():
                number += 1
                data = b"%d" % number * (1 + number % 3 * 10_000)
                if _is_put(server, f"load/{number}", data):
                    acknowledged[f"load/{number}"] = data

        clients = [Thread(target=run, daemon=True)]
        for client in clients:
            client.start()
        try:
            yield acknowledged
        finally:
            over.set()
            for client in clients:
                client.join()
        for key, data in acknowledged.items():
            self.assertEqual(self.get(server, key), data)

    def kill_one(self, server: Server, role: str, acknowledged: dict[str, bytes]) -> None:
        """Returns when it has been replaced, and requests are answered as before."""
        before, seen = server.children(role), len(acknowledged)
        os.kill(before[0], signal.SIGKILL)
        self.await_(lambda: before[0] not in server.children(role), server)
        self.await_(lambda: len(server.children(role)) == len(before), server)
        self.await_(lambda: len(acknowledged) > seen + 20, server)

    def refused(self, server: Server, command: list[str] | None = None) -> str:
        """What a start says that fails: one line of ours, and no traceback."""
        done = subprocess.run(
            command or [str(BIN / "objectd"), "serve", *server.arguments],
            capture_output=True,
            check=False,
            env={**os.environ, "OBJECTD_BUCKETS": ""},
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, 1, said)
        self.assertNotIn("Traceback", said)
        self.assertEqual(said.count("objectd ends:"), 1, said)
        return said

    # Serving

    def test_spread(self) -> None:
        """Connections come to all workers, and each sees at once what another has written."""
        server = self.started()
        connections = [self.connect(server) for _ in range(32)]
        for number, connection in enumerate(connections):
            answer = request(connection, "PUT", f"/{BUCKET}/k", b"%d" % number)
            self.assertEqual(answer.status, 200, answer.read())
            answer.read()
            for other in connections[:8]:
                self.assertEqual(request(other, "GET", f"/{BUCKET}/k").read(), b"%d" % number)
        holders = [
            sum(name.startswith("socket:") for name in server.open_files_of(pid))
            for pid in server.children("worker")
        ]
        self.assertEqual(len(holders), WORKERS)
        self.assertGreater(min(holders), 6, holders)

    def test_drawn_credentials(self) -> None:
        """The key pair that is drawn at the first start is that of all workers."""
        absent = {"OBJECTD_ROOT_ACCESS_KEY": None, "OBJECTD_ROOT_SECRET_KEY": None}
        server = Server(Path(self.mktemp()), workers=WORKERS, environment=absent)
        self.addCleanup(server.end)
        server.start()
        [access_key] = [line.split()[-1] for line in server.announced if "access key" in line]
        [secret_key] = [line.split()[-1] for line in server.announced if "secret key" in line]
        for _ in range(8):
            client = boto3.client(
                "s3",
                endpoint_url=server.url,
                region_name="us-east-1",
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key,
            )
            self.assertEqual([BUCKET], [each["Name"] for each in client.list_buckets()["Buckets"]])

    # Dying

    def test_worker_killed(self) -> None:
        """A worker that is killed under load is replaced; nothing acknowledged is lost."""
        server = self.started()
        with self.load(server) as acknowledged:
            for _ in range(3):
                self.kill_one(server, "worker", acknowledged)
        self.assertEqual(server.stop(), 0)

    def test_all_workers_killed(self) -> None:
        """Who connects while no worker lives is answered by their successors."""
        server = self.started()
        for pid in server.children("worker"):
            os.kill(pid, signal.SIGKILL)
        connections = [self.connect(server) for _ in range(8)]
        for connection in connections:
            connection.connect()
        for connection in connections:
            connection.request("GET", READY)
            self.assertIn(connection.getresponse().status, (200, 503))

    def test_owner_killed(self) -> None:
        """The owner is replaced; meanwhile requests wait or fail, and nothing is lost."""
        server = self.started()
        self.put(server, "before", DATA)
        with self.load(server) as acknowledged:
            for _ in range(3):
                self.kill_one(server, "owner", acknowledged)
        self.assertEqual(self.get(server, "before"), DATA)
        self.assertEqual(server.stop(), 0)

    def test_supervisor_killed(self) -> None:
        """Its children end with it, and a new server starts at once."""
        server = self.started()
        self.put(server, "k", DATA)
        children = [os.pidfd_open(pid) for pid in server.children()]
        os.kill(server.process.pid, signal.SIGKILL)
        for child in children:
            self.assertEqual(select([child], [], [], STOP_SECONDS_MAX), ([child], [], []))
            os.close(child)
        server.wait()
        server.start()
        self.assertEqual(self.get(server, "k"), DATA)

    # Stopping

    def test_slow_upload(self) -> None:
        """SIGTERM lets an upload go on for a while, then breaks it off, and ends with 0."""
        server = self.started("server.stop_seconds = 1")
        up = self.connect(server)
        send_head(up, f"/{BUCKET}/up", len(DATA))
        up.send(DATA[:MIB])
        self.await_(lambda: any("incoming" in f.parts for f in server.blob_files()), server)
        began = monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(monotonic() - began, STOP_SECONDS_MAX)
        self.assertFalse((server.data / "metadata.socket").exists())

    def test_signals_to_all(self) -> None:
        """A terminal sends SIGINT to all processes: the server ends as with SIGTERM."""
        server = self.started()
        for pid in server.children():
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGHUP)
        self.assertEqual(server.stop(signal.SIGINT), 0)
        self.assertNotIn("is replaced", server.logged())

    # Reloading

    def test_new_configuration(self) -> None:
        """After SIGHUP new workers, one after the other, have the new configuration; what
        cannot change is named."""
        server = self.started('server.region = "us-east-1"\nserver.strict_region = false')
        before = server.children("worker")
        server.configure(
            'server.region = "eu-west-1"\nserver.strict_region = true\nblobs.reserve_bytes = 1'
        )
        server.process.send_signal(signal.SIGHUP)
        self.await_(lambda: "new workers have the new configuration" in server.logged(), server)
        self.await_(lambda: not set(before) & set(server.children("worker")), server)
        self.assertIn("these changes need a restart: [blobs]", server.logged())
        answer = request(self.connect(server), "GET", f"/{BUCKET}/k")
        self.assertEqual((answer.status, b"eu-west-1" in answer.read()), (400, True))

    def test_wrong_configuration(self) -> None:
        """A mistake in it leaves everything as it was."""
        server = self.started()
        before = server.children()
        server.configure("[server]\nregin = 1")
        server.process.send_signal(signal.SIGHUP)
        self.await_(lambda: "the configuration stays as it was" in server.logged(), server)
        self.assertEqual(server.children(), before)

    def test_certificate(self) -> None:
        """After SIGHUP every worker shows the new certificate."""
        server = self.started(tls=True)
        host, _, port = server.tls_url.removeprefix("https://").rpartition(":")
        write_certificate(server.directory)
        new = (server.directory / "certificate.pem").read_text()
        before = server.children()
        server.process.send_signal(signal.SIGHUP)
        log = server.logged
        self.await_(lambda: log().count("the certificate was read again") == WORKERS, server)
        for _ in range(8):
            self.assertEqual(ssl.get_server_certificate((host, int(port))), new)
        self.assertEqual(server.children(), before)

    # Starting

    def test_port_is_taken(self) -> None:
        """Also by a server that would share it."""
        server = self.started()
        other = self.make()
        address = server.url.removeprefix("http://")
        command = [str(BIN / "objectd"), "serve", f"--listen={address}", str(other.data)]
        self.assertIn("Address already in use", self.refused(other, command))

    def test_damaged_store(self) -> None:
        """What the owner cannot open is said in one line, also under twistd."""
        server = self.make()
        (server.data / "metadata").mkdir(parents=True)
        (server.data / "metadata" / "CURRENT").write_text("MANIFEST-000009\n")
        self.assertIn("metadata", self.refused(server))
        command = [each for each in server.twistd() if not each.startswith("--logfile")]
        self.assertIn("metadata", self.refused(server, command))

    def test_unreadable_certificate(self) -> None:
        """A worker that cannot start says why, and ends the start."""
        server = self.make(tls=True)
        (server.directory / "key.pem").unlink()
        self.assertIn("key.pem cannot be read", self.refused(server))

    def test_same_directory(self) -> None:
        """A second server on a data directory is refused, and the first goes on."""
        server = self.started()
        self.assertIn("in use by another server", self.refused(server))
        self.put(server, "k", b"still here")

    def test_twistd(self) -> None:
        """Under twistd the log of the children is in that of the supervisor."""
        server = self.make()
        server.start(server.twistd())
        self.put(server, "logged", b"data")
        self.await_(lambda: f"PUT /{BUCKET}/logged 200" in server.logged(), server)
        self.assertEqual(server.stop(), 0)

    def test_second_signal_under_twistd(self) -> None:
        """A second SIGTERM ends all processes at once, also under twistd."""
        server = self.make()
        server.start(server.twistd())
        up = self.connect(server)
        send_head(up, f"/{BUCKET}/up", len(DATA))
        up.send(DATA[:MIB])
        self.await_(lambda: any("incoming" in f.parts for f in server.blob_files()), server)
        server.process.send_signal(signal.SIGTERM)
        self.await_(lambda: "Received SIGTERM" in server.logged(), server)
        began = monotonic()

        def is_ended_by_another() -> bool:
            # One that comes in the same instant as the first counts as that.
            server.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(0.5)
            return server.process.returncode is not None

        self.await_(is_ended_by_another, server)
        server.wait()
        self.assertLess(monotonic() - began, 5)


def _is_put(server: Server, key: str, data: bytes) -> bool:
    connection = connect(server)
    try:
        answer = request(connection, "PUT", f"/{BUCKET}/{key}", data)
        answer.read()
        assert answer.status in (200, 503), answer.status
        return answer.status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
