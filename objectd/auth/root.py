"""The root user's key pair: from the environment, or random and kept in one file.

There is no default password. A pair that nobody chose is drawn at the first start, shown
once, and kept in the data directory so that clients still work after a restart.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import attrs
from zope.interface import implementer

from objectd.errors import ConfigurationInvalid
from objectd.interfaces import ROOT_ACCOUNT, Credential, Host, ICredentials
from objectd.secret_files import write_secret

__all__ = [
    "ACCESS_KEY_VARIABLE",
    "FILE_NAME",
    "SECRET_KEY_VARIABLE",
    "RootCredentials",
    "Settings",
    "open_credentials",
]

ACCESS_KEY_VARIABLE = "OBJECTD_ROOT_ACCESS_KEY"
SECRET_KEY_VARIABLE = "OBJECTD_ROOT_SECRET_KEY"  # noqa: S105  # the name, not the value
FILE_NAME = "root-credentials"

# No '/', ',' or '=': they separate the parts of an Authorization header.
_ACCESS_KEY = re.compile(r"[A-Za-z0-9_.+@-]{3,128}")
_SECRET_KEY = re.compile(r"[!-~]{8,128}")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_KNOWN_TO_EVERYBODY = frozenset(
    {
        "12345678",
        "accesskey",
        "changeme",
        "changeme123",
        "cloudserver",
        "minio123",
        "minioadmin",
        "objectd",
        "objectd123",
        "objectdadmin",
        "password",
        "password123",
        "rustfsadmin",
        "s3cret-key",
        "secretkey",
        "seaweedfs",
        "verysecretkey1",
    }
)


@attrs.frozen
class Settings:
    """Nothing: a secret has no place in a configuration file that others may read."""


@implementer(ICredentials)
@attrs.frozen
class RootCredentials:
    """Knows one key pair."""

    root: Credential

    async def find(self, access_key: str) -> Credential | None:
        return self.root if access_key == self.root.access_key else None


async def open_credentials(settings: Settings, host: Host) -> ICredentials:
    """Raises `ConfigurationInvalid` for a pair that is half there, malformed or well known,
    and for a file that others may read."""
    file = host.data_directory / FILE_NAME
    if ACCESS_KEY_VARIABLE in host.environment or SECRET_KEY_VARIABLE in host.environment:
        pair = _checked(host.environment, "the environment")
    elif file.exists():
        pair = _checked(_read(file), str(file))
    else:
        pair = _draw()
        _keep(pair, file)
        host.announce(f"New root credentials, kept in {file}:")
        host.announce(f"  access key  {pair.access_key}")
        host.announce(f"  secret key  {pair.secret_key}")
    return RootCredentials(pair)


def _draw() -> Credential:
    access_key = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    return Credential(access_key, secrets.token_urlsafe(30), ROOT_ACCOUNT)


def _checked(values: Mapping[str, str], source: str) -> Credential:
    access_key = _value(values, ACCESS_KEY_VARIABLE, source)
    secret_key = _value(values, SECRET_KEY_VARIABLE, source)
    if _ACCESS_KEY.fullmatch(access_key) is None:
        raise ConfigurationInvalid(
            f"{ACCESS_KEY_VARIABLE} of {source}: 3 to 128 letters, digits or _.+@- are needed"
        )
    if _SECRET_KEY.fullmatch(secret_key) is None:
        raise ConfigurationInvalid(
            f"{SECRET_KEY_VARIABLE} of {source}: 8 to 128 visible ASCII characters are needed"
        )
    if secret_key.lower() in _KNOWN_TO_EVERYBODY or secret_key == access_key:
        raise ConfigurationInvalid(
            f"{SECRET_KEY_VARIABLE} of {source} is one that anybody would guess: choose another"
        )
    return Credential(access_key, secret_key, ROOT_ACCOUNT)


def _value(values: Mapping[str, str], name: str, source: str) -> str:
    if name not in values:
        raise ConfigurationInvalid(f"{name} is not in {source}: both keys are needed, or neither")
    return values[name]


def _read(file: Path) -> dict[str, str]:
    if file.stat().st_mode & 0o077:
        raise ConfigurationInvalid(f"{file} may be read by others: run chmod 600 {file}")
    lines = file.read_text("ascii", "replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _keep(pair: Credential, file: Path) -> None:
    """A pair that is half written would lock everybody out."""
    write_secret(
        file, f"{ACCESS_KEY_VARIABLE}={pair.access_key}\n{SECRET_KEY_VARIABLE}={pair.secret_key}\n"
    )
