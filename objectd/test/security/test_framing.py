"""Lengths that are missing, too many or wrong (versitygw GHSA-v2ch), and requests that hide in
others (Twisted CVE-2022-24801, CVE-2020-10108, CVE-2020-10109, CVE-2024-41671).

`DESYNC` is the corpus that `functional.test_proxies` also sends through proxies.
"""

from __future__ import annotations

from itertools import product

from objectd.auth.payload import PayloadMode
from objectd.test.s3.wire import BUCKET, Upload, WireTestCase, head_bytes, outer_chunks
from objectd.test.security.desync import DESYNC, hidden_request, key_of
from objectd.testing.http import Connection
from objectd.testing.s3 import ACCESS_KEY, SECRET_KEY

DATA = b"d" * 1000
WRONG_BYTES = (-1, 1, 100_000)


class LengthTests(WireTestCase):
    """Every combination of Content-Length, Transfer-Encoding, aws-chunked and decoded length."""

    def test_every_combination(self) -> None:
        """An upload is stored if all that it says of its length is right and enough, and
        otherwise refused or waited for in vain; the server goes on in any case."""
        lengths = (None, 0, *WRONG_BYTES)
        for mode, outer, length, decoded in product(
            PayloadMode, (False, True), lengths, (None, 0, *WRONG_BYTES)
        ):
            self.attempt(mode, outer=outer, length=length, decoded=decoded)

    def attempt(
        self, mode: PayloadMode, *, outer: bool, length: int | None, decoded: int | None
    ) -> None:
        """Lengths are given by how far they are from the right ones."""
        chunked = mode.value.startswith("STREAMING")
        decoded_length = None if decoded is None else str(len(DATA) + decoded)
        upload = Upload(mode, DATA, decoded_length=decoded_length)
        request = upload.request()
        body = upload.body(request)
        framing = [b"transfer-encoding: chunked"] if outer else []
        sent = outer_chunks(body) if outer else body
        if length is not None:
            framing.append(b"content-length: %d" % (len(body) + length))
        case = (mode, outer, length, decoded)
        # Of what nobody signed or digested, a shorter length makes a shorter object.
        cut_bytes = 1 if (mode, outer, length) == (PayloadMode.UNSIGNED, False, -1) else 0
        framed = outer != (length == -cut_bytes) and length in (None, -cut_bytes)
        right = framed and not (chunked and decoded != 0)
        before = self.contents()
        connection = Connection(self.server.site)
        connection.send(head_bytes(request, *framing) + sent)
        connection.advance(100)
        self.assertTrue(connection.closed, case)
        statuses = [response.status for response in connection.responses(["PUT"])]
        self.assertEqual(statuses[:1] == [200], right, (case, statuses))
        self.assertFalse([status for status in statuses if status >= 500], (case, statuses))
        if right:
            self.assertEqual(
                self.s3.get_object(Bucket=BUCKET, Key="new")["Body"].read(), DATA[cut_bytes:]
            )
            self.s3.delete_object(Bucket=BUCKET, Key="new")
        else:
            self.assertEqual(self.contents().files, before.files, case)
            self.assertNotIn("new", self.keys(), case)

    def keys(self) -> set[str]:
        return {found["Key"] for found in self.s3.list_objects_v2(Bucket=BUCKET)["Contents"]}


class SmugglingTests(WireTestCase):
    """What hides behind a framing that two parsers read differently is never carried out."""

    def test_desync(self) -> None:
        """The hidden request leaves no object, however the bytes are cut; the connection ends
        with the answer to the one that hid it."""
        for name, make in DESYNC.items():
            for cut in (None, 1, 40, 100, 300):
                data = make(hidden_request(BUCKET, name, ACCESS_KEY, SECRET_KEY))
                connection = Connection(self.server.site)
                if cut is not None:
                    connection.send(data[:cut])
                connection.send(data if cut is None else data[cut:])
                connection.advance(100)
                self.assertTrue(connection.closed, name)
                answers = connection.responses()
                self.assertEqual(len(answers), 1, (name, cut))
                self.assertIn(answers[0].status, (400, 403, 408, 501), (name, cut))
                listed = self.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
                self.assertNotIn(key_of(name), {found["Key"] for found in listed}, (name, cut))

    def test_the_hidden_request_is_good(self) -> None:
        """Sent openly, it is carried out: the test above could fail."""
        data = hidden_request(BUCKET, "openly", ACCESS_KEY, SECRET_KEY)
        connection = Connection(self.server.site)
        connection.send(data)
        self.assertEqual([r.status for r in connection.responses(["PUT"])], [200])
        self.s3.head_object(Bucket=BUCKET, Key=key_of("openly"))
