"""The servers that are measured, each started for the measurement and stopped after it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

STOP_SECONDS = 30
CEPH_PROGRAMS = ("ceph", "ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "radosgw-admin")
CEPH_START_SECONDS = 120
OSDS = 3


@attrs.frozen
class Server:
    """A server that runs, in the form in which the ruler is told of it."""

    name: str
    url: str
    access_key: str
    secret_key: str = attrs.field(repr=False)
    pid: int

    @property
    def spec(self) -> str:
        return f"{self.name}={self.url},{self.access_key},{self.secret_key},us-east-1,{self.pid}"


@contextmanager
def running_objectd(directory: Path, *options: str) -> Iterator[Server]:
    """`objectd serve` with its data and its log in `directory`. It is stopped at the end,
    whatever happens; one that does not start ends the program with its log."""
    access_key, secret_key = f"BENCH{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    log_file = directory / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from objectd.cli import main; main()"),
                *("serve", str(directory / "data"), "--listen", "127.0.0.1:0", *options),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={
                **os.environ,
                "OBJECTD_ROOT_ACCESS_KEY": access_key,
                "OBJECTD_ROOT_SECRET_KEY": secret_key,
            },
        )
        try:
            url = _announced_url(process)
            if url is None:
                raise SystemExit(f"objectd did not start:\n{log_file.read_text()}")
            yield Server("objectd", url, access_key, secret_key, process.pid)
        finally:
            _stop(process)


def _announced_url(process: subprocess.Popen[str]) -> str | None:
    """Where the server listens; None if it ended instead."""
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(r"http://\S+", line):
            return match.group()
    return None


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# Ceph's radosgw, on a cluster of one host


def has_ceph() -> bool:
    return all(shutil.which(program) for program in CEPH_PROGRAMS)


@contextmanager
def running_radosgw(directory: Path, port: int, *, osd_bytes: int) -> Iterator[Server]:
    """A monitor, a manager, three OSDs (BlueStore on sparse files of `osd_bytes`, two copies)
    and a radosgw on 127.0.0.1:`port`. The pid is that of a process above all of them, so that
    what is counted is the CPU time of the whole cluster, as it is for objectd."""
    for name in ("run", "log", "crash", "mon.a", "mgr.x"):
        (directory / name).mkdir(parents=True)
    configuration = directory / "ceph.conf"
    configuration.write_text(_ceph_conf(directory, port, osd_bytes))
    above = subprocess.Popen(
        [sys.executable, __file__, str(directory)],
        env={**os.environ, "CEPH_CONF": str(configuration)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert above.stdout is not None
        keys = json.loads(above.stdout.readline() or "null")
        if keys is None:
            raise SystemExit(f"Ceph did not start: see {directory / 'log'}")
        yield Server("radosgw", f"http://127.0.0.1:{port}", *keys, above.pid)
    finally:
        above.communicate()


def _ceph_conf(directory: Path, port: int, osd_bytes: int) -> str:
    return f"""
[global]
fsid = {uuid.uuid4()}
mon_initial_members = a
mon_host = [v2:127.0.0.1:3300/0,v1:127.0.0.1:6789/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
auth_allow_insecure_global_id_reclaim = false
run_dir = {directory}/run
admin_socket = {directory}/run/$cluster-$name.$pid.asok
pid_file = {directory}/run/$name.pid
log_file = {directory}/log/$name.log
crash_dir = {directory}/crash
osd_pool_default_size = 2
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 1000
[mon]
mon_data = {directory}/mon.$id
mon_data_avail_warn = 5
mon_data_avail_crit = 2
[mgr]
mgr_data = {directory}/mgr.$id
mgr_initial_modules =
mgr_stats_period = 1
[osd]
osd_data = {directory}/osd.$id
osd_objectstore = bluestore
bluestore_block_size = {osd_bytes}
bluestore_debug_enforce_settings = ssd
osd_memory_target = 1073741824
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
ms_mon_client_mode = crc
"""


def _ceph(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + CEPH_START_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit("Ceph takes too long to start")
        time.sleep(0.2)


def _start_cluster(directory: Path, started: list[subprocess.Popen[bytes]]) -> tuple[str, str]:
    """Returns the keys of a user of the gateway."""

    def start(*command: str) -> None:
        started.append(
            subprocess.Popen([*command, "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    _ceph("ceph-mon", "--mkfs", "-i", "a")
    start("ceph-mon", "-i", "a")
    start("ceph-mgr", "-i", "x")
    for number in map(str, range(OSDS)):
        (directory / f"osd.{number}").mkdir()
        uid = str(uuid.uuid4())
        _ceph("ceph", "osd", "new", uid, number)
        _ceph("ceph-osd", "-i", number, "--mkfs", "--osd-uuid", uid)
        start("ceph-osd", "-i", number)
    _until(lambda: f"{OSDS} up" in _ceph("ceph", "osd", "stat"))
    start("radosgw", "-n", "client.rgw")
    _until(lambda: ".rgw.root" in _ceph("ceph", "osd", "pool", "ls"))
    user = ("--uid", "bench", "--display-name", "bench")
    found = json.loads(_ceph("radosgw-admin", "-n", "client.rgw", "user", "create", *user))
    return found["keys"][0]["access_key"], found["keys"][0]["secret_key"]


def _run_cluster(directory: Path) -> None:
    """Run a cluster below this process until standard input ends."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        print(json.dumps(_start_cluster(directory, started)), flush=True)
        sys.stdin.read()
    finally:
        _end_all(started)


def _end_all(started: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in reversed(started):
        process.send_signal(signal.SIGTERM)
    for process in started:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    _run_cluster(Path(sys.argv[1]))
