#!/usr/bin/env python3
"""Measure S3 servers side by side with the same requests, in turn, in one run.

Needs: boto3 (signs the URLs), wrk (small requests), curl (large bodies), all from
PyPI or Debian. Requests are signed beforehand (presigned URLs; put4ksigned and
put4ktrailer carry the headers that SDKs send, over HTTP and over HTTPS), so the load
generators spend almost nothing on signing and the servers verify real signatures.

  s3bench.py --server objectd=http://127.0.0.1:9000,KEY,SECRET[,region[,pid]] \
             --server peer=http://127.0.0.1:7480,KEY,SECRET \
             [--workloads get4k,put4k,...] [--rounds 3] [--seconds 5] [--connections 32]

Per workload and server it prints the median over the rounds of: requests/s (or
MB/s), latency p50 and p99 in ms, errors, CPU milliseconds of the server's process
tree per request (or per MB) where a pid was given, and the ratio of the first
server to each. Absolute figures drift with the machine; quote ratios.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials

SMALL = [
    "get4k",
    "get64k",
    "get1m",
    "put4k",
    "put4ksigned",
    "put4ktrailer",
    "put64k",
    "put1m",
    "mixed4k",
    "list1000",
    "delete",
]
LARGE = ["putlarge", "getlarge", "putlarge4", "getlarge4", "multipart"]
BUCKET = "s3bench"


def tree_cpu(pid):
    """CPU seconds (user+system, with reaped children) of a process and its descendants."""
    if not pid:
        return None
    tick = os.sysconf("SC_CLK_TCK")
    kids, stats = {}, {}
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            f = Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        kids.setdefault(int(f[1]), []).append(int(p))
        stats[int(p)] = (int(f[11]) + int(f[12])) / tick
    todo, total = [pid], 0.0
    while todo:
        p = todo.pop()
        total += stats.get(p, 0.0)
        todo += kids.get(p, [])
    return total


class Server:
    def __init__(self, spec):
        self.name, rest = spec.split("=", 1)
        parts = rest.split(",")
        self.url, self.key, self.secret = parts[:3]
        self.region = parts[3] if len(parts) > 3 and parts[3] else "us-east-1"
        self.pid = int(parts[4]) if len(parts) > 4 else None
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name=self.region,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        with contextlib.suppress(self.s3.exceptions.ClientError):
            self.s3.create_bucket(Bucket=BUCKET)

    def sign(self, op, **kw):
        return self.s3.generate_presigned_url(
            op, Params=dict(Bucket=BUCKET, **kw), ExpiresIn=86400
        )[len(self.url) :]

    def signed_put(self, key, body, headers, payload_hash):
        """(method, path, headers) of a PUT signed in its headers; good for 15 minutes."""
        path = f"/{BUCKET}/{key}"
        r = AWSRequest(
            "PUT",
            self.url + path,
            data=body,
            headers={**headers, "X-Amz-Content-SHA256": payload_hash},
        )
        auth = S3SigV4Auth(Credentials(self.key, self.secret), "s3", self.region)
        auth.payload = lambda request: payload_hash
        auth.add_auth(r)
        return "PUT", path, {k: v for k, v in r.headers.items() if k.lower() != "host"}

    def fill(self, prefix, count, size):
        body = os.urandom(size)
        with ThreadPoolExecutor(8) as ex:
            list(
                ex.map(
                    lambda i: self.s3.put_object(Bucket=BUCKET, Key=f"{prefix}/{i:06d}", Body=body),
                    range(count),
                )
            )


def trailer_body(size):
    """What boto3 sends over HTTPS: one aws-chunked chunk and a CRC32 trailer."""
    data = b"x" * size
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    return f"{size:x}\r\n{data.decode()}\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n"


def lua(requests, size, body=None):
    """A wrk script that cycles through (method, path[, headers]).

    Bodies are `size` bytes unless given.
    """
    lines = []
    for m, p, *h in requests:
        heads = "{" + ",".join(f'["{k}"]="{v}"' for k, v in h[0].items()) + "}" if h else "nil"
        lines.append(f'{{"{m}", "{p}", {heads}}},\n')
    literal = json.dumps(body).replace("\\u", "\\x") if body else f'string.rep("x", {size})'
    script = (
        "local t = {\n" + "".join(lines) + "}\n"
        f"local body = {literal}\n"
        "local i = math.random(#t)\n"
        "request = function()\n  i = i % #t + 1\n  local m = t[i][1]\n"
        '  if m == "PUT" then return wrk.format(m, t[i][2], t[i][3], body) end\n'
        "  return wrk.format(m, t[i][2])\nend\n"
        "done = function(s, l, r)\n"
        '  print(string.format("RESULT %d %d %d %d %d %d", s.requests, s.duration,'
        " l:percentile(50), l:percentile(99), s.errors.status,"
        " s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout))\nend\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as f:
        f.write(script)
    return f.name


def requests_for(server, w, state):
    size = {"4k": 4096, "64k": 65536, "1m": 1 << 20}.get(re.sub("^[a-z]+", "", w), 4096)
    if w.startswith("get") or w == "mixed4k":
        n = 64 if size > 65536 else 1000
        if ("fill", server.name, size) not in state:
            server.fill(f"f{size}", n, size)
            state[("fill", server.name, size)] = True
    if w.startswith("get"):
        return [("GET", server.sign("get_object", Key=f"f{size}/{i:06d}")) for i in range(n)], size
    if w == "put4ksigned":
        body = b"x" * 4096
        digest = hashlib.sha256(body).hexdigest()
        crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        return [
            server.signed_put(
                f"p4096/{i:06d}",
                body,
                {"x-amz-checksum-crc32": crc, "x-amz-sdk-checksum-algorithm": "CRC32"},
                digest,
            )
            for i in range(2000)
        ], 4096
    if w == "put4ktrailer":
        return [
            server.signed_put(
                f"p4096/{i:06d}",
                b"",
                {
                    "Content-Encoding": "aws-chunked",
                    "x-amz-trailer": "x-amz-checksum-crc32",
                    "x-amz-decoded-content-length": "4096",
                    "x-amz-sdk-checksum-algorithm": "CRC32",
                },
                "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            )
            for i in range(2000)
        ], 4096
    if w.startswith("put"):
        return [
            ("PUT", server.sign("put_object", Key=f"p{size}/{i:06d}")) for i in range(2000)
        ], size
    if w == "mixed4k":
        g = [("GET", server.sign("get_object", Key=f"f4096/{i % 1000:06d}")) for i in range(2100)]
        p = [("PUT", server.sign("put_object", Key=f"p4096/{i:06d}")) for i in range(900)]
        out = []
        for i in range(300):
            out += g[7 * i : 7 * i + 7] + p[3 * i : 3 * i + 3]
        return out, 4096
    if w == "list1000":
        if ("list", server.name) not in state:
            server.fill("l", 3000, 16)
            state[("list", server.name)] = True
        return [
            (
                "GET",
                server.sign("list_objects_v2", Prefix="l/", StartAfter=f"l/{i:06d}", MaxKeys=1000),
            )
            for i in range(0, 1900, 10)
        ], 0
    if w == "delete":
        return [
            ("DELETE", server.sign("delete_object", Key=f"p4096/{i:06d}")) for i in range(2000)
        ], 0
    raise SystemExit(f"unknown workload {w}")


def run_small(server, script, a):
    c0 = tree_cpu(server.pid)
    out = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{a.connections}",
            f"-d{a.seconds}s",
            "--timeout",
            "30s",
            "-s",
            script,
            server.url,
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    c1 = tree_cpu(server.pid)
    m = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)", out)
    if not m:
        raise SystemExit(f"wrk failed on {server.name}: {out}")
    n, us, p50, p99, bad, broken = map(int, m.groups())
    return {
        "rate": n / (us / 1e6),
        "p50": p50 / 1e3,
        "p99": p99 / 1e3,
        "errors": bad + broken,
        "cpu": None if c0 is None else (c1 - c0) * 1e3 / max(n, 1),
    }


def run_large(server, w, a, path, state):
    size = os.path.getsize(path)
    streams = 4 if w.endswith("4") else 1
    curl = ["curl", "-s", "-S", "-f", "-o", "/dev/null", "--http1.1"]
    if w == "multipart":
        up = server.s3.create_multipart_upload(Bucket=BUCKET, Key="mp")["UploadId"]
        parts = 8
        urls = [
            server.sign("upload_part", Key="mp", UploadId=up, PartNumber=i + 1)
            for i in range(parts)
        ]
        cmds = [
            [*curl, "-D", f"{tempfile.gettempdir()}/s3bench.h{i}", "-T", path, server.url + u]
            for i, u in enumerate(urls)
        ]
        streams, total = 4, parts * size
    elif w.startswith("put"):
        cmds = [
            [*curl, "-T", path, server.url + server.sign("put_object", Key=f"large{i}")]
            for i in range(streams)
        ]
        total = streams * size
    else:
        if ("large", server.name) not in state:
            for i in range(4):
                subprocess.run(
                    [*curl, "-T", path, server.url + server.sign("put_object", Key=f"large{i}")],
                    check=True,
                )
            state[("large", server.name)] = True
        cmds = [
            [*curl, server.url + server.sign("get_object", Key=f"large{i}")] for i in range(streams)
        ]
        total = streams * size
    c0, t0 = tree_cpu(server.pid), time.perf_counter()
    with ThreadPoolExecutor(streams) as ex:
        errors = sum(
            r.returncode != 0
            for r in ex.map(lambda c: subprocess.run(c, capture_output=True, check=False), cmds)
        )
    if w == "multipart" and not errors:
        etags = [
            re.search(
                r"(?im)^etag:\s*(\S+)",
                Path(f"{tempfile.gettempdir()}/s3bench.h{i}").read_text(),
            ).group(1)
            for i in range(parts)
        ]
        server.s3.complete_multipart_upload(
            Bucket=BUCKET,
            Key="mp",
            UploadId=up,
            MultipartUpload={
                "Parts": [{"PartNumber": i + 1, "ETag": e} for i, e in enumerate(etags)]
            },
        )
    t, c1 = time.perf_counter() - t0, tree_cpu(server.pid)
    return {
        "rate": total / t / 1e6,
        "p50": t * 1e3,
        "p99": t * 1e3,
        "errors": errors,
        "cpu": None if c0 is None else (c1 - c0) * 1e9 / total,
    }


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--server", action="append", required=True)
    p.add_argument(
        "--workloads",
        default="get4k,put4k,put4ksigned,put4ktrailer,mixed4k,list1000,delete,get1m,put1m,"
        "putlarge,getlarge,putlarge4,getlarge4,multipart",
    )
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=int, default=5)
    p.add_argument("--connections", type=int, default=32)
    p.add_argument("--large-mib", type=int, default=256)
    p.add_argument("--json")
    a = p.parse_args()
    servers = [Server(s) for s in a.server]
    state, results = {}, {}
    big = None
    for w in a.workloads.split(","):
        runs = {s.name: [] for s in servers}
        if w in LARGE:
            if big is None:
                big = f"/dev/shm/s3bench.{os.getpid()}"
                with open(big, "wb") as f:
                    for _ in range(a.large_mib):
                        f.write(os.urandom(1 << 20))
            for _ in range(a.rounds):
                for s in servers:
                    runs[s.name].append(run_large(s, w, a, big, state))
        else:
            for _ in range(a.rounds):
                for s in servers:
                    script = lua(
                        *requests_for(s, w, state),
                        trailer_body(4096) if w == "put4ktrailer" else None,
                    )
                    runs[s.name].append(run_small(s, script, a))
                    os.unlink(script)
        unit = "MB/s" if w in LARGE else "req/s"
        med = {
            n: {k: (None if r[0][k] is None else statistics.median(x[k] for x in r)) for k in r[0]}
            for n, r in runs.items()
        }
        first = med[servers[0].name]["rate"]
        for s in servers:
            m = med[s.name]
            cpu = (
                ""
                if m["cpu"] is None
                else f"  cpu {m['cpu']:.3f} ms/{'MB' if w in LARGE else 'req'}"
            )
            print(
                f"{w:10s} {s.name:12s} {m['rate']:10.1f} {unit}  p50 {m['p50']:8.2f}  "
                f"p99 {m['p99']:8.2f} ms  errors {m['errors']:.0f}{cpu}  "
                f"{servers[0].name}/this {first / m['rate'] if m['rate'] else float('inf'):.2f}",
                flush=True,
            )
        results[w] = med
    if big:
        os.unlink(big)
    if a.json:
        Path(a.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
