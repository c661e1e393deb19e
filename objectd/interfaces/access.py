"""Credentials and TLS."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IOpenSSLContextFactory
from zope.interface import Interface

ROOT_ACCOUNT = 1
"""The account of the root user, which every store has."""


@attrs.frozen
class Credential:
    """A key pair and the account it acts for."""

    access_key: str
    secret_key: str = attrs.field(repr=False)
    account: int


class ICredentials(Interface):
    """Finds the secret that a signature is checked with; asked once a request."""

    async def find(access_key: str) -> Credential | None:
        """The credential, or None if there is no such key (or it is disabled)."""


class ITLSContexts(Interface):
    """Gives the TLS context for connections that are accepted from now on."""

    def context_factory() -> IOpenSSLContextFactory:
        """For `reactor.listenSSL` and its like. It serves newly loaded certificates after
        `reload` without a new listening socket."""

    def reload() -> None:
        """Read the certificate and key again; on any error keep the old ones and raise
        `StoreFailed` with the file's name and what is wrong with it."""
