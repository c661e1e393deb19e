"""All that an operator may set, as `etc/objectd.toml` shows it with the defaults."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from objectd.background.settings import CollectionSettings, LifecycleSettings
from objectd.config import Choice, ConfigurationFile, Place, checked, chosen
from objectd.errors import InvalidArgument
from objectd.objects.classes import DEFAULTS, ClassMistake, ClassSettings, check_classes
from objectd.objects.encryption import EncryptionSettings
from objectd.objects.settings import ObjectSettings
from objectd.web.address import Address
from objectd.web.limits import Deadlines, Limits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = [
    "A_WORKER_A_CORE",
    "Configuration",
    "ServerSettings",
    "Source",
    "configuration_of",
    "load",
]

A_WORKER_A_CORE = -1

_DOMAIN = re.compile(
    r"(?=.{1,255}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)

_STORE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def _every_address(instance: object, field: attrs.Attribute[Any], value: Sequence[str]) -> None:
    for address in value:
        try:
            Address.parse(address)
        except InvalidArgument as error:
            raise ValueError(f"'{field.name}': {error}") from error


def _every_domain(instance: object, field: attrs.Attribute[Any], value: Sequence[str]) -> None:
    for domain in value:
        if _DOMAIN.fullmatch(domain) is None:
            raise ValueError(f"'domains': {domain!r} is not a domain name in small letters")


@attrs.frozen
class ServerSettings:
    """Where and as what the server is reached.

    `domains` are those below which a bucket may be the first label of the host name. With
    `strict_region`, requests that were signed for another region are refused. `workers` is
    `A_WORKER_A_CORE`, or how many processes answer requests; with 0 one does everything. A stop
    waits `stop_seconds` for the requests under way, and an answer that takes longer than
    `patience_seconds` begins before it is known (`objectd.s3.late`).
    """

    listen: tuple[str, ...] = attrs.field(default=("127.0.0.1:9000",), validator=_every_address)
    listen_tls: tuple[str, ...] = attrs.field(default=(), validator=_every_address)
    domains: tuple[str, ...] = attrs.field(default=(), validator=_every_domain)
    region: str = attrs.field(
        default="us-east-1", validator=attrs.validators.matches_re(r"[a-z0-9-]{1,64}")
    )
    strict_region: bool = False
    workers: int = attrs.field(
        default=A_WORKER_A_CORE, validator=attrs.validators.ge(A_WORKER_A_CORE)
    )
    stop_seconds: float = attrs.field(default=7.0, validator=attrs.validators.ge(0))
    patience_seconds: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))

    @property
    def worker_count(self) -> int:
        """How many processes answer requests beside the one that watches over them."""
        if self.workers == A_WORKER_A_CORE:
            return len(os.sched_getaffinity(0))
        return self.workers


@attrs.frozen
class Configuration:
    """The sections of the file. Without a section [tls] there is no TLS. `stores` has the
    sections [stores.NAME], further blob stores by their names, and `classes` all storage classes
    that there are, those of sections [classes.NAME] as these say."""

    server: ServerSettings
    limits: Limits
    deadlines: Deadlines
    objects: ObjectSettings
    encryption: EncryptionSettings
    collection: CollectionSettings
    lifecycle: LifecycleSettings
    metadata: Choice
    blobs: Choice
    credentials: Choice
    keys: Choice
    tls: Choice | None
    stores: Mapping[str, Choice]
    classes: Mapping[str, ClassSettings]

    def differences(self, other: Configuration) -> list[str]:
        """What of the two differs: sections, and in [server] each key."""
        sections = [
            f"[{name}]"
            for name in attrs.fields_dict(Configuration)
            if name != "server" and getattr(self, name) != getattr(other, name)
        ]
        keys = [
            f"[server] {name}"
            for name in attrs.fields_dict(ServerSettings)
            if getattr(self.server, name) != getattr(other.server, name)
        ]
        return keys + sections


@attrs.frozen
class Source:
    """Where the settings are written: a file, if any, and what a command line puts before
    what it says."""

    path: Path | None = None
    listen: str | None = None
    workers: int | None = None

    def read(self) -> ConfigurationFile:
        """What is written there now, not yet checked. Raises `ConfigurationInvalid`."""
        file = ConfigurationFile() if self.path is None else ConfigurationFile.read(self.path)
        if self.listen is not None:
            file = file.overriding("server", "listen", [self.listen])
        if self.workers is not None:
            file = file.overriding("server", "workers", self.workers)
        return file

    def load(self) -> Configuration:
        """Raises `ConfigurationInvalid`."""
        return configuration_of(self.read())


def load(
    path: Path | None = None, *, listen: str | None = None, workers: int | None = None
) -> Configuration:
    """The settings of this file, or all defaults. `listen` and `workers`, from a command
    line, go before what the file says. Raises `ConfigurationInvalid`."""
    return Source(path, listen, workers).load()


def configuration_of(file: ConfigurationFile) -> Configuration:
    """Check everything that the file says. Raises `ConfigurationInvalid`."""
    file.refuse_sections_other_than(attrs.fields_dict(Configuration))
    stores = _stores(file)
    configuration = Configuration(
        server=file.section("server", ServerSettings),
        limits=file.section("limits", Limits),
        deadlines=file.section("deadlines", Deadlines),
        objects=file.section("objects", ObjectSettings),
        encryption=file.section("encryption", EncryptionSettings),
        collection=file.section("collection", CollectionSettings),
        lifecycle=file.section("lifecycle", LifecycleSettings),
        metadata=file.choice("metadata", default="rocksdb"),
        blobs=file.choice("blobs", default="disk"),
        credentials=file.choice("credentials", default="root"),
        keys=file.choice("keys", default="local"),
        tls=file.choice("tls", default="pem") if "tls" in file else None,
        stores=stores,
        classes=_classes(file, stores),
    )
    if mistake := _contradiction(configuration):
        raise file.error(mistake)
    return configuration


def _contradiction(configuration: Configuration) -> str:
    """What two sections say that does not go together, if anything."""
    if (configuration.tls is not None) != bool(configuration.server.listen_tls):
        return "a section [tls] and listen_tls in [server] go together: one is missing"
    further = ((f"stores.{name}", choice) for name, choice in configuration.stores.items())
    for section, choice in (("blobs", configuration.blobs), *further):
        if choice.provider.name == "memory" and configuration.server.worker_count:
            return (
                f'with provider = "memory" in [{section}] every process would have blobs of its '
                "own: set workers = 0 in [server]"
            )
    return ""


def _stores(file: ConfigurationFile) -> dict[str, Choice]:
    stores = {}
    for name, table, place in file.within("stores"):
        if _STORE.fullmatch(name) is None:
            raise place.error(
                "the name of a store is 1 to 64 small letters, digits and dashes, and begins "
                "with a letter or a digit"
            )
        stores[name] = chosen("blobs", "disk", table, place)
    return stores


def _classes(file: ConfigurationFile, stores: Collection[str]) -> dict[str, ClassSettings]:
    """All classes. What a section leaves out holds as it does without the section."""
    classes = dict(DEFAULTS)
    for name, table, place in file.within("classes"):
        default = attrs.asdict(DEFAULTS.get(name, ClassSettings()))
        classes[name] = checked(ClassSettings, {**default, **table}, place)
    try:
        check_classes(classes, stores)
    except ClassMistake as mistake:
        place = Place(file.name, f"classes.{mistake.name}", mistake.key)
        raise place.error(mistake.why) from mistake
    return classes
