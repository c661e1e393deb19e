"""Which server, as whom: from options, the environment, and the files of aws-cli."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

import attrs

from objectd.auth.signing import KeyPair
from objectd.client.address import Address, Amazon, parse_endpoint
from objectd.client.connecting import Trust
from objectd.errors import ConfigurationInvalid

__all__ = ["Given", "Target", "find_target"]


@attrs.frozen
class Given:
    """What the command line says; it goes before everything else."""

    endpoint: str = ""
    region: str = ""
    profile: str = ""
    access_key: str = ""
    secret_key: str = attrs.field(default="", repr=False)
    ca_bundle: str = ""
    verify: bool = True


@attrs.frozen
class Target:
    """All that it takes to connect."""

    address: Address
    key_pair: KeyPair
    region: str
    trust: Trust


def find_target(given: Given, environment: Mapping[str, str], home: Path) -> Target:
    """Raises `ConfigurationInvalid`, whose message says what to set."""
    profile = _Profile.load(given.profile, environment, home)
    endpoint = (
        given.endpoint
        or _first(environment, "OBJECTD_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        or profile.get("endpoint_url")
    )
    ca_bundle = given.ca_bundle or _first(environment, "AWS_CA_BUNDLE") or profile.get("ca_bundle")
    region = (
        given.region
        or _first(environment, "AWS_REGION", "AWS_DEFAULT_REGION")
        or profile.get("region")
        or "us-east-1"
    )
    return Target(
        parse_endpoint(endpoint) if endpoint else Amazon(),
        _key_pair(given, environment, profile),
        region,
        Trust(Path(ca_bundle) if ca_bundle else None, given.verify),
    )


def _key_pair(given: Given, environment: Mapping[str, str], profile: _Profile) -> KeyPair:
    if given.access_key or given.secret_key:
        pair = KeyPair(given.access_key, given.secret_key)
    elif not given.profile and "AWS_ACCESS_KEY_ID" in environment:
        pair = KeyPair(
            environment["AWS_ACCESS_KEY_ID"],
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
            environment.get("AWS_SESSION_TOKEN", ""),
        )
    else:
        pair = KeyPair(
            profile.get("aws_access_key_id"),
            profile.get("aws_secret_access_key"),
            profile.get("aws_session_token"),
        )
    if not (pair.access_key and pair.secret_key):
        raise ConfigurationInvalid(
            "no key pair: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            f"or a profile in {profile.credentials}"
        )
    return pair


@attrs.frozen
class _Profile:
    """A section of ~/.aws/credentials and the one of ~/.aws/config."""

    credentials: Path
    values: Mapping[str, str]

    @classmethod
    def load(cls, name: str, environment: Mapping[str, str], home: Path) -> _Profile:
        asked = name or _first(environment, "AWS_PROFILE")
        name = asked or "default"
        credentials = _file(environment, "AWS_SHARED_CREDENTIALS_FILE", home, "credentials")
        config = _file(environment, "AWS_CONFIG_FILE", home, "config")
        in_config = name if name == "default" else f"profile {name}"
        values = {**_section(config, in_config), **_section(credentials, name)}
        if asked and not values:
            raise ConfigurationInvalid(
                f"there is no profile {asked!r} in {credentials} or {config}"
            )
        return cls(credentials, values)

    def get(self, name: str) -> str:
        return self.values.get(name, "")


def _file(environment: Mapping[str, str], variable: str, home: Path, name: str) -> Path:
    return Path(environment.get(variable) or home / ".aws" / name)


def _section(path: Path, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        what_and_where = " ".join(str(error).split())
        raise ConfigurationInvalid(f"{path} cannot be read: {what_and_where}") from error
    return dict(parser.items(name)) if parser.has_section(name) else {}


def _first(environment: Mapping[str, str], *names: str) -> str:
    """The value of the first variable that is set to something."""
    return next((environment[name] for name in names if environment.get(name)), "")
