"""The service on memory stores and a memory reactor: start, stop, and what ends the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from objectd.config import Choice, ConfigurationFile
from objectd.errors import FormatUnsupported, StoreFailed
from objectd.interfaces import Host, IMetadataStore, IProvider
from objectd.metadata import memory
from objectd.model import keys
from objectd.service.lifecycle import Surroundings
from objectd.service.single import SingleProcess
from objectd.service.supervised import taken_up
from objectd.settings import Configuration, Source, load
from objectd.testing.http import Connection, exchange
from objectd.web.site import Site

CONFIGURATION = """
[server]
workers = 0
stop_seconds = 3.0
[metadata]
provider = "memory"
[blobs]
provider = "memory"
"""
ROOT_KEYS = {"OBJECTD_ROOT_ACCESS_KEY": "root", "OBJECTD_ROOT_SECRET_KEY": "not-a-known-one"}
READY = b"GET /-/health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n"


@implementer(IProvider)
@attrs.define
class Opened:
    """Opens memory stores, after `first`, and keeps what it was given and gave."""

    first: Callable[[], Any] = lambda: None
    hosts: list[Host] = attrs.Factory(list)
    stores: list[IMetadataStore] = attrs.Factory(list)
    kind = "metadata"
    name = "opened"
    help = "For tests of the service"

    def settings_type(self) -> type[memory.Settings]:
        return memory.Settings

    async def open(self, settings: memory.Settings, host: Host) -> IMetadataStore:
        waiting = self.first()
        if waiting is not None:
            await waiting
        self.hosts.append(host)
        self.stores.append(await memory.open_store(settings, host))
        return self.stores[-1]


class OccupiedReactor(MemoryReactorClock):
    """A reactor of a host on which every port is taken."""

    def listenTCP(self, *args: Any, **kwargs: Any) -> Any:
        raise CannotListenError("127.0.0.1", 9000, OSError(98, "Address already in use"))


class Server(SynchronousTestCase):
    """One server in memory; `ended` counts how often it asked for the end of the process."""

    def setUp(self) -> None:
        self.metadata = Opened()
        self.reactor = MemoryReactorClock()
        self.announced: list[str] = []
        self.ended = 0
        self.log = EventLoggingObserver()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)

    def end(self) -> None:
        self.ended += 1

    def configuration(self) -> Configuration:
        file = Path(self.mktemp())
        file.write_text(CONFIGURATION)
        return attrs.evolve(load(file), metadata=Choice(self.metadata, memory.Settings()))

    def service(self, environment: Mapping[str, str] = ROOT_KEYS) -> SingleProcess:
        return SingleProcess(
            self.configuration(),
            Source(),
            Surroundings(
                reactor=self.reactor,  # type: ignore[arg-type]  # it has all that is used
                data_directory=Path(self.mktemp()),
                environment=environment,
                announce=self.announced.append,
                end=self.end,
            ),
        )

    def started(self, environment: Mapping[str, str] = ROOT_KEYS) -> SingleProcess:
        service = self.service(environment)
        service.startService()
        self.reactor.run()
        return service

    def site(self) -> Site:
        [(_, site, _, _)] = self.reactor.tcpServers
        assert isinstance(site, Site)
        return site

    def row(self, key: bytes) -> object:
        [row] = self.successResultOf(Deferred.fromCoroutine(self.metadata.stores[0].get([key])))
        return row

    def assert_closed(self) -> None:
        reading = Deferred.fromCoroutine(self.metadata.stores[0].get([b"key"]))
        self.failureResultOf(reading, StoreFailed)

    def critical(self) -> list[str]:
        return [
            event["log_format"].format(**event)
            for event in self.log
            if event["log_level"] is LogLevel.critical
        ]


class Starting(Server):
    """What stands when it has started."""

    def test_serves(self) -> None:
        """It listens where it is told, says so, is ready, and refuses who did not sign."""
        service = self.started()
        [(port, _, backlog, interface)] = self.reactor.tcpServers
        self.assertEqual((9000, 1024, "127.0.0.1"), (port, backlog, interface))
        self.assertEqual(1, len(self.announced))
        self.assertIn("objectd listens on http://", self.announced[0])
        answers = exchange(self.site(), READY + b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual([200, 403], [answer.status for answer in answers])
        self.successResultOf(service.stopService())
        self.assertEqual(0, self.ended)

    def test_waits_for_the_reactor(self) -> None:
        """Nothing is opened before the reactor runs, or if it is stopped before that."""
        service = self.service()
        service.startService()
        self.successResultOf(service.stopService())
        self.reactor.run()
        self.assertEqual([], self.metadata.stores)

    def test_credentials_are_drawn(self) -> None:
        """Without a key pair in the environment one is drawn, and shown."""
        self.successResultOf(self.started({}).stopService())
        self.assertIn("New root credentials", self.announced[0])

    def test_buckets(self) -> None:
        """Buckets of the environment are there after the start, also if they were before."""
        service = self.started({**ROOT_KEYS, "OBJECTD_BUCKETS": "photos,music,photos"})
        self.assertIsNot(None, self.row(keys.bucket_name("photos")))
        self.assertIsNot(None, self.row(keys.bucket_name("music")))
        self.assertIs(None, self.row(keys.bucket_name("other")))
        self.successResultOf(service.stopService())


class FailingToStart(Server):
    """A start that fails ends the process, says why, and leaves nothing open."""

    def test_operator_errors(self) -> None:
        """What an operator can mend is one line without a traceback."""
        self.metadata.first = lambda: fail(FormatUnsupported("written by objectd 9"))
        service = self.started()
        self.assertEqual(["objectd ends: written by objectd 9"], self.critical())
        self.assertEqual(1, self.ended)
        self.successResultOf(service.stopService())

    def test_port_is_taken(self) -> None:
        """A port that is taken closes again what was opened."""
        self.reactor = OccupiedReactor()
        self.started()
        [line] = self.critical()
        self.assertIn("Couldn't listen on 127.0.0.1:9000", line)
        self.assertEqual(1, self.ended)
        self.assert_closed()

    def test_bad_bucket_name(self) -> None:
        """A name that is none for a bucket is reported with the variable's."""
        self.started({**ROOT_KEYS, "OBJECTD_BUCKETS": "Photos"})
        [line] = self.critical()
        self.assertIn("OBJECTD_BUCKETS: 'Photos' is not a valid bucket name", line)
        self.assertEqual(1, self.ended)

    def test_weak_credentials(self) -> None:
        """A secret that everybody knows is refused before anything listens."""
        self.started({**ROOT_KEYS, "OBJECTD_ROOT_SECRET_KEY": "minioadmin"})
        self.assertEqual(1, self.ended)
        self.assertEqual([], self.reactor.tcpServers)

    def test_faults(self) -> None:
        """A fault of ours is logged with its traceback, and ends the process as well."""
        self.metadata.first = lambda: fail(ZeroDivisionError())
        self.started()
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual(1, self.ended)

    def test_stopped_meanwhile(self) -> None:
        """Stopping while a store is still being opened gives up the start."""
        self.metadata.first = Deferred
        service = self.started()
        self.successResultOf(service.stopService())
        self.assertEqual(([], 0), (self.reactor.tcpServers, self.ended))


class Stopping(Server):
    """Requests under way end before the stores are closed."""

    def test_order(self) -> None:
        """A request that is half sent keeps the stores open, for as long as it may take."""
        service = self.started()
        connection = Connection(self.site())
        connection.send(READY[:20])
        stopped = service.stopService()
        self.reactor.advance(2.9)
        self.assertNoResult(stopped)
        self.assertIs(None, self.row(b"key"))
        self.reactor.pump([0.2, 0.1])
        self.successResultOf(stopped)
        self.assertTrue(connection.closed)
        self.assert_closed()

    def test_ends_at_once(self) -> None:
        """Without requests under way it takes no time."""
        self.successResultOf(self.started().stopService())
        self.assert_closed()

    def test_store_failed(self) -> None:
        """A store that cannot go on ends the process, and readiness, once."""
        service = self.started()
        self.metadata.hosts[0].on_failure(StoreFailed("the disk is gone"))
        self.metadata.hosts[0].on_failure(StoreFailed("still gone"))
        self.assertEqual(["objectd ends: the disk is gone"], self.critical())
        self.assertEqual(1, self.ended)
        [answer] = exchange(self.site(), READY)
        self.assertEqual(503, answer.status)
        self.successResultOf(service.stopService())


def fail(error: Exception) -> None:
    raise error


class TakingUpTests(SynchronousTestCase):
    def test_reloaded(self) -> None:
        """New workers have new limits with the drives and storage classes that the owner has,
        whatever is written by now."""
        old = {
            "server": {"workers": 2, "region": "us-east-1"},
            "blobs": {"drives": ["/a"]},
            "objects": {"part_bytes_min": 1},
            "limits": {"uploads": 3},
        }
        new = {
            "server": {"listen": ["[::]:80"], "region": "eu-west-1", "stop_seconds": 1.0},
            "classes": {"STANDARD": {"zstd_level": 3}},
            "stores": {"cold": {}},
            "objects": {"part_bytes_min": 2},
            "deadlines": {"idle_seconds": 1.0},
        }
        found = taken_up(ConfigurationFile("f", old), ConfigurationFile("f", new))
        expected = {
            "server": {"workers": 2, "region": "eu-west-1", "stop_seconds": 1.0},
            "blobs": {"drives": ["/a"]},
            "objects": {"part_bytes_min": 2},
            "deadlines": {"idle_seconds": 1.0},
        }
        self.assertEqual(found, ConfigurationFile("f", expected))

    def test_tls(self) -> None:
        """Where there was no TLS there is none until a restart, and the other way round: its
        section goes with the listeners."""
        plain: dict[str, object] = {"server": {}}
        both = {"server": {"listen_tls": ["[::]:443"]}, "tls": {"certificate": "a", "key": "b"}}
        for old, new in ((plain, both), (both, plain)):
            found = taken_up(ConfigurationFile("f", old), ConfigurationFile("f", new))
            self.assertEqual(found.tables, old)
        other = {**both, "tls": {"certificate": "c", "key": "d"}}
        found = taken_up(ConfigurationFile("f", both), ConfigurationFile("f", other))
        self.assertEqual(found.tables, other)
