"""Where a server is, and how its buckets are addressed."""

from __future__ import annotations

import re
from typing import Protocol

import attrs

from objectd.errors import ConfigurationInvalid
from objectd.protocol.calls import CallRequest

__all__ = ["Address", "Amazon", "Endpoint", "parse_endpoint"]

_ENDPOINT = re.compile(r"(https?)://([^/?#@\s]+)/?", re.IGNORECASE)
_HOST_LABELS = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Address(Protocol):
    """Turns a request into an origin (scheme and authority) and a path."""

    @property
    def secure(self) -> bool: ...

    def locate(self, request: CallRequest, region: str) -> tuple[bytes, bytes]: ...


@attrs.frozen
class Endpoint:
    """A server of its own, whose buckets are the first segment of the path."""

    scheme: str
    authority: str

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    def locate(self, request: CallRequest, region: str) -> tuple[bytes, bytes]:
        return f"{self.scheme}://{self.authority}".encode(), request.raw_path


@attrs.frozen
class Amazon:
    """AWS itself: the host names region and bucket."""

    secure: bool = attrs.field(default=True, init=False)

    def locate(self, request: CallRequest, region: str) -> tuple[bytes, bytes]:
        host = f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
        bucket, key = request.target.bucket, request.target.key or ""
        # Their certificate covers one label; a path that begins with two slashes is no path.
        if bucket is None or not _HOST_LABELS.fullmatch(bucket) or key.startswith("/"):
            return f"https://{host}".encode(), request.raw_path
        return f"https://{bucket}.{host}".encode(), request.raw_key or b"/"


def parse_endpoint(url: str) -> Endpoint:
    """Raises `ConfigurationInvalid` for what is not scheme://host[:port]."""
    match = _ENDPOINT.fullmatch(url)
    if match is None:
        raise ConfigurationInvalid(f"the endpoint {url!r} is not of the form http[s]://HOST[:PORT]")
    scheme, authority = match.group(1).lower(), match.group(2).lower()
    return Endpoint(scheme, authority.removesuffix(_DEFAULT_PORTS[scheme]))
