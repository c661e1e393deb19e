"""`objectd keys`: what it does to keys, and says of them."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import Agent

from objectd.cli import main
from objectd.cli.keys import carried_out
from objectd.errors import KeyNotFound, StoreFailed
from objectd.keys.memory import MemoryKeys
from objectd.keys.vault import Settings, VaultKeys
from objectd.testing.s3 import result_of


class KeysTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.keys = MemoryKeys()

    def did(self, verb: str, name: str = "") -> list[tuple[str, int, bool]]:
        described = result_of(carried_out(self.keys, verb, name))
        return [(each.name, each.version, each.enabled) for each in described]

    def test_verbs(self) -> None:
        """Keys are made, rotated, disabled, enabled and listed."""
        self.assertEqual(self.did("list"), [])
        self.assertEqual(self.did("create", "b"), [("b", 1, True)])
        self.assertEqual(self.did("rotate", "b"), [("b", 2, True)])
        self.assertEqual(self.did("disable", "b"), [("b", 2, False)])
        self.did("create", "a")
        self.assertEqual(self.did("list"), [("a", 1, True), ("b", 2, False)])
        self.assertEqual(self.did("enable", "b"), [("b", 2, True)])

    def test_absent(self) -> None:
        """A key that is not there is not made by the way."""
        for verb in ("rotate", "disable", "enable"):
            with self.assertRaises(KeyNotFound):
                self.did(verb, "none")
        self.assertEqual(self.did("list"), [])

    def test_not_switched(self) -> None:
        """Where keys cannot be disabled from here, that is said."""
        clock = MemoryReactorClock()
        vault = VaultKeys(Agent(clock), clock, Settings(), lambda: "")
        for verb in ("disable", "enable"):
            with self.assertRaises(StoreFailed):
                result_of(carried_out(vault, verb, "a"))

    def test_usage(self) -> None:
        """A key must be named; the help names all verbs."""
        self.assertEqual(CliRunner().invoke(main, ["keys", "rotate", "data"]).exit_code, 2)
        shown = CliRunner().invoke(main, ["keys", "--help"]).output
        for verb in ("list", "create", "rotate", "disable", "enable"):
            self.assertIn(verb, shown)
        self.assertFalse(Path("data").exists())
