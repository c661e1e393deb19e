"""Every document of S3, built or not, is read by a parser that hostile XML does not hurt (XXE:
Swift CVE-2022-47950, LocalS3 CVE-2025-27136)."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.errors import S3Error
from objectd.protocol.model import load_s3_model
from objectd.protocol.operations import Operation, compiled
from objectd.protocol.targets import parse_target
from objectd.test.protocol.boto import serialized
from objectd.test.protocol.values import Values, to_boto

MODEL = load_s3_model()
SECONDS_MAX = 2.0
"""Of CPU: a hundred times what it takes on a quiet machine, and far below what a bomb would."""

BYTES_MAX = 10 << 20
CODES = {"MalformedXML", "MalformedACLError", "MaxMessageLengthExceeded"}

_BOMB = b"".join(
    b'<!ENTITY %c "%b">' % (97 + n, b"&%c;" % (96 + n) * 10 if n else b"lol") for n in range(10)
)


class HostileDocumentTests(SynchronousTestCase):
    def operations(self) -> Iterator[tuple[Operation, bytes]]:
        """Those that read an XML body, with a right one."""
        for name, model in MODEL.operations.items():
            operation = compiled(MODEL, name)
            if not operation.has_payload or model.input is None or model.alias_of:
                continue
            request, body = serialized(name, to_boto(Values(1).structure(model.input), model.input))
            if body.startswith(b"<"):
                operation.parse(request, parse_target(request, ()), body)
                yield operation, body

    def assert_refused(self, operation: Operation, body: bytes) -> None:
        shape = operation.model.input
        assert shape is not None
        request, _ = serialized(operation.name, to_boto(Values(1).structure(shape), shape))
        target = parse_target(request, ())
        with self.assertRaises(S3Error) as caught:
            operation.parse(request, target, body)
        self.assertIn(caught.exception.code, CODES, operation.name)
        self.assertEqual(caught.exception.status, 400)

    def attacks(self, body: bytes) -> Iterator[bytes]:
        name = body[1:].partition(b">")[0].partition(b" ")[0]
        end = body.index(b">")
        yield b"<!DOCTYPE %b>" % name + body
        yield b'<!DOCTYPE %b SYSTEM "http://127.0.0.1:1/evil.dtd">' % name + body
        yield b'<!DOCTYPE %b [<!ENTITY x SYSTEM "file:///etc/passwd">]>' % name + body
        yield b'<!DOCTYPE %b [<!ENTITY %% x SYSTEM "file:///dev/zero">%%x;]>' % name + body
        yield b"<!DOCTYPE %b [%b]>" % (name, _BOMB) + body
        yield ("\ufeff<!DOCTYPE x []>" + body.decode()).encode("utf-16-le")
        yield body[: end + 1] + b"<a>" * 1_000_000
        yield b"<%b>" % name * 1_000_000
        yield body[:end] + b"".join(b' a%d=""' % n for n in range(1_000_000)) + body[end:]

    def test_every_document(self) -> None:
        """DOCTYPEs, external entities, bombs, a million open elements or attributes: each is
        refused at once, whichever operation the document is for."""
        count = 0
        for operation, body in self.operations():
            for attack in self.attacks(body):
                started = time.process_time()
                self.assert_refused(operation, attack)
                self.assertLess(time.process_time() - started, SECONDS_MAX, operation.name)
            count += 1
        self.assertGreater(count, 20)

    def test_memory(self) -> None:
        """None of it takes more than 10 MiB."""
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for operation, body in self.operations():
            if operation.name in ("DeleteObjects", "CompleteMultipartUpload", "PutBucketTagging"):
                for attack in self.attacks(body):
                    tracemalloc.reset_peak()
                    before_bytes = tracemalloc.get_traced_memory()[0]
                    self.assert_refused(operation, attack)
                    grown_bytes = tracemalloc.get_traced_memory()[1] - before_bytes
                    self.assertLess(grown_bytes, BYTES_MAX, operation.name)
