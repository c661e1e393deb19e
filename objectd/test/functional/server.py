"""A server in a process of its own, as an operator starts it, and its clients.

    server = Server(Path(self.mktemp()))
    self.addCleanup(server.end)
    server.start()
    server.client().create_bucket(Bucket="photos")

It listens on a port of 127.0.0.1 that the system chooses, and runs on the kind of reactor
that the tests run on. It is what users get, several processes, unless a test is about what one
process holds: that asks for `workers=0`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Thread, Timer
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from twisted.internet import reactor
from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from objectd.process.directory import LOCK
from objectd.test.auth.signing import ACCESS_KEY, SECRET_KEY
from objectd.test.web.certificates import write_certificate

__all__ = ["BIN", "BUCKET", "MIB", "Server", "Watch"]

MIB = 1 << 20
BUCKET = "functional"
BIN = Path(sys.executable).parent
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
VERB_SECONDS_MAX = 120
SAMPLES_A_SECOND = 50

_LISTENS = "objectd listens on "


def _obey_interrupts() -> None:
    """What is started in the background of a script ignores SIGINT, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Server:
    """`objectd serve` on `directory`/data, which outlives the processes that serve it.

    `config` is the text of its configuration file, `workers` the option of that name. With
    `tls` it also listens for HTTPS, with a certificate that `certificate` names. `environment`
    goes before what the tests have and what they set, None for nothing.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: str = "",
        tls: bool = False,
        workers: int | None = None,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self.temporary = self.directory / "tmp"
        self.temporary.mkdir(parents=True)
        self.log = self.directory / "log"
        self.certificate: Path | None = None
        self.announced: list[str] = []
        self._urls: dict[str, str] = {}
        self._process: subprocess.Popen[str] | None = None
        self._command: list[str] = []
        variables: dict[str, str | None] = {
            **os.environ,
            "TMPDIR": str(self.temporary),
            "OBJECTD_ROOT_ACCESS_KEY": ACCESS_KEY,
            "OBJECTD_ROOT_SECRET_KEY": SECRET_KEY,
            "OBJECTD_BUCKETS": BUCKET,
            **(environment or {}),
        }
        self._environment = {name: text for name, text in variables.items() if text is not None}
        self._config = self.directory / "objectd.toml"
        self._config.write_text(self._with_tls(config) if tls else config)
        self._workers = [] if workers is None else [f"--workers={workers}"]
        self._schemes = ["http", "https"] if tls else ["http"]

    def _with_tls(self, config: str) -> str:
        settings = write_certificate(self.directory)
        self.certificate = settings.certificate
        return (
            f'server.listen_tls = ["127.0.0.1:0"]\n{config}\n'
            f'[tls]\ncertificate = "{settings.certificate}"\nkey = "{settings.key}"\n'
        )

    # The process

    @property
    def arguments(self) -> list[str]:
        """What either command takes."""
        options = [f"--config={self._config}", "--listen=127.0.0.1:0", *self._workers]
        return [*options, str(self.data)]

    def configure(self, config: str) -> None:
        """Write another configuration, to be read at the next start, or after SIGHUP."""
        self._config.write_text(self._with_tls(config) if self.certificate else config)

    @property
    def command(self) -> list[str]:
        if isinstance(reactor, AsyncioSelectorReactor):
            return self.twistd("--reactor=asyncio")
        return [str(BIN / "objectd"), "serve", *self.arguments]

    def twistd(self, *options: str) -> list[str]:
        """The same server as a command of `twistd`."""
        twistd = [str(BIN / "twistd"), "--nodaemon", "--pidfile=", f"--logfile={self.log}"]
        return [*twistd, *options, "objectd", *self.arguments]

    def run_verb(self, *words: str) -> tuple[int, str]:
        """Run `objectd` with these words on the same configuration and data: the status, and all
        that was said."""
        finished = subprocess.run(
            [str(BIN / "objectd"), *words, self.arguments[0], str(self.data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=VERB_SECONDS_MAX,
            check=False,
        )
        return finished.returncode, finished.stdout

    def start(self, command: Sequence[str] | None = None) -> None:
        """Returns when the server listens."""
        self._command = list(command or self.command)
        with self.log.open("a") as log:
            process = subprocess.Popen(
                self._command,
                cwd=self.directory,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=_obey_interrupts,  # noqa: PLW1509 - it takes no lock
            )
        self._process = process
        watchdog = Timer(START_SECONDS_MAX, process.kill)
        watchdog.start()
        try:
            self._await_listening(process)
        finally:
            watchdog.cancel()

    def _await_listening(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.announced, self._urls = [], {}
        for line in process.stdout:
            self.announced.append(line.rstrip("\n"))
            if line.startswith(_LISTENS):
                url = line.removeprefix(_LISTENS).strip()
                self._urls[url.partition(":")[0]] = url
                if self._urls.keys() >= set(self._schemes):
                    return
        raise AssertionError(f"the server did not start:\n{self.log.read_text()[-8000:]}")

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the server was not started"
        return self._process

    def children(self, role: str = "") -> list[int]:
        """The processes of one role, or of both, that the supervisor has now."""
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in found if f"\0{role}" in _command_line(child)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end of all processes and return the first's status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The status that the first process ends with, when all have ended; 0 also for the
        signal that stopped `twistd`, which it sends itself again when everything is over."""
        process = self.process
        status = process.wait(STOP_SECONDS_MAX)
        if process.stdout is not None:
            process.stdout.close()
        self._process = None
        self._await_children()
        by_twistd = "objectd" in self._command[1:]
        return 0 if by_twistd and status in (-signal.SIGTERM, -signal.SIGINT) else status

    def _await_children(self) -> None:
        """They hold the lock of the data directory until the last of them has ended."""
        with contextlib.suppress(FileNotFoundError), (self.data / LOCK).open() as lock:
            watchdog = Timer(STOP_SECONDS_MAX, signal.raise_signal, [signal.SIGABRT])
            watchdog.start()
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
            finally:
                watchdog.cancel()

    def end(self) -> None:
        """Whatever happened: no process is left, and no data."""
        if self._process is not None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.directory)

    # Its clients

    @property
    def url(self) -> str:
        return self._urls["http"]

    @property
    def tls_url(self) -> str:
        return self._urls["https"]

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def client(self, *, secure: bool = False, url: str | None = None, **config: Any) -> Any:
        """A boto3 client for S3 with its defaults, but that it never tries again."""
        return boto3.client(
            "s3",
            endpoint_url=url or (self.tls_url if secure else self.url),
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            verify=str(self.certificate) if secure else None,
            config=Config(**{"retries": {"total_max_attempts": 1}, **config}),
        )

    # What it holds

    def _processes(self) -> list[int]:
        return [self.process.pid, *self.children()]

    def status_bytes(self, name: str) -> int:
        """A size that the kernel tells of the processes, such as VmHWM, the peak memory; the
        sum of all."""
        return sum(_status_bytes(pid, name) for pid in self._processes())

    def processor_seconds(self) -> float:
        """How long the processes have kept processors busy, all together."""
        return sum(_processor_seconds(pid) for pid in self._processes())

    def open_files(self) -> list[str]:
        """What the descriptors of the processes stand for."""
        return [name for pid in self._processes() for name in self.open_files_of(pid)]

    def open_files_of(self, pid: int) -> list[str]:
        """The same of one process."""
        directory = Path(f"/proc/{pid}/fd")
        found = []
        for name in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):  # closed in between
                found.append(os.readlink(directory / name))
        return found

    def logged(self) -> str:
        """All that the processes have logged, also in files that `twistd` has put aside."""
        files = [file for file in self.directory.iterdir() if file.name.startswith("log")]
        return "".join(file.read_text(errors="replace") for file in files)

    def blob_files(self) -> list[Path]:
        """The files that hold data, incoming ones too."""
        blobs = self.data / "blobs"
        return [path for path in blobs.glob("*/**/*") if path.is_file() and path.parent != blobs]


def _command_line(pid: int | str) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def _status_bytes(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in text.splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) << 10


def _processor_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """Samples a server's memory, and its files in `$TMPDIR`, for as long as it is entered."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = Event()
        self._thread = Thread(target=self._sample_on, daemon=True)
        self.samples = 0
        self.memory_bytes_max = 0
        self.temporary_files: set[str] = set()
        self._untouched_ns = server.temporary.stat().st_mtime_ns

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._sample()

    @property
    def temporary_was_touched(self) -> bool:
        """Whether a file was ever made there, even one that is gone."""
        return self._server.temporary.stat().st_mtime_ns != self._untouched_ns

    def _sample_on(self) -> None:
        while not self._over.wait(1 / SAMPLES_A_SECOND):
            self._sample()

    def _sample(self) -> None:
        self.samples += 1
        # The kernel's own peak: nothing between two samples escapes it.
        self.memory_bytes_max = self._server.status_bytes("VmHWM")
        temporary = str(self._server.temporary)
        # Files without a name (O_TMPFILE) are seen here only.
        self.temporary_files |= {f for f in self._server.open_files() if f.startswith(temporary)}
