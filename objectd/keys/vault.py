"""HashiCorp Vault's transit secrets engine, or what speaks its API (OpenBao), as a key manager.

Keys never leave it: it draws our envelope keys, and unwraps them again. Ours are made with
`derived = true`, so that the context is needed to unwrap. The token comes from the environment or
from a file, which is read for each call: whatever renews the token replaces the file. It needs
`update` on `datakey/plaintext/*`, `decrypt/*`, `keys/*`, `keys/*/rotate` and `read` on `keys/*`.

https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import urlsplit

import attrs
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectionLost, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from objectd.errors import (
    ConfigurationInvalid,
    KeyDisabled,
    KeyNotFound,
    KeyServiceFailed,
    WrappedKeyDamaged,
)
from objectd.interfaces import (
    ENVELOPE_KEY_BYTES,
    EnvelopeKey,
    Host,
    IKeyManager,
    KeyDescription,
)
from objectd.keys.keyring import check_name

if TYPE_CHECKING:
    from twisted.internet.posixbase import PosixReactorBase

__all__ = ["TOKEN_VARIABLE", "Settings", "VaultKeys", "open_keys"]

TOKEN_VARIABLE = "OBJECTD_VAULT_TOKEN"  # noqa: S105  # the name, not the value

ANSWER_BYTES_MAX = 4 << 20
_BROKEN = (
    ConnectError,
    ConnectTimeout,
    ConnectionLost,
    DNSLookupError,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
_BITS = 8 * ENVELOPE_KEY_BYTES
_OLD = "disallowed by policy"


def _an_address(instance: object, field: attrs.Attribute[str], value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(f"'{field.name}': {value!r} is not http(s)://host:port")


@attrs.frozen
class Settings:
    """`ca_file` holds the authorities that the server's certificate may be of, instead of those
    of the system. Without `token_file` the token is in the environment."""

    address: str = attrs.field(default="http://127.0.0.1:8200", validator=_an_address)
    mount: str = attrs.field(
        default="transit", validator=attrs.validators.matches_re(r"[A-Za-z0-9_./-]+")
    )
    token_file: Path | None = None
    ca_file: Path | None = None
    timeout_seconds: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))


@implementer(IKeyManager)
class VaultKeys:
    """Asks anew each time: nothing is kept here."""

    def __init__(
        self,
        agent: IAgent,
        clock: IReactorTime,
        settings: Settings,
        token: Callable[[], str],
        on_close: Callable[[], Deferred[None] | None] = lambda: None,
    ) -> None:
        self._treq = HTTPClient(agent)
        self._clock = clock
        self._root = f"{settings.address.rstrip('/')}/v1/{settings.mount.strip('/')}"
        self._timeout_seconds = settings.timeout_seconds
        self._token = token
        self._on_close = on_close

    async def generate(self, name: str, context: Mapping[str, str]) -> EnvelopeKey:
        asked = {"context": _encoded(context), "bits": _BITS}
        answer = await self._ask("POST", f"datakey/plaintext/{name}", asked)
        if answer.status != 200:
            answer.fail(name)
        wrapped = _text(answer.data, "ciphertext").encode()
        return EnvelopeKey(_plain(answer.data), wrapped)

    async def unwrap(self, name: str, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        text = wrapped.decode("ascii", "replace")
        asked = {"ciphertext": text, "context": _encoded(context)}
        answer = await self._ask("POST", f"decrypt/{name}", asked)
        if answer.status == 400 and not answer.is_about_key:
            raise WrappedKeyDamaged(f"key {name!r} of Vault: {answer.errors}")
        if answer.status != 200:
            answer.fail(name)
        return _plain(answer.data)

    async def describe(self, name: str) -> KeyDescription:
        answer = await self._ask("GET", f"keys/{name}")
        if answer.status != 200:
            answer.fail(name)
        versions, latest = answer.data.get("keys"), answer.data.get("latest_version")
        if not isinstance(versions, dict) or not versions or not isinstance(latest, int):
            raise KeyServiceFailed("Vault describes a key in a way that is not understood")
        seconds = min((each for each in versions.values() if isinstance(each, int)), default=0)
        return KeyDescription(name, latest, True, seconds * 1_000_000)

    async def names(self) -> Sequence[str]:
        answer = await self._ask("GET", "keys?list=true")
        if answer.status == 404:  # there are none
            return []
        if answer.status != 200:
            answer.fail("")
        return sorted(map(str, answer.data.get("keys", ())))

    async def create(self, name: str) -> KeyDescription:
        check_name(name)
        answer = await self._ask("POST", f"keys/{name}", {"type": "aes256-gcm96", "derived": True})
        if answer.status not in (200, 204):
            answer.fail(name)
        return await self.describe(name)

    async def rotate(self, name: str) -> KeyDescription:
        answer = await self._ask("POST", f"keys/{name}/rotate", {})
        if answer.status not in (200, 204):
            answer.fail(name)
        return await self.describe(name)

    async def close(self) -> None:
        on_close, self._on_close = self._on_close, lambda: None
        await _waited(on_close())

    async def _ask(self, method: str, path: str, body: object = None) -> _Answer:
        """Raises `KeyServiceFailed` if there is no answer in time."""
        working = Deferred.fromCoroutine(self._answer(method, path, body))
        timer = self._clock.callLater(self._timeout_seconds, working.cancel)
        try:
            return await working
        except (CancelledError, *_BROKEN) as error:
            if not timer.active():
                message = f"Vault does not answer for {self._timeout_seconds:g} seconds"
                raise KeyServiceFailed(message) from None
            if isinstance(error, CancelledError):
                raise  # our caller was cancelled
            raise KeyServiceFailed(f"Vault cannot be reached: {error}") from error
        finally:
            if timer.active():
                timer.cancel()

    async def _answer(self, method: str, path: str, body: object) -> _Answer:
        response = await self._treq.request(
            method,
            f"{self._root}/{path}",
            headers=Headers({"X-Vault-Token": [self._token()], "X-Vault-Request": ["true"]}),
            data=None if body is None else _Body(json.dumps(body).encode()),
            allow_redirects=False,
            unbuffered=True,
        )
        return _Answer.read(response.code, await _whole(response))


@implementer(IBodyProducer)
class _Body:
    """A few bytes, written at once: treq's own would need a turn of the reactor."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:  # noqa: N802
        pass

    def resumeProducing(self) -> None:  # noqa: N802
        pass

    def stopProducing(self) -> None:  # noqa: N802
        pass


@attrs.frozen
class _Answer:
    status: int
    data: Mapping[str, Any] = attrs.field(repr=False)
    errors: str

    @classmethod
    def read(cls, status: int, body: bytes) -> _Answer:
        try:
            document = json.loads(body) if body else {}
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise KeyServiceFailed(f"Vault answers {status} and no JSON")
        data, errors = document.get("data"), document.get("errors")
        shown = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
        return cls(status, data if isinstance(data, dict) else {}, shown)

    @property
    def is_about_key(self) -> bool:
        return "key not found" in self.errors or _OLD in self.errors

    def fail(self, name: str) -> NoReturn:
        if _OLD in self.errors:
            raise KeyDisabled(name)
        if self.status == 404 or "key not found" in self.errors:
            raise KeyNotFound(name)
        raise KeyServiceFailed(f"Vault answers {self.status}: {self.errors or 'nothing more'}")


async def open_keys(settings: Settings, host: Host) -> IKeyManager:
    """Nothing is asked yet: the server starts while Vault is away. Raises `ConfigurationInvalid`
    if there is no token."""
    if settings.token_file is None and TOKEN_VARIABLE not in host.environment:
        raise ConfigurationInvalid(f"Vault needs a token: in {TOKEN_VARIABLE}, or a token_file")

    def token() -> str:
        if settings.token_file is None:
            return host.environment[TOKEN_VARIABLE]
        try:
            return (host.data_directory / settings.token_file).read_text("ascii").strip()
        except (OSError, ValueError) as error:
            raise KeyServiceFailed(f"the token for Vault: {error}") from error

    reactor = cast("PosixReactorBase", host.clock)
    pool = HTTPConnectionPool(reactor)
    agent = Agent(reactor, _policy(settings), settings.timeout_seconds, pool=pool)
    return VaultKeys(agent, host.clock, settings, token, pool.closeCachedConnections)


def _policy(settings: Settings) -> BrowserLikePolicyForHTTPS:
    if settings.ca_file is None:
        return BrowserLikePolicyForHTTPS()
    try:
        text = settings.ca_file.read_text("ascii")
        mark = "-----BEGIN CERTIFICATE-----"
        found = [Certificate.loadPEM((mark + each).encode()) for each in text.split(mark)[1:]]
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid(f"{settings.ca_file}: {error}") from error
    return BrowserLikePolicyForHTTPS(trustRootFromCertificates(found))


async def _whole(response: IResponse) -> bytes:
    pieces: list[bytes] = []
    size_bytes = 0

    def take(piece: bytes) -> None:
        nonlocal size_bytes
        size_bytes += len(piece)
        if size_bytes <= ANSWER_BYTES_MAX:
            pieces.append(piece)

    await response.collect(take)  # type: ignore[attr-defined]  # treq's response
    if size_bytes > ANSWER_BYTES_MAX:
        raise KeyServiceFailed(f"Vault answers {size_bytes} bytes")
    return b"".join(pieces)


async def _waited(closing: Deferred[None] | None) -> None:
    if closing is not None:
        await closing


def _encoded(context: Mapping[str, str]) -> str:
    return b64encode(json.dumps(sorted(context.items())).encode()).decode()


def _text(data: Mapping[str, Any], name: str) -> str:
    text = data.get(name)
    if not isinstance(text, str) or not text:
        raise KeyServiceFailed(f"an answer of Vault has no {name}")
    return text


def _plain(data: Mapping[str, Any]) -> bytes:
    try:
        plain = b64decode(_text(data, "plaintext"), validate=True)
    except ValueError:
        plain = b""
    if len(plain) != ENVELOPE_KEY_BYTES:
        raise KeyServiceFailed("a key that Vault gives is not one")
    return plain
