"""TLS from PEM files, the built-in provider of `ITLSContexts`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import attrs
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.ssl import CertificateOptions, TLSVersion
from zope.interface import implementer

from objectd.errors import StoreFailed
from objectd.interfaces import Host, ITLSContexts

__all__ = ["PemContexts", "Settings", "open_contexts"]

_T = TypeVar("_T")


@attrs.frozen
class Settings:
    """`certificate`: a PEM file with the server's certificate and then those that lead to
    a root. `key`: a PEM file with its private key, unencrypted."""

    certificate: Path = attrs.field(converter=Path)
    key: Path = attrs.field(converter=Path)


async def open_contexts(settings: Settings, host: Host) -> ITLSContexts:
    """Read the files; `StoreFailed` names the one that is of no use."""
    return PemContexts(settings)


@implementer(ITLSContexts, IOpenSSLContextFactory)
class PemContexts:
    """Serves TLS 1.2 and later with the certificate that was read last.

    Twisted asks for the context once per connection, so a new certificate is served from
    the next connection on; connections that are open keep the one they began with.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = self._read()

    def context_factory(self) -> IOpenSSLContextFactory:
        return self

    def getContext(self) -> SSL.Context:  # noqa: N802
        return self._context

    def reload(self) -> None:
        self._context = self._read()

    def _read(self) -> SSL.Context:
        certificate, *chain = _load(self._settings.certificate, _certificates)
        key = _load(self._settings.key, _private_key)
        options = CertificateOptions(
            privateKey=key,
            certificate=certificate,
            extraCertChain=chain,
            raiseMinimumTo=TLSVersion.TLSv1_2,
        )
        try:
            context = options.getContext()
            context.check_privatekey()
        except SSL.Error as error:
            files = f"{self._settings.key} and {self._settings.certificate}"
            raise StoreFailed(f"{files} do not belong together") from error
        return context


def _load(path: Path, parse: Callable[[bytes], _T]) -> _T:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise StoreFailed(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, crypto.Error) as error:
        raise StoreFailed(f"{path} is of no use: {error}") from error


def _certificates(pem: bytes) -> list[crypto.X509]:
    begin = b"-----BEGIN CERTIFICATE-----"
    found = [
        crypto.load_certificate(crypto.FILETYPE_PEM, begin + block)
        for block in pem.split(begin)[1:]
    ]
    if not found:
        raise ValueError("it holds no PEM certificate")
    return found


def _private_key(pem: bytes) -> crypto.PKey:
    # With a passphrase of ours, OpenSSL does not ask for one on the terminal.
    try:
        return crypto.load_privatekey(crypto.FILETYPE_PEM, pem, passphrase=b"")
    except crypto.Error as error:
        raise ValueError("it holds no unencrypted PEM private key") from error
