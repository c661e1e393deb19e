"""Each key is a register to all clients, however the store's answers are delayed.

A history that fails is shown with its seed, which brings it back.
"""

from __future__ import annotations

import hashlib
import os
from random import Random
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.races.linearizing import Step, is_linearizable
from objectd.test.races.servers import BUCKET, RacingClient, RacingServers
from objectd.testing.http import ClientResponse

SEEDS = 60 if os.environ.get("HYPOTHESIS_PROFILE") == "ci" else 15
CLIENTS = 5
STEPS = 12
KEYS = ("/a", "/b", "/c")
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Chronicler:
    """A client that does this and that, and writes down what it saw of which key."""

    def __init__(self, number: int, client: RacingClient, random: Random) -> None:
        self._number = number
        self._client = client
        self._random = random
        self._histories: dict[str, list[Step]] = {key: [] for key in KEYS}
        self._bodies = 0

    async def live(self) -> dict[str, list[Step]]:
        actions = (
            *(self._put, self._put, self._copy, self._delete),
            *(self._get, self._head, self._list),
        )
        for _ in range(STEPS):
            await self._random.choice(actions)(self._random.choice(KEYS))
        return self._histories

    async def _put(self, key: str) -> None:
        self._bodies += 1
        body = b"%d-%d" % (self._number, self._bodies)
        if self._random.random() < 0.5:
            body *= 10  # a blob
        answer = await self._client.ask("PUT", key, body)
        if answer.status == 200:
            self._note(key, hashlib.md5(body).hexdigest(), is_write=True)
        else:
            assert answer.status == 409, answer  # others kept changing it: nothing was done

    async def _delete(self, key: str) -> None:
        answer = await self._client.ask("DELETE", key)
        if answer.status == 204:
            self._note(key, None, is_write=True)
        else:
            assert answer.status == 409, answer

    async def _copy(self, key: str) -> None:
        """Reads one key and writes another."""
        source = self._random.choice([other for other in KEYS if other != key])
        answer = await self._client.ask("PUT", key, b"", {"x-amz-copy-source": BUCKET + source})
        if answer.status == 200:
            copied = ElementTree.fromstring(answer.body).findtext(f"{NAMESPACE}ETag") or ""
            self._note(source, copied.strip('"'))
            self._note(key, copied.strip('"'), is_write=True)
        elif answer.status == 404:
            self._note(source, None)
        else:
            assert answer.status == 409, answer

    async def _get(self, key: str) -> None:
        answer = await self._client.ask("GET", key)
        found = _etag(answer)
        assert found in (None, hashlib.md5(answer.body).hexdigest()), answer
        self._note(key, found)

    async def _head(self, key: str) -> None:
        self._note(key, _etag(await self._client.ask("HEAD", key)))

    async def _list(self, _: str) -> None:
        """Tells of every key at once."""
        answer = await self._client.ask("GET", "?list-type=2")
        assert answer.status == 200, answer
        found = {
            f"/{line.findtext(f'{NAMESPACE}Key')}": line.findtext(f"{NAMESPACE}ETag") or ""
            for line in ElementTree.fromstring(answer.body).iter(f"{NAMESPACE}Contents")
        }
        for key in KEYS:
            self._note(key, found[key].strip('"') if key in found else None)

    def _note(self, key: str, value: str | None, *, is_write: bool = False) -> None:
        client = self._client
        step = Step(client.sent_at, client.answered_at, value, is_write, self._number)
        self._histories[key].append(step)


async def collect(servers: RacingServers) -> dict[str, list[Step]]:
    """The collector takes what nobody refers to, all the while."""
    for _ in range(STEPS):
        await servers.collect()
        await servers.pause()
    return {}


def _etag(answer: ClientResponse) -> str | None:
    if answer.status == 404:
        return None
    assert answer.status == 200, answer
    return (answer.header(b"etag") or b"").decode().strip('"')


class RegisterTests(SynchronousTestCase):
    def test_histories(self) -> None:
        """What clients of one or two processes read and list may have been there, in an
        order of all writes that everybody's answers agree with."""
        for seed in range(SEEDS):
            servers = RacingServers(seed, processes=1 + seed % 2)
            clients = [
                Chronicler(number, servers.client(), servers.random) for number in range(CLIENTS)
            ]
            *histories, _ = servers.run(*(client.live() for client in clients), collect(servers))
            for key in KEYS:
                steps = [step for history in histories for step in history[key]]
                if not is_linearizable(steps):
                    lines = "\n".join(map(str, sorted(steps, key=lambda step: step.start)))
                    self.fail(f"seed {seed}: {key} is no register:\n{lines}")
            servers.come_to_rest()


class LinearizingTests(SynchronousTestCase):
    """The judge itself."""

    def test_one_after_the_other(self) -> None:
        """A read sees the last write that ended before it began."""
        written = [Step(0, 1, "x", True), Step(2, 3, "y", True)]
        self.assertTrue(is_linearizable([*written, Step(4, 5, "y", False)]))
        self.assertFalse(is_linearizable([*written, Step(4, 5, "x", False)]))
        self.assertFalse(is_linearizable([*written, Step(4, 5, None, False)]))

    def test_at_once(self) -> None:
        """A read beside a write sees the old value or the new one; once somebody has seen
        the new one, nobody sees the old one any more."""
        write = Step(0, 100, "x", True)
        old, new = Step(10, 20, None, False), Step(30, 40, "x", False)
        self.assertTrue(is_linearizable([write, old, new]))
        late = Step(50, 60, None, False)
        self.assertTrue(is_linearizable([write, old, late]))
        self.assertFalse(is_linearizable([write, new, late]))

    def test_same_order_for_all(self) -> None:
        """Two readers do not see two writes in different orders."""
        writes = [Step(0, 100, "x", True), Step(0, 100, "y", True)]
        one = [Step(10, 20, "x", False), Step(50, 60, "y", False)]
        self.assertTrue(is_linearizable([*writes, *one]))
        self.assertFalse(is_linearizable([*writes, *one, Step(70, 80, "x", False)]))
