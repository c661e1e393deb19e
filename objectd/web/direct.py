"""Writing to a TCP socket without a turn of the reactor.

Twisted's `write` puts data in a buffer, asks the poller to tell when the socket takes some, and
sends it from there: two system calls more than the answer needs, and a wait behind every other
connection that can be read. Where nothing is buffered, a socket nearly always takes a small
answer at once. Names used of Twisted 26.10's `abstract.FileDescriptor`: `dataBuffer`, `offset`,
`_tempDataLen`, `SEND_LIMIT`, and `writeSomeData`; of its `tcp.Connection`: `socket`. Over TLS there
is no such way.
"""

from __future__ import annotations

from typing import Any

DIRECT_BYTES_MAX = 1 << 20
"""More would keep others waiting. A page of a listing has 300 KB: with a turn for each 128 KiB of
it (`SEND_LIMIT`), and one that tells that it is sent, it takes 0.3 ms more."""

SEND_BYTES_MAX = 1 << 20
"""How much of a large body one system call sends. Each wakes the client: with Twisted's 128 KiB
a download of 256 MiB took 0.56 ms of CPU per MB and came at 1.6 GB/s, so 0.45 ms and 2.1 GB/s."""


def write_directly(transport: Any, data: bytes) -> None:
    """What `transport.write` does, for a plain TCP transport."""
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


def send_some(transport: Any, data: memoryview) -> int:
    """Send what a plain TCP socket takes now, without copying any of it; returns how much.

    If that is not all, the producer is paused, and resumed when the socket takes more: with
    nothing to send itself, all that the transport does then is to say so.
    """
    transport.SEND_LIMIT = SEND_BYTES_MAX
    sent_bytes = 0
    if not (transport._tempDataLen or transport.dataBuffer):
        while sent_bytes < len(data):
            taken_bytes = transport.writeSomeData(data[sent_bytes:])
            if taken_bytes.__class__ is not int:
                transport.write(bytes(data[sent_bytes:]))  # the connection is lost: as above
                return len(data)
            if not taken_bytes:
                break
            sent_bytes += taken_bytes
    if sent_bytes < len(data) and not transport.producerPaused:
        transport.producerPaused = True
        transport.producer.pauseProducing()
        transport.startWriting()
    return sent_bytes


def unsent_bytes(transport: Any) -> int:
    """How much of what was written to a TCP transport waits in its buffer."""
    return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)
