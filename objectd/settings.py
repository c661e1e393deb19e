"""All that an operator may set, as `etc/objectd.toml` shows it with the defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from objectd.background.settings import CollectionSettings
from objectd.config import Choice, ConfigurationFile
from objectd.errors import InvalidArgument
from objectd.objects.settings import ObjectSettings
from objectd.web.address import Address
from objectd.web.limits import Deadlines, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Configuration", "ServerSettings", "load"]

_DOMAIN = re.compile(
    r"(?=.{1,255}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)


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


def _built(instance: object, field: attrs.Attribute[Any], value: int) -> None:
    if value != 0:
        raise ValueError(
            f"'workers' = {value} is not built yet: 0, one process for everything, is all there is"
        )


@attrs.frozen
class ServerSettings:
    """Where and as what the server is reached.

    `domains` are those below which a bucket may be the first label of the host name. With
    `strict_region`, requests that were signed for another region are refused.
    """

    listen: tuple[str, ...] = attrs.field(default=("127.0.0.1:9000",), validator=_every_address)
    listen_tls: tuple[str, ...] = attrs.field(default=(), validator=_every_address)
    domains: tuple[str, ...] = attrs.field(default=(), validator=_every_domain)
    region: str = attrs.field(
        default="us-east-1", validator=attrs.validators.matches_re(r"[a-z0-9-]{1,64}")
    )
    strict_region: bool = False
    workers: int = attrs.field(default=0, validator=_built)
    stop_seconds: float = attrs.field(default=7.0, validator=attrs.validators.ge(0))
    patience_seconds: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))


@attrs.frozen
class Configuration:
    """The sections of the file. Without a section [tls] there is no TLS."""

    server: ServerSettings
    limits: Limits
    deadlines: Deadlines
    objects: ObjectSettings
    collection: CollectionSettings
    metadata: Choice
    blobs: Choice
    credentials: Choice
    tls: Choice | None


def load(
    path: Path | None = None, *, listen: str | None = None, workers: int | None = None
) -> Configuration:
    """The settings of this file, or all defaults. `listen` and `workers`, from a command
    line, go before what the file says. Raises `ConfigurationInvalid`."""
    file = ConfigurationFile() if path is None else ConfigurationFile.read(path)
    if listen is not None:
        file = file.overriding("server", "listen", [listen])
    if workers is not None:
        file = file.overriding("server", "workers", workers)
    file.refuse_sections_other_than(attrs.fields_dict(Configuration))
    configuration = Configuration(
        server=file.section("server", ServerSettings),
        limits=file.section("limits", Limits),
        deadlines=file.section("deadlines", Deadlines),
        objects=file.section("objects", ObjectSettings),
        collection=file.section("collection", CollectionSettings),
        metadata=file.choice("metadata", default="rocksdb"),
        blobs=file.choice("blobs", default="disk"),
        credentials=file.choice("credentials", default="root"),
        tls=file.choice("tls", default="pem") if "tls" in file else None,
    )
    if (configuration.tls is not None) != bool(configuration.server.listen_tls):
        raise file.error("a section [tls] and listen_tls in [server] go together: one is missing")
    return configuration
