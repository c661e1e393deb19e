"""Renames that race: an object is at one key or at the other, never at both or at neither."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from objectd.test.races.servers import BUCKET, RacingServers
from objectd.testing.http import ClientResponse

REPETITIONS = 40


class RenameTests(SynchronousTestCase):
    def test_one_source(self) -> None:
        """Of those who give one object other keys one does; the others find nothing."""
        for seed in range(REPETITIONS):
            servers = self.servers(seed, {"/source": b"the object"})
            targets = [f"/target-{number}" for number in range(8)]
            answers = servers.run(*(self.rename(servers, "source", key) for key in targets))
            statuses = [answer.status for answer in answers]
            [winner] = [number for number, status in enumerate(statuses) if status == 200]
            self.assertLessEqual(set(statuses), {200, 404, 409}, f"seed {seed}")
            kept = {targets[winner]: b"the object"}
            self.assertEqual(self.contents(servers, ["/source", *targets]), kept, f"seed {seed}")
            servers.come_to_rest()

    def test_one_target(self) -> None:
        """Of those who are renamed to one key the last one stays there, and no other key has
        an object any more."""
        for seed in range(REPETITIONS):
            bodies = {f"/source-{number}": b"%d" % number * 10 for number in range(8)}
            servers = self.servers(seed, bodies)
            renames = [self.rename(servers, source[1:], "/target") for source in bodies]
            answers = servers.run(*renames)
            self.assertLessEqual({answer.status for answer in answers}, {200, 409})
            moved = [key for key, a in zip(bodies, answers, strict=True) if a.status == 200]
            left = {key: body for key, body in bodies.items() if key not in moved}
            found = self.contents(servers, ["/target", *bodies])
            self.assertIn(found.pop("/target"), [bodies[key] for key in moved], f"seed {seed}")
            self.assertEqual(found, left, f"seed {seed}")
            servers.come_to_rest()

    def test_against_puts(self) -> None:
        """An object that is put while the key is renamed goes along, stays behind, or takes
        the place of what came; which of these, everybody agrees on."""
        ends = set()
        for seed in range(REPETITIONS):
            servers = self.servers(seed, {"/source": b"old"})
            answers = servers.run(
                self.rename(servers, "source", "/target"),
                servers.client().ask("PUT", "/source", b"at the source" * 2),
                servers.client().ask("PUT", "/target", b"at the target"),
            )
            self.assertEqual([answer.status for answer in answers], [200, 200, 200])
            found = self.contents(servers, ["/source", "/target"])
            possible: list[Mapping[str, bytes]] = [
                {"/target": b"at the source" * 2},
                {"/target": b"at the target"},
                {"/source": b"at the source" * 2, "/target": b"old"},
                {"/source": b"at the source" * 2, "/target": b"at the target"},
            ]
            self.assertIn(found, possible, f"seed {seed}")
            ends.add(possible.index(found))
            servers.come_to_rest()
        self.assertGreaterEqual(len(ends), 3)

    def test_there_and_back(self) -> None:
        """Two keys that are each renamed to the other do not wait for one another for ever,
        and one of the two objects is left."""
        for seed in range(REPETITIONS):
            servers = self.servers(seed, {"/a": b"from a", "/b": b"from b"})
            there, back = servers.run(
                self.rename(servers, "a", "/b"), self.rename(servers, "b", "/a")
            )
            self.assertEqual((there.status, back.status), (200, 200), f"seed {seed}")
            found = self.contents(servers, ["/a", "/b"])
            self.assertIn(found, [{"/a": b"from a"}, {"/b": b"from b"}], f"seed {seed}")

    def test_readers(self) -> None:
        """A listing shows the object at one of its keys, whenever it is taken."""
        for seed in range(REPETITIONS):
            servers = self.servers(seed, {"/a": b"the object"})
            listings = [servers.client().ask("GET", "?list-type=2") for _ in range(10)]
            answers = servers.run(self.rename(servers, "a", "/b"), *listings)
            for answer in answers[1:]:
                keys = [key for key in (b"a", b"b") if b"<Key>%b</Key>" % key in answer.body]
                self.assertEqual(len(keys), 1, f"seed {seed}")

    def servers(self, seed: int, bodies: Mapping[str, bytes]) -> RacingServers:
        servers = RacingServers(seed, processes=1 + seed % 2)
        servers.run(*(servers.client().ask("PUT", key, body) for key, body in bodies.items()))
        return servers

    def rename(
        self, servers: RacingServers, source: str, target: str
    ) -> Coroutine[Any, Any, ClientResponse]:
        headers = {"x-amz-rename-source": f"/{BUCKET}/{source}"}
        return servers.client().ask("PUT", f"{target}?renameObject", b"", headers)

    def contents(self, servers: RacingServers, keys: list[str]) -> dict[str, bytes]:
        answers = servers.run(*(servers.client().ask("GET", key) for key in keys))
        return {k: a.body for k, a in zip(keys, answers, strict=True) if a.status == 200}
