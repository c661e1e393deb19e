"""Keys of HashiCorp Vault, against a server that speaks its transit API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.python.components import proxyForInterface
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.iweb import IAgent, IResponse
from twisted.web.server import Site
from zope.interface import implementer

from objectd.errors import (
    ConfigurationInvalid,
    KeyDisabled,
    KeyServiceFailed,
)
from objectd.interfaces import Host, IKeyManager
from objectd.keys import vault
from objectd.keys.vault import TOKEN_VARIABLE, Settings, VaultKeys
from objectd.objects.opening import run_at_once
from objectd.test.keys.transit import TOKEN, Transit
from objectd.testing.keys import make_key_manager_tests


class _Response(proxyForInterface(IResponse)):  # type: ignore[misc]
    """Has its body sent when it is asked for."""

    def __init__(self, original: IResponse, flush: Callable[[], None]) -> None:
        super().__init__(original)
        self._flush = flush

    def deliverBody(self, protocol: IProtocol) -> None:
        self.original.deliverBody(protocol)
        self._flush()


@implementer(IAgent)
class _Agent:
    """Asks a resource in memory, without being told to move the bytes."""

    def __init__(self, transit: Transit) -> None:
        self._agent: Any = RequestTraversalAgent(transit)  # type: ignore[no-untyped-call]

    def request(self, *arguments: Any, **more: Any) -> Deferred[IResponse]:
        answer: Deferred[IResponse] = self._agent.request(*arguments, **more)
        self._agent.flush()
        return answer.addCallback(_Response, self._agent.flush)


async def open_vault(case: TestCase) -> IKeyManager:
    return VaultKeys(_Agent(Transit()), Clock(), Settings(), lambda: TOKEN)


class VaultTests(make_key_manager_tests(open_vault)):  # type: ignore[misc]
    """What every key manager does."""


class TroubleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.transit = Transit()
        self.clock = Clock()
        self.token = TOKEN
        self.keys = VaultKeys(_Agent(self.transit), self.clock, Settings(), lambda: self.token)

    def begin(self, work: Any) -> Deferred[Any]:
        return ensureDeferred(work)

    def ok(self, work: Any) -> Any:
        return self.successResultOf(self.begin(work))

    def refused(self, error: type[Exception], work: Any) -> str:
        return str(self.failureResultOf(self.begin(work), error).value)

    def every(self) -> list[Any]:
        return [
            self.keys.generate("a", {}),
            self.keys.unwrap("a", b"vault:v1:", {}),
            self.keys.describe("a"),
            self.keys.names(),
            self.keys.create("a"),
            self.keys.rotate("a"),
        ]

    def test_no_answer_of_use(self) -> None:
        """Whatever is wrong with Vault, no key is said to be missing or damaged."""
        self.ok(self.keys.create("a"))
        for status in (403, 429, 472, 500, 502, 503):
            self.transit.status = status
            for work in self.every():
                self.assertIn(str(status), self.refused(KeyServiceFailed, work))

    def test_nonsense(self) -> None:
        """An answer that is not understood is no answer."""
        self.ok(self.keys.create("a"))
        for body in (b"<html>", b"[]", b"\xff", bytes(5 << 20)):
            self.transit.body = body
            for work in self.every():
                self.refused(KeyServiceFailed, work)
        for body in (b"{}", b'{"data": {"plaintext": "AAAA", "ciphertext": "x"}}'):
            self.transit.body = body
            for work in (self.keys.generate("a", {}), self.keys.unwrap("a", b"x", {})):
                self.refused(KeyServiceFailed, work)

    def test_wrong_token(self) -> None:
        """A token that is not accepted is said to be so; the next one is used at once."""
        self.token = "s.another"
        self.assertIn("permission denied", self.refused(KeyServiceFailed, self.keys.create("a")))
        self.token = TOKEN
        self.ok(self.keys.create("a"))

    def test_silence(self) -> None:
        """After five seconds without an answer nobody waits any longer."""
        self.transit.silent = True
        for work in self.every():
            waiting = self.begin(work)
            self.clock.advance(4.9)
            self.assertNoResult(waiting)
            self.clock.advance(0.2)
            self.failureResultOf(waiting, KeyServiceFailed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_old(self) -> None:
        """What was wrapped with a version that may not be used any more cannot be unwrapped."""
        self.ok(self.keys.create("a"))
        drawn = self.ok(self.keys.generate("a", {}))
        self.ok(self.keys.rotate("a"))
        self.transit.oldest["a"] = 2
        self.refused(KeyDisabled, self.keys.unwrap("a", drawn.wrapped, {}))

    def test_one_request_each(self) -> None:
        """To draw or unwrap a key takes one request."""
        self.ok(self.keys.create("a"))
        self.transit.asked.clear()
        drawn = self.ok(self.keys.generate("a", {}))
        self.ok(self.keys.unwrap("a", drawn.wrapped, {}))
        self.assertEqual(
            self.transit.asked,
            ["POST /v1/transit/datakey/plaintext/a", "POST /v1/transit/decrypt/a"],
        )


class OpeningTests(TestCase):
    def host(self, **environment: str) -> Host:
        directory = Path(self.mktemp())
        directory.mkdir()
        return Host(directory, reactor, run_at_once, environment=environment)

    async def test_no_token(self) -> None:
        """Without a token the server does not start."""
        with self.assertRaises(ConfigurationInvalid):
            await vault.open_keys(Settings(), self.host())

    def test_address(self) -> None:
        """An address that is none is a mistake in the configuration."""
        for address in ("", "vault:8200", "ftp://vault", "http://vault/v1"):
            with self.assertRaises(ValueError):
                Settings(address=address)
        Settings(address="https://vault.example:8200/")

    async def test_over_http(self) -> None:
        """Over a real connection, with a token that is read anew from its file; Vault that is away
        stops no start, and is used when it is back."""
        host = self.host()
        file = host.data_directory / "token"
        transit = Transit()
        listening: Any = reactor
        port = listening.listenTCP(0, Site(transit), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        settings = Settings(
            address=f"http://127.0.0.1:{port.getHost().port}", token_file=Path("token")
        )
        keys = await vault.open_keys(settings, host)
        with self.assertRaises(KeyServiceFailed):
            await keys.create("a")
        file.write_text(f"{TOKEN}\n")
        await keys.create("a")
        drawn = await keys.generate("a", {"b": "c"})
        self.assertEqual(await keys.unwrap("a", drawn.wrapped, {"b": "c"}), drawn.plain)
        await keys.close()
        away = Settings(address="http://127.0.0.1:1")
        keys = await vault.open_keys(away, self.host(**{TOKEN_VARIABLE: TOKEN}))
        with self.assertRaises(KeyServiceFailed):
            await keys.generate("a", {})
        await keys.close()
