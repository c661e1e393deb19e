"""Behind nginx and HAProxy: what two parsers of HTTP might read differently is never carried
out, and answers come in order and to whom they belong."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.auth.signing import ACCESS_KEY, SECRET_KEY, signed
from objectd.test.functional.server import BUCKET, MIB, Server
from objectd.test.s3.wire import as_bytes
from objectd.test.security.desync import DESYNC, hidden_request, key_of

START_SECONDS_MAX = 20
ANSWER_SECONDS_MAX = 20
LARGE = bytes(range(256)) * 4096 * 8

CONFIG = """
deadlines.headers_seconds = 2
deadlines.idle_seconds = 2
deadlines.progress_window_seconds = 2
deadlines.drain_seconds = 1
"""

NGINX = """
daemon off; master_process off; pid nginx.pid; error_log nginx.log;
events {{}}
http {{
    access_log off; client_max_body_size 0;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream objectd {{ server {host}:{port}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{listen};
        client_header_timeout {patience}; client_body_timeout {patience};
        keepalive_timeout {patience};
        location / {{
            proxy_pass http://objectd; proxy_http_version 1.1;
            proxy_set_header Host $http_host; proxy_set_header Connection "";
            proxy_request_buffering off; proxy_buffering off;
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client {patience}s
    timeout server 20s
    http-reuse always
    {accept}
frontend front
    bind 127.0.0.1:{listen}
    default_backend objectd
backend objectd
    server one {host}:{port}
"""


class Proxy:
    """nginx or HAProxy in front of a server, in a process of its own."""

    def __init__(self, directory: Path, server: Server, kind: str, patience_seconds: int) -> None:
        directory.mkdir(parents=True)
        self.address = ("127.0.0.1", _free_port())
        host, port = server.address
        values = {
            "host": host,
            "port": port,
            "listen": self.address[1],
            "patience": patience_seconds,
            "accept": "",
        }
        configuration = directory.absolute() / f"{kind}.conf"
        if kind == "nginx":
            configuration.write_text(NGINX.format(**values))
            command = ["nginx", "-p", str(directory.absolute()), "-c", str(configuration)]
        else:
            values["accept"] = "option accept-invalid-http-request" if kind == "lenient" else ""
            configuration.write_text(HAPROXY.format(**values))
            command = ["haproxy", "-db", "-f", str(configuration)]
        program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")
        assert program is not None, f"{command[0]} is not installed: .ci/programs says how"
        self._log = directory / "output"
        with self._log.open("w") as log:
            self._process = subprocess.Popen([program, *command[1:]], stdout=log, stderr=log)
        self._await_listening()

    def _await_listening(self) -> None:
        until = monotonic() + START_SECONDS_MAX
        while True:
            try:
                socket.create_connection(self.address, 1).close()
                return
            except OSError as error:
                if monotonic() > until or self._process.poll() is not None:
                    raise AssertionError(self._log.read_text()) from error

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class ProxyCase(SynchronousTestCase):
    """A server with a large and a small object, and proxies in front of it."""

    timeout = 300
    config: str
    patience_seconds: int

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.server = Server(self.directory / "server", config=self.config)
        self.addCleanup(self.server.end)
        self.server.start()
        self.client = self.server.client()
        self.client.put_object(Bucket=BUCKET, Key="large", Body=LARGE)
        self.client.put_object(Bucket=BUCKET, Key="small", Body=b"small")

    def proxied(self, kind: str) -> tuple[str, int]:
        proxy = Proxy(self.directory / kind, self.server, kind, self.patience_seconds)
        self.addCleanup(proxy.end)
        return proxy.address

    def addresses(self) -> dict[str, tuple[str, int]]:
        kinds = ("nginx", "haproxy", "lenient")
        return {"direct": self.server.address, **{kind: self.proxied(kind) for kind in kinds}}

    def exchange(self, address: tuple[str, int], data: bytes, last: bytes | None = None) -> bytes:
        """All that comes back until the other side closes the connection, or until the body
        of the last answer that is awaited has come."""
        received = bytearray()
        with socket.create_connection(address, ANSWER_SECONDS_MAX) as connection:
            connection.sendall(data)
            try:
                while piece := connection.recv(MIB):
                    received += piece
                    if last is not None and received.endswith(b"\r\n\r\n" + last):
                        break
            except ConnectionResetError:
                pass
        return bytes(received)

    def keys(self) -> set[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET)["Contents"]
        return {entry["Key"] for entry in found}


class ProxyTests(ProxyCase):
    """Everybody waits for as long as a busy machine takes."""

    config = ""
    patience_seconds = 60

    def test_order(self) -> None:
        """Of two requests in one segment, the first of which takes long, the first is answered
        first, whole, and the second after it.

        Behind a PUT not through HAProxy: now and then 2.6 leaves what it has read behind a body
        where it is until its client sends one more byte.
        """
        for kind, address in self.addresses().items():
            requests = (
                ("GET", f"/{BUCKET}/large", b""),
                ("PUT", f"/{BUCKET}/new", LARGE[: 2 * MIB]),
                ("GET", f"/{BUCKET}/small", b""),
            )
            behind_put = () if kind in ("haproxy", "lenient") else ((1, 2), (1, 0))
            for first, second in ((0, 2), *behind_put):
                data = b"".join(_framed(*requests[n]) for n in (first, second))
                ended = b"small" if second == 2 else LARGE
                received = self.exchange(address, data, ended)
                one, _, rest = received.partition(b"\r\n\r\n")
                self.assertIn(b" 200 ", one.partition(b"\r\n")[0], (kind, first, second))
                body = LARGE if first == 0 else b""
                self.assertTrue(rest.startswith(body + b"HTTP/1.1 200 "), (kind, first, second))
                self.assertTrue(rest.endswith(b"\r\n\r\n" + ended), (kind, first, second))

    def test_sdk(self) -> None:
        """boto3 works through each proxy as without it, in both directions."""
        for kind, (host, port) in self.addresses().items():
            client = self.server.client(url=f"http://{host}:{port}")
            client.put_object(Bucket=BUCKET, Key=kind, Body=LARGE)
            got = client.get_object(Bucket=BUCKET, Key=kind)["Body"].read()
            self.assertEqual(sha256(got).digest(), sha256(LARGE).digest(), kind)


class DesyncTests(ProxyCase):
    """Everybody is soon tired of requests that never end."""

    config = CONFIG
    patience_seconds = 3

    def test_desync(self) -> None:
        """No request that hides behind a contradictory framing is carried out, sent straight or
        through a proxy, strict or lenient, unless the proxy took it for a request too, and so
        has an answer to it; the next client gets its own answer."""
        for kind, address in self.addresses().items():
            with ThreadPoolExecutor(len(DESYNC)) as threads:
                list(threads.map(partial(self.smuggle, kind, address), DESYNC))
        self.assertNotIn("Traceback", self.server.logged())

    def smuggle(self, kind: str, address: tuple[str, int], name: str) -> None:
        hidden = hidden_request(BUCKET, name + kind, ACCESS_KEY, SECRET_KEY)
        received = self.exchange(address, DESYNC[name](hidden))
        was_answered = kind != "direct" and b"HTTP/1.1 200 " in received
        if not was_answered:
            self.assertNotIn(key_of(name + kind), self.keys(), (kind, name))
        self.assert_small(address, (kind, name))

    def test_hidden_request_is_good(self) -> None:
        """Sent openly it is carried out, through each proxy: the test above could fail."""
        for kind, address in self.addresses().items():
            self.exchange(address, hidden_request(BUCKET, kind, ACCESS_KEY, SECRET_KEY), b"")
            self.assertIn(key_of(kind), self.keys())

    def assert_small(self, address: tuple[str, int], case: object) -> None:
        connection = HTTPConnection(*address, timeout=ANSWER_SECONDS_MAX)
        head = signed("GET", f"/{BUCKET}/small", payload="UNSIGNED-PAYLOAD")
        headers = {name.decode(): value.decode() for name, value in head.headers}
        connection.request("GET", head.target.decode(), headers=headers)
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b"small"), case)
        connection.close()


def _framed(method: str, target: str, body: bytes) -> bytes:
    return as_bytes(signed(method, target, payload="UNSIGNED-PAYLOAD"), body)
