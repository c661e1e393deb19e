"""The key managers that need nobody else: in memory and in a file."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from objectd.errors import ConfigurationInvalid, KeyDisabled, KeyServiceFailed
from objectd.interfaces import Host, IKeyManager
from objectd.keys.local import FILE_NAME, LocalKeys, Settings, open_keys
from objectd.keys.memory import MemoryKeys
from objectd.objects.opening import run_at_once
from objectd.testing.keys import make_key_manager_tests
from objectd.testing.s3 import result_of


async def in_memory(case: TestCase) -> IKeyManager:
    return MemoryKeys()


async def in_file(case: TestCase) -> IKeyManager:
    return LocalKeys(new_file(case), now_us=lambda: 1)


def new_file(case: TestCase | SynchronousTestCase) -> Path:
    directory = Path(case.mktemp())  # type: ignore[no-untyped-call]
    directory.mkdir()
    return directory / FILE_NAME


class MemoryTests(make_key_manager_tests(in_memory)):  # type: ignore[misc]
    """Keys in memory."""


class FileTests(make_key_manager_tests(in_file)):  # type: ignore[misc]
    """Keys in a file."""


class LocalKeysTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.file = new_file(self)
        self.keys = self.opened()

    def opened(self) -> LocalKeys:
        """As another process has it."""
        return LocalKeys(self.file, now_us=lambda: 1)

    def test_survives(self) -> None:
        """What was wrapped is unwrapped by the next process."""
        result_of(self.keys.create("a"))
        drawn = result_of(self.keys.generate("a", {}))
        self.assertEqual(result_of(self.opened().unwrap("a", drawn.wrapped, {})), drawn.plain)

    def test_for_nobody_else(self) -> None:
        """The file may be read by its owner only, and is refused if others may read it."""
        result_of(self.keys.create("a"))
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        self.file.chmod(0o640)
        with self.assertRaises(ConfigurationInvalid) as raised:
            result_of(open_keys(Settings(), Host(self.file.parent, Clock(), run_at_once)))
        self.assertIn("chmod 600", str(raised.exception))

    def test_other_processes(self) -> None:
        """A key that another process makes, rotates or disables is so here at once."""
        other = self.opened()
        result_of(other.create("a"))
        result_of(self.keys.generate("a", {}))
        result_of(other.rotate("a"))
        drawn = result_of(self.keys.generate("a", {}))
        self.assertEqual(result_of(self.keys.describe("a")).version, 2)
        result_of(other.switch("a", enabled=False))
        for work in (self.keys.generate("a", {}), self.keys.unwrap("a", drawn.wrapped, {})):
            with self.assertRaises(KeyDisabled):
                result_of(work)
        result_of(other.switch("a", enabled=True))
        self.assertEqual(result_of(self.keys.unwrap("a", drawn.wrapped, {})), drawn.plain)

    def test_damaged(self) -> None:
        """A file that is no keyring is refused, and left as it is."""
        for text in ("", "{}", '{"version": 2, "keys": {}}', '{"version":1,"keys":{"a":1}}'):
            self.file.write_text(text)
            self.file.chmod(0o600)
            with self.assertRaises(KeyServiceFailed):
                result_of(self.opened().create("b"))
            self.assertEqual(self.file.read_text(), text)

    def test_gone(self) -> None:
        """A file that is taken away under a server is not taken for one without keys."""
        result_of(self.keys.create("a"))
        self.file.unlink()
        with self.assertRaises(KeyServiceFailed):
            result_of(self.keys.generate("a", {}))

    def test_no_secret_shows(self) -> None:
        """What is printed of a key does not hold it."""
        drawn = result_of(self._drawn())
        self.assertNotIn(repr(drawn.plain), repr(drawn))

    async def _drawn(self):  # type: ignore[no-untyped-def]
        await self.keys.create("a")
        return await self.keys.generate("a", {})
