"""A client over sockets: its connections, and whom it trusts."""

from __future__ import annotations

import re
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import attrs
from OpenSSL import SSL
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, CertificateOptions, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from objectd.auth.signing import KeyPair
from objectd.client.address import Address
from objectd.client.client import Client
from objectd.client.retrying import Patience
from objectd.errors import ConfigurationInvalid
from objectd.protocol.model import load_s3_model

if TYPE_CHECKING:
    from twisted.internet.base import ReactorBase

__all__ = ["Connections", "Trust"]

CONNECTIONS_MAX = 64
CONNECT_SECONDS_MAX = 10
IDLE_SECONDS_MAX = 30
"""Less than servers keep a connection: one that the server closes at the very moment at which
it is used again costs a retry."""

_PEM_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)


@attrs.frozen
class Trust:
    """Whose certificates are taken: those of the system's authorities, those of `authorities`
    (a PEM file), or any at all."""

    authorities: Path | None = None
    verify: bool = True


class Connections:
    """The persistent connections of one or more clients."""

    def __init__(self, reactor: ReactorBase, trust: Trust = Trust()) -> None:
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = CONNECTIONS_MAX
        self._pool.cachedConnectionTimeout = IDLE_SECONDS_MAX
        # The client knows better what can be sent again.
        self._pool.retryAutomatically = False
        self._agent = Agent(
            reactor,
            contextFactory=_policy(trust),
            connectTimeout=CONNECT_SECONDS_MAX,
            pool=self._pool,
        )

    def client(
        self,
        address: Address,
        key_pair: KeyPair,
        *,
        region: str = "us-east-1",
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> Client:
        return Client(
            address,
            key_pair,
            model=load_s3_model(),
            agent=self._agent,
            clock=self._reactor,
            now_us=lambda: time.time_ns() // 1000,
            random=Random(),  # noqa: S311 - it spreads retries
            region=region,
            patience=patience,
        )

    async def close(self) -> None:
        """Close those that are idle."""
        await self._pool.closeCachedConnections()


def _policy(trust: Trust) -> IPolicyForHTTPS:
    if not trust.verify:
        return _AnyCertificate()
    if trust.authorities is None:
        return BrowserLikePolicyForHTTPS()
    try:
        found = _PEM_CERTIFICATE.findall(trust.authorities.read_bytes())
        certificates = [Certificate.loadPEM(each) for each in found]
    except OSError as error:
        raise ConfigurationInvalid(f"{trust.authorities}: {error.strerror}") from error
    except (ValueError, SSL.Error) as error:
        raise ConfigurationInvalid(f"{trust.authorities}: {error}") from error
    if not certificates:
        raise ConfigurationInvalid(f"{trust.authorities} holds no certificate")
    return BrowserLikePolicyForHTTPS(trustRootFromCertificates(certificates))


@implementer(IPolicyForHTTPS)
class _AnyCertificate:
    """Encrypts, but does not ask with whom: for tests and for a first look."""

    def creatorForNetloc(  # noqa: N802
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        return _Unverified(hostname)


@implementer(IOpenSSLClientConnectionCreator)
@attrs.frozen
class _Unverified:
    _hostname: bytes

    def clientConnectionForTLS(  # noqa: N802
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: N803
    ) -> SSL.Connection:
        connection = SSL.Connection(CertificateOptions(verify=False).getContext(), None)
        name = self._hostname.decode("ascii")
        if not (isIPAddress(name) or isIPv6Address(name)):
            connection.set_tlsext_host_name(self._hostname)
        return connection
