"""Writing to a socket without a turn of the reactor.

Twisted's `write` puts data in a buffer, asks the poller to tell when the socket takes some, and
sends it from there: two system calls more than the data needs, and a wait behind every other
connection that can be read. Where nothing is buffered, a socket nearly always takes at once what
it is given. Names used of Twisted 26.10's `abstract.FileDescriptor`: `dataBuffer`,
`_tempDataLen` and `SEND_LIMIT`; of its `tcp.Connection`: `socket`. Over TLS there is no such way.
"""

from __future__ import annotations

from typing import Any

DIRECT_BYTES_MAX = 1 << 20
"""More would keep others waiting. A page of a listing has 300 KB: with a turn for each 128 KiB of
it (`SEND_LIMIT`), and one that tells that it is sent, it takes 0.3 ms more."""


def write_directly(transport: Any, data: bytes) -> None:
    """What `transport.write` does, for a plain transport of a TCP or a Unix socket."""
    if (
        transport._tempDataLen
        or transport.dataBuffer
        or transport.disconnecting
        or not transport.connected
        or len(data) > DIRECT_BYTES_MAX
    ):
        transport.write(data)
        return
    try:
        sent_bytes = transport.socket.send(data)
    except OSError:
        sent_bytes = 0  # it takes nothing now, or is lost: what follows finds out
    if sent_bytes < len(data):
        transport.write(data[sent_bytes:])
