"""Conditional writes that race: of all that would have to be first, one is.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import hashlib
from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.races.servers import RacingClient, RacingServers
from objectd.testing.http import ClientResponse

REPETITIONS = 30
CREATORS = 200
INCREMENTS = 3
REFUSED = {409, 412}
"""409 is for who lost again and again to other processes, and says: look again."""


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def some_body(number: int, seed: int) -> bytes:
    """A row with an even seed, a blob with an odd one."""
    return b"%d" % number if seed % 2 == 0 else b"%3d" % number * 10


class CreationTests(SynchronousTestCase):
    def test_one_creates(self) -> None:
        """Of 200 PUTs with If-None-Match: * exactly one is answered with 200, and its bytes
        are what GET returns."""
        for seed in range(REPETITIONS):
            self.race(RacingServers(seed, processes=1 + seed % 3))

    def test_owner_apart(self) -> None:
        """Also when the owner of the metadata is a process behind a socket."""
        for seed in range(10):
            self.race(RacingServers(seed, owner_apart=True))

    def race(self, servers: RacingServers) -> None:
        statuses = servers.run(*(self.create(servers, n) for n in range(CREATORS)))
        [winner] = [number for number, status in enumerate(statuses) if status == 200]
        self.assertLessEqual(set(statuses), {200, *REFUSED})
        found = self.read(servers).body
        self.assertEqual(found, some_body(winner, servers.seed), f"seed {servers.seed}")
        servers.come_to_rest()

    def test_lost_answers(self) -> None:
        """Also when answers of the metadata's owner get lost, and it dies twice, no two are
        told that they created the object, and it is that of the one who was."""
        for seed in range(REPETITIONS):
            servers = RacingServers(seed, processes=1 + seed % 2)
            servers.lose_answers(0.02, owner_deaths=2)
            statuses = servers.run(*(self.create(servers, n) for n in range(CREATORS)))
            servers.lose_answers(0.0)
            told = [number for number, status in enumerate(statuses) if status == 200]
            unknown = [number for number, status in enumerate(statuses) if status >= 500]
            self.assertLessEqual(len(told), 1, f"seed {seed}")
            found = self.read(servers)
            possible = {some_body(number, seed) for number in told or unknown}
            if found.status == 404:
                self.assertEqual(told, [], f"seed {seed}")
            else:
                self.assertIn(found.body, possible, f"seed {seed}")
        self.flushLoggedErrors()  # of an owner that says that it cannot go on

    async def create(self, servers: RacingServers, number: int) -> int:
        client, body = servers.client(), some_body(number, servers.seed)
        return (await client.ask("PUT", "/key", body, {"if-none-match": "*"})).status

    def read(self, servers: RacingServers) -> ClientResponse:
        [answer] = servers.run(servers.client().ask("GET", "/key"))
        if answer.status == 200:
            self.assertEqual(answer.header(b"etag"), etag(answer.body).encode())
        return answer


class UpdateTests(SynchronousTestCase):
    def test_counting(self) -> None:
        """20 writers that count with GET and PUT If-Match lose no update."""
        for seed in range(5):
            servers = RacingServers(seed, processes=1 + seed % 3)
            servers.run(servers.client().ask("PUT", "/counter", b"0"))
            servers.run(*(self.count(servers.client()) for _ in range(20)))
            [answer] = servers.run(servers.client().ask("GET", "/counter"))
            self.assertEqual(answer.body, b"%d" % (20 * INCREMENTS), f"seed {seed}")
            servers.come_to_rest()

    async def count(self, client: RacingClient) -> None:
        counted = 0
        while counted < INCREMENTS:
            found = await client.ask("GET", "/counter")
            seen = {"if-match": etag(found.body)}
            put = await client.ask("PUT", "/counter", b"%d" % (int(found.body) + 1), seen)
            self.assertIn(put.status, {200, *REFUSED})
            counted += put.status == 200

    def test_deletion(self) -> None:
        """Of those who delete or replace what they have seen one succeeds, and the object is
        as that one left it."""
        for seed in range(REPETITIONS):
            servers = RacingServers(seed, processes=1 + seed % 2)
            servers.run(servers.client().ask("PUT", "/key", b"seen"))
            seen = {"if-match": etag(b"seen")}
            deletions = [servers.client().ask("DELETE", "/key", b"", seen) for _ in range(10)]
            bodies = [some_body(number, seed) for number in range(10)]
            puts = [servers.client().ask("PUT", "/key", body, seen) for body in bodies]
            answers = servers.run(*deletions, *puts)
            statuses = [answer.status for answer in answers]
            [winner] = [n for n, status in enumerate(statuses) if status in (200, 204)]
            self.assertLessEqual(set(statuses), {200, 204, 404, *REFUSED})
            [found] = servers.run(servers.client().ask("GET", "/key"))
            if winner < len(deletions):
                self.assertEqual(found.status, 404)
            else:
                self.assertEqual(found.body, bodies[winner - len(deletions)])
            servers.come_to_rest()

    def test_deletion_of_another(self) -> None:
        """Who deletes what it has seen never deletes what came after that."""
        for seed in range(REPETITIONS):
            servers = RacingServers(seed, processes=1 + seed % 2)
            servers.run(servers.client().ask("PUT", "/key", b"old"))
            delete = servers.client().ask("DELETE", "/key", b"", {"if-match": etag(b"old")})
            put = servers.client().ask("PUT", "/key", b"new")
            deleted, replaced = servers.run(delete, put)
            self.assertEqual(replaced.status, 200)
            self.assertIn(deleted.status, {204, *REFUSED})
            [found] = servers.run(servers.client().ask("GET", "/key"))
            self.assertEqual((found.status, found.body), (200, b"new"), f"seed {seed}")


class AppendTests(SynchronousTestCase):
    def test_one_place(self) -> None:
        """Of those who append at one offset one does; the others are told that the object
        ends elsewhere."""
        for seed in range(REPETITIONS):
            servers = RacingServers(seed, processes=1 + seed % 2)
            servers.run(servers.client().ask("PUT", "/log", b"begin,"))
            pieces = [some_body(number, seed) for number in range(10)]
            appends = [self.append(servers.client(), piece, 6) for piece in pieces]
            statuses = servers.run(*appends)
            self.assertLessEqual(set(statuses), {200, 400, 409})
            [winner] = [number for number, status in enumerate(statuses) if status == 200]
            [found] = servers.run(servers.client().ask("GET", "/log"))
            self.assertEqual(found.body, b"begin," + pieces[winner], f"seed {seed}")
            servers.come_to_rest()

    def test_all_in_turn(self) -> None:
        """Who looks again and tries again gets its piece in, once and whole."""
        for seed in range(5):
            servers = RacingServers(seed, processes=1 + seed % 2)
            servers.run(servers.client().ask("PUT", "/log", b""))
            pieces = [b"%d," % number * 4 for number in range(15)]
            servers.run(*(self.append_somewhere(servers.client(), piece) for piece in pieces))
            [found] = servers.run(servers.client().ask("GET", "/log"))
            lines = Counter(found.body.split(b",")[:-1])
            self.assertEqual(lines, {b"%d" % number: 4 for number in range(15)}, f"seed {seed}")
            self.assertTrue(all(piece in found.body for piece in pieces))
            servers.come_to_rest()

    async def append(self, client: RacingClient, piece: bytes, offset: int) -> int:
        headers = {"x-amz-write-offset-bytes": str(offset)}
        answer = await client.ask("PUT", "/log", piece, headers)
        if answer.status == 400:
            self.assertIn(b"<Code>InvalidWriteOffset</Code>", answer.body)
        return answer.status

    async def append_somewhere(self, client: RacingClient, piece: bytes) -> None:
        status = 0
        while status != 200:
            head = await client.ask("HEAD", "/log")
            offset = int(head.header(b"content-length") or b"0")
            status = await self.append(client, piece, offset)
            self.assertIn(status, {200, 400, 409})
