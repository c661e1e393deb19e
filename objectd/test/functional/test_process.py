"""The server as a process: starting, signals, and what it says when it cannot start."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BIN, BUCKET, MIB, Server
from objectd.test.functional.traffic import connect, request, send_head
from objectd.test.web.certificates import write_certificate

DATA = Random("process").randbytes(20 * MIB)
START_SECONDS_MAX = 1.5
"""Of one process."""

STOP_SECONDS_MAX = 10


class ProcessTests(SynchronousTestCase):
    def make(self, config: str = "", *, tls: bool = False) -> Server:
        server = Server(Path(self.mktemp()), config=config, tls=tls)
        self.addCleanup(server.end)
        return server

    def started(self, *, tls: bool = False) -> Server:
        server = self.make(tls=tls)
        server.start()
        return server

    def refused(self, command: list[str], **environment: str) -> str:
        """What a command says that ends with status 1, and says it without a traceback."""
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            env={**os.environ, **environment},
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stderr

    def connect(self, server: Server) -> HTTPConnection:
        connection = connect(server)
        self.addCleanup(connection.close)
        return connection

    # Starting

    def test_start(self) -> None:
        """The first request is answered soon after the start. What counts is the processor's
        time: a machine that is busy with other things takes longer by the clock."""
        server = self.started()
        answer = request(self.connect(server), "HEAD", f"/{BUCKET}")
        self.assertEqual(answer.status, 200)
        processes = 1 + len(server.children())
        self.assertLess(server.processor_seconds(), START_SECONDS_MAX * processes)

    def test_buckets(self) -> None:
        """The buckets of OBJECTD_BUCKETS are there, also when they have been there before."""
        server = Server(Path(self.mktemp()), environment={"OBJECTD_BUCKETS": "one-a,two-b"})
        self.addCleanup(server.end)
        for _ in range(2):
            server.start()
            buckets = server.client().list_buckets()["Buckets"]
            self.assertEqual([bucket["Name"] for bucket in buckets], ["one-a", "two-b"])
            self.assertEqual(server.stop(), 0)

    def test_drawn_credentials(self) -> None:
        """Without credentials in the environment a pair is drawn, shown once and kept."""
        absent = {"OBJECTD_ROOT_ACCESS_KEY": None, "OBJECTD_ROOT_SECRET_KEY": None}
        server = Server(Path(self.mktemp()), environment=absent)
        self.addCleanup(server.end)
        server.start()
        shown = [line for line in server.announced if not line.startswith("objectd listens")]
        self.assertEqual(server.stop(), 0)
        self.assertNotEqual(shown, [])
        server.start()
        self.assertEqual(len(server.announced), 1)
        for line in shown:
            self.assertNotIn(line, server.log.read_text())

    def test_twistd(self) -> None:
        """As a command of twistd it is the same server."""
        server = self.make()
        server.start(server.twistd())
        client = server.client()
        client.put_object(Bucket=BUCKET, Key="k", Body=DATA)
        self.assertEqual(client.get_object(Bucket=BUCKET, Key="k")["Body"].read(), DATA)
        self.assertEqual(server.stop(), 0)

    def test_same_directory(self) -> None:
        """A second server on a data directory says that it is in use, and the first goes on."""
        server = self.started()
        said = self.refused([str(BIN / "objectd"), "serve", *server.arguments])
        self.assertIn(f"{server.data}", said)
        self.assertIn("in use by another server", said)
        self.assertEqual(request(self.connect(server), "HEAD", f"/{BUCKET}").status, 200)

    def test_same_port(self) -> None:
        """A port that is taken is named."""
        server = self.started()
        address = server.url.removeprefix("http://")
        other = server.directory / "other"
        said = self.refused([str(BIN / "objectd"), "serve", f"--listen={address}", str(other)])
        self.assertIn(address.partition(":")[2], said)
        self.assertIn("Address already in use", said)

    def test_bad_configuration(self) -> None:
        """A mistake in the file is shown with file, section and key."""
        for text, named in [
            ("[server]\nlisten_tsl = []", ["[server]", "listen_tsl"]),
            ("[limits]\nuploads = 'many'", ["[limits] uploads"]),
            ("[metadata]\nprovider = 'postgers'", ["[metadata]", "postgers"]),
            ("[objects]\ninline_bytes_max = -1", ["[objects]", "inline_bytes_max"]),
            ("[sever]\n", ["sever"]),
            ("[server\n", ["line 1"]),
        ]:
            server = self.make(text)
            command = [str(BIN / "objectd"), "serve", *server.arguments]
            said = self.refused(command)
            self.assertIn(str(server.directory / "objectd.toml"), said)
            for what in named:
                self.assertIn(what, said)
            self.assertFalse(server.data.exists())

    def test_bad_bucket(self) -> None:
        """A name in OBJECTD_BUCKETS that no bucket may have stops the start."""
        server = self.make()
        command = [str(BIN / "objectd"), "serve", *server.arguments]
        said = self.refused(command, OBJECTD_BUCKETS="fine-name,No")
        self.assertIn("OBJECTD_BUCKETS: 'No'", said)

    # Stopping

    def await_incoming(self, server: Server) -> None:
        """Returns when the server has begun to store an upload."""
        other = self.connect(server)
        until = monotonic() + STOP_SECONDS_MAX
        while not any("incoming" in path.parts for path in server.blob_files()):
            self.assertLess(monotonic(), until, "the upload does not begin")
            request(other, "HEAD", f"/{BUCKET}").read()

    def await_retirement(self, server: Server) -> None:
        """Returns when it takes no more connections."""
        until = monotonic() + STOP_SECONDS_MAX
        with contextlib.suppress(ConnectionRefusedError):
            while True:
                self.assertLess(monotonic(), until, "the server goes on")
                with contextlib.suppress(ConnectionResetError):
                    socket.create_connection(server.address, timeout=10).close()

    def test_drain(self) -> None:
        """After SIGTERM a download and an upload that are under way come to their end."""
        server = self.started()
        server.client().put_object(Bucket=BUCKET, Key="down", Body=DATA)
        answer = request(self.connect(server), "GET", f"/{BUCKET}/down")
        got = answer.read(MIB)
        up = self.connect(server)
        send_head(up, f"/{BUCKET}/up", len(DATA))
        up.send(DATA[:MIB])
        self.await_incoming(server)

        began = monotonic()
        server.process.send_signal(signal.SIGTERM)
        self.await_retirement(server)
        up.send(DATA[MIB:])
        self.assertEqual(up.getresponse().status, 200)
        self.assertEqual(got + answer.read(), DATA)
        self.assertEqual(server.wait(), 0)
        self.assertLess(monotonic() - began, STOP_SECONDS_MAX)
        server.start()
        got = server.client().get_object(Bucket=BUCKET, Key="up")["Body"].read()
        self.assertEqual(got, DATA)

    def test_stuck_clients(self) -> None:
        """Clients that do not go on, and idle ones, do not hold up the end beyond 10 s."""
        server = self.started()
        server.client().put_object(Bucket=BUCKET, Key="down", Body=DATA)
        idle = self.connect(server)
        request(idle, "HEAD", f"/{BUCKET}").read()
        stuck = request(self.connect(server), "GET", f"/{BUCKET}/down")
        stuck.read(1)
        up = self.connect(server)
        send_head(up, f"/{BUCKET}/up", len(DATA))
        up.send(DATA[:MIB])
        self.await_incoming(server)
        began = monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(monotonic() - began, STOP_SECONDS_MAX)
        server.start()
        listed = server.client().list_objects_v2(Bucket=BUCKET)["Contents"]
        self.assertEqual([found["Key"] for found in listed], ["down"])

    def test_interrupt(self) -> None:
        """Ctrl-C ends the server as SIGTERM does."""
        server = self.started()
        began = monotonic()
        self.assertEqual(server.stop(signal.SIGINT), 0)
        self.assertLess(monotonic() - began, STOP_SECONDS_MAX)

    def test_second_interrupt(self) -> None:
        """A second Ctrl-C ends the server at once, and the store opens again after it."""
        server = self.make()
        server.start([str(BIN / "objectd"), "serve", *server.arguments])
        up = self.connect(server)
        send_head(up, f"/{BUCKET}/up", len(DATA))
        up.send(DATA[:MIB])
        self.await_incoming(server)
        server.process.send_signal(signal.SIGINT)
        self.await_retirement(server)
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.wait(), -signal.SIGINT)
        server.start()

    # Certificates

    def test_certificate_is_read_again(self) -> None:
        """After SIGHUP new connections get the new certificate, without a restart."""
        server = self.started(tls=True)
        host, _, port = server.tls_url.removeprefix("https://").rpartition(":")
        old = ssl.get_server_certificate((host, int(port)))
        self.assertEqual(old, (server.directory / "certificate.pem").read_text())
        write_certificate(server.directory)
        new = (server.directory / "certificate.pem").read_text()
        server.process.send_signal(signal.SIGHUP)
        until = monotonic() + 30
        while (shown := ssl.get_server_certificate((host, int(port)))) == old:
            self.assertLess(monotonic(), until, "the old certificate is still shown")
        self.assertEqual(shown, new)
