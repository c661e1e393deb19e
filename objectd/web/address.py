"""Where to listen, as the configuration writes it."""

from __future__ import annotations

import attrs

from objectd.errors import InvalidArgument

__all__ = ["Address"]


@attrs.frozen
class Address:
    """`host` '' means all interfaces."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """'127.0.0.1:9000', '[::1]:9000' or ':9000'; port 0 lets the system choose."""
        host, separator, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            separator = ""  # an IPv6 address without brackets
        if not (separator and port.isascii() and port.isdigit() and int(port) < 1 << 16):
            raise InvalidArgument(f"{text!r} is not of the form HOST:PORT", name="listen")
        return cls(host, int(port))
