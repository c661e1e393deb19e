"""One multipart upload, completed, aborted and added to at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from itertools import takewhile

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.races.servers import RacingServers
from objectd.testing.http import ClientResponse

REPETITIONS = 50
REPETITIONS_MAX = 500
"""As many as it may take to see what happens seldom."""
PARTS = {1: b"first part,", 2: b"second part"}
OTHER = b"a part that came late"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def code(answer: ClientResponse) -> str:
    """The code of an error, '' of a success."""
    found = re.search(rb"<Code>(\w+)</Code>", answer.body)
    return found[1].decode() if found else ""


class UploadTests(SynchronousTestCase):
    def test_one_end(self) -> None:
        """An upload is either completed, with one of the lists, or aborted, once; whoever
        asked for something else learns that, and nothing of it is left over."""
        ends: set[tuple[bool, ...]] = set()
        for seed in takewhile(lambda n: n < REPETITIONS or len(ends) < 3, range(REPETITIONS_MAX)):
            servers = RacingServers(seed, processes=1 + seed % 2)
            upload = self.begin(servers)
            completes = [self.complete(servers, upload, numbers) for numbers in ([1, 2], [1])]
            again = self.complete(servers, upload, [1, 2])
            aborts = [servers.client().ask("DELETE", f"/key?uploadId={upload}") for _ in "ab"]
            part = self.put_part(servers, upload, 1, OTHER)
            both, one, same, *aborted, added = servers.run(*completes, again, *aborts, part)

            shown = f"seed {seed}"
            self.assertLessEqual(
                {code(answer) for answer in (both, one, same)},
                {"", "NoSuchUpload", "InvalidPart", "OperationAborted"},
                shown,
            )
            self.assertLessEqual({a.status for a in aborted}, {204, 404, 409}, shown)
            self.assertIn(added.status, {200, 404, 409}, shown)
            was_completed = [a.status == 200 for a in (both, one, same)]
            was_aborted = [a.status == 204 for a in aborted]
            self.assertFalse(was_completed[1] and (was_completed[0] or was_completed[2]), shown)
            self.assertLessEqual(any(was_completed) + sum(was_aborted), 1, shown)
            [found] = servers.run(servers.client().ask("GET", "/key"))
            if was_completed[1]:
                self.assertEqual(found.body, PARTS[1], shown)
            elif any(was_completed):
                self.assertEqual(found.body, PARTS[1] + PARTS[2], shown)
            else:
                self.assertEqual(found.status, 404, shown)
            ends.add((was_completed[1], was_completed[0] or was_completed[2], any(was_aborted)))
            servers.come_to_rest()
        self.assertEqual(len(ends), 3, f"only {ends} happened")

    def test_parts(self) -> None:
        """Of a part that many upload at once one is there in the end, whole."""
        for seed in range(REPETITIONS):
            servers = RacingServers(seed, processes=1 + seed % 2)
            upload = self.begin(servers)
            bodies = [b"%2d" % number * 8 for number in range(20)]
            answers = servers.run(*(self.put_part(servers, upload, 1, body) for body in bodies))
            self.assertLessEqual({answer.status for answer in answers}, {200, 409})
            [listed] = servers.run(servers.client().ask("GET", f"/key?uploadId={upload}"))
            etags = re.findall(rb"<ETag>(?:&quot;|\")(\w+)", listed.body)
            [body] = [body for body in bodies if md5(body).encode() == etags[0]]
            done = self.complete(servers, upload, [1, 2], {1: body, 2: PARTS[2]})
            self.assertEqual(servers.run(done)[0].status, 200)
            [found] = servers.run(servers.client().ask("GET", "/key"))
            self.assertEqual(found.body, body + PARTS[2])
            servers.come_to_rest()

    def begin(self, servers: RacingServers) -> str:
        """The id of an upload with two parts."""
        [begun] = servers.run(servers.client().ask("POST", "/key?uploads"))
        found = re.search(rb"<UploadId>(\w+)</UploadId>", begun.body)
        assert found is not None, begun
        upload = found[1].decode()
        for number, data in PARTS.items():
            [put] = servers.run(self.put_part(servers, upload, number, data))
            self.assertEqual(put.status, 200)
        return upload

    async def put_part(
        self, servers: RacingServers, upload: str, number: int, data: bytes
    ) -> ClientResponse:
        target = f"/key?partNumber={number}&uploadId={upload}"
        return await servers.client().ask("PUT", target, data)

    async def complete(
        self,
        servers: RacingServers,
        upload: str,
        numbers: Sequence[int],
        parts: dict[int, bytes] = PARTS,
    ) -> ClientResponse:
        lines = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{md5(parts[n])}</ETag></Part>"
            for n in numbers
        )
        body = f"<CompleteMultipartUpload>{lines}</CompleteMultipartUpload>".encode()
        return await servers.client().ask("POST", f"/key?uploadId={upload}", body)
