"""Certificates from PEM files."""

from __future__ import annotations

import contextlib
from pathlib import Path

from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from objectd.errors import StoreFailed
from objectd.interfaces import Host, ITLSContexts
from objectd.objects.opening import run_at_once
from objectd.test.web.certificates import write_certificate
from objectd.web.tls import Settings, open_contexts


class PemContextsTests(SynchronousTestCase):
    """What is served, and what is refused."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.settings = write_certificate(self.directory)

    def open(self, settings: Settings) -> ITLSContexts:
        host = Host(self.directory, Clock(), run_at_once)
        opened: ITLSContexts = self.successResultOf(
            Deferred.fromCoroutine(open_contexts(settings, host))
        )
        return opened

    def served_name(self, contexts: ITLSContexts, *, version: int = SSL.TLS1_3_VERSION) -> str:
        """The name in the certificate that a client of that TLS version is shown."""
        server = SSL.Connection(contexts.context_factory().getContext(), None)
        server.set_accept_state()
        client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        client_context.set_min_proto_version(SSL.TLS1_VERSION)
        client_context.set_max_proto_version(version)
        client_context.set_cipher_list(b"ALL:@SECLEVEL=0")
        client = SSL.Connection(client_context, None)
        client.set_connect_state()
        for one, other in [(client, server), (server, client)] * 3:
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(1 << 16))
        certificate = client.get_peer_certificate()
        assert certificate is not None
        return str(certificate.get_subject().CN)

    def refusal(self, settings: Settings) -> str:
        host = Host(self.directory, Clock(), run_at_once)
        opening = Deferred.fromCoroutine(open_contexts(settings, host))
        return str(self.failureResultOf(opening, StoreFailed).value)

    def test_provides_the_contract(self) -> None:
        """The provider is what `objectd.interfaces` asks for."""
        contexts = self.open(self.settings)
        verifyObject(ITLSContexts, contexts)
        verifyObject(IOpenSSLContextFactory, contexts.context_factory())

    def test_certificate_is_served(self) -> None:
        """To clients of TLS 1.2 and 1.3."""
        contexts = self.open(self.settings)
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            self.assertEqual(self.served_name(contexts, version=version), "s3.example")

    def test_old_versions_are_refused(self) -> None:
        """TLS 1.1 is too old."""
        contexts = self.open(self.settings)
        self.assertRaises(SSL.Error, self.served_name, contexts, version=SSL.TLS1_1_VERSION)

    def test_chain_is_served(self) -> None:
        """Certificates after the first are sent along."""
        other = self.directory / "other"
        other.mkdir()
        ca = write_certificate(other, "authority")
        with self.settings.certificate.open("ab") as file:
            file.write(ca.certificate.read_bytes())
        self.assertEqual(self.served_name(self.open(self.settings)), "s3.example")

    def test_reload(self) -> None:
        """The factory that a port was given serves the new certificate."""
        contexts = self.open(self.settings)
        write_certificate(self.directory, "renewed.example")
        self.assertEqual(self.served_name(contexts), "s3.example")
        contexts.reload()
        self.assertEqual(self.served_name(contexts), "renewed.example")

    def test_failed_reload_keeps_the_certificate(self) -> None:
        """Files that are of no use are named, and what was served before stays."""
        contexts = self.open(self.settings)
        self.settings.certificate.write_bytes(b"half a file")
        error = self.assertRaises(StoreFailed, contexts.reload)
        self.assertIn("certificate.pem", str(error))
        self.assertEqual(self.served_name(contexts), "s3.example")

    def test_missing_files(self) -> None:
        """The file that is not there is named."""
        certificate, key = self.settings.certificate, self.settings.key
        missing = self.directory / "missing.pem"
        self.assertIn("missing.pem cannot be read", self.refusal(Settings(missing, key)))
        self.assertIn("missing.pem cannot be read", self.refusal(Settings(certificate, missing)))

    def test_wrong_files(self) -> None:
        """Files with something else in them are named."""
        certificate, key = self.settings.certificate, self.settings.key
        self.assertIn("key.pem is of no use", self.refusal(Settings(key, key)))
        self.assertIn(
            "certificate.pem is of no use", self.refusal(Settings(certificate, certificate))
        )

    def test_encrypted_key(self) -> None:
        """A key with a passphrase is refused rather than asked about on the terminal."""
        key = crypto.load_privatekey(crypto.FILETYPE_PEM, self.settings.key.read_bytes())
        encrypted = crypto.dump_privatekey(crypto.FILETYPE_PEM, key, "aes256", b"secret")
        self.settings.key.write_bytes(encrypted)
        self.assertIn("no unencrypted PEM private key", self.refusal(self.settings))

    def test_key_of_another_certificate(self) -> None:
        """A key that does not belong to the certificate is refused, both named."""
        other = self.directory / "other"
        other.mkdir()
        message = self.refusal(Settings(self.settings.certificate, write_certificate(other).key))
        self.assertIn("do not belong together", message)
        self.assertIn("certificate.pem", message)
