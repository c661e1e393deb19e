"""The root user's key pair."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from objectd.auth.root import FILE_NAME, Settings, open_credentials
from objectd.errors import ConfigurationInvalid
from objectd.interfaces import Credential, Host, ICredentials
from objectd.objects.opening import run_at_once


class Root(SynchronousTestCase):
    """Where the pair comes from, and which ones are refused."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.file = self.directory / FILE_NAME
        self.announced: list[str] = []

    def opening(self, environment: dict[str, str]) -> Deferred[ICredentials]:
        host = Host(
            self.directory, Clock(), run_at_once, environment, announce=self.announced.append
        )
        return Deferred.fromCoroutine(open_credentials(Settings(), host))

    def pair(self, access_key: str, secret_key: str) -> dict[str, str]:
        return {"OBJECTD_ROOT_ACCESS_KEY": access_key, "OBJECTD_ROOT_SECRET_KEY": secret_key}

    def opened(self, environment: dict[str, str]) -> ICredentials:
        return self.successResultOf(self.opening(environment))

    def refused(self, environment: dict[str, str]) -> str:
        return str(self.failureResultOf(self.opening(environment), ConfigurationInvalid).value)

    def find(self, credentials: ICredentials, access_key: str) -> Credential | None:
        return self.successResultOf(Deferred.fromCoroutine(credentials.find(access_key)))

    def test_environment(self) -> None:
        """A pair in the environment is the root user's; nothing is written or announced."""
        credentials = self.opened(self.pair("mee", "x" * 8))
        verifyObject(ICredentials, credentials)
        self.assertEqual(Credential("mee", "x" * 8, 1), self.find(credentials, "mee"))
        self.assertIs(None, self.find(credentials, "you"))
        self.assertEqual(([], False), (self.announced, self.file.exists()))

    def test_drawn(self) -> None:
        """Without one, a pair is drawn, announced and kept where only the owner reads it."""
        credentials = self.opened({})
        access_key, secret_key = (line.split()[-1] for line in self.announced[1:])
        self.assertEqual(Credential(access_key, secret_key, 1), self.find(credentials, access_key))
        self.assertEqual((20, 40), (len(access_key), len(secret_key)))
        self.assertEqual(0o600, self.file.stat().st_mode & 0o777)

    def test_drawn_anew(self) -> None:
        """Two servers never draw the same pair."""
        self.opened({})
        self.file.unlink()
        self.opened({})
        self.assertEqual(6, len(self.announced))
        self.assertNotEqual(self.announced[1:3], self.announced[4:6])

    def test_restart(self) -> None:
        """The next start finds the pair again, and does not show it a second time."""
        self.opened({})
        access_key = self.announced[1].split()[-1]
        self.assertIsNot(None, self.find(self.opened({}), access_key))
        self.assertEqual(3, len(self.announced))

    def test_environment_wins(self) -> None:
        """A pair in the environment goes before one that was drawn earlier, which stays."""
        self.opened({})
        self.assertIsNot(None, self.find(self.opened(self.pair("mee", "x" * 8)), "mee"))
        self.assertIsNot(None, self.find(self.opened({}), self.announced[1].split()[-1]))

    def test_half_a_pair(self) -> None:
        """One key without the other is refused rather than completed by chance."""
        self.assertEqual(
            "OBJECTD_ROOT_SECRET_KEY is not in the environment: both keys are needed, or neither",
            self.refused({"OBJECTD_ROOT_ACCESS_KEY": "mee"}),
        )
        self.assertIn("ACCESS_KEY is not in", self.refused({"OBJECTD_ROOT_SECRET_KEY": "x" * 8}))

    def test_access_key_limits(self) -> None:
        """An access key has 3 to 128 characters, none of which a signature uses itself."""
        for accepted in ("abc", "a" * 128, "A.b-c_d+e@f"):
            self.opened(self.pair(accepted, "x" * 8))
        for bad in ("", "ab", "a" * 129, "a/bc", "a=bc", "a,bc", "a bc", "äbc", "abc\n"):
            self.assertIn("3 to 128", self.refused(self.pair(bad, "x" * 8)))

    def test_secret_key_limits(self) -> None:
        """A secret key has 8 to 128 visible characters."""
        for accepted in ("x" * 8, "x" * 128, "a/b=c,d;e"):
            self.opened(self.pair("abc", accepted))
        for bad in ("", "x" * 7, "x" * 129, "x" * 8 + "\n", "eight of", "ü" * 8):
            self.assertIn("8 to 128", self.refused(self.pair("abc", bad)))

    def test_known_secrets(self) -> None:
        """Secrets that anybody would try first are refused, and the message does not tell."""
        for bad in ("minioadmin", "MinioAdmin", "password", "12345678", "abcdefgh"):
            message = self.refused(self.pair("abcdefgh", bad))
            self.assertIn("anybody would guess", message)
            self.assertNotIn(bad, message)

    def test_file_that_others_may_read(self) -> None:
        """A kept pair that others could have read is refused, with what to do."""
        self.opened({})
        self.file.chmod(0o640)
        self.assertIn("run chmod 600", self.refused({}))

    def test_damaged_file(self) -> None:
        """A kept pair that is damaged is refused: a new one would lock the clients out."""
        self.opened({})
        self.file.write_text("OBJECTD_ROOT_ACCESS_KEY=mee\n")
        self.assertIn(f"is not in {self.file}", self.refused({}))
