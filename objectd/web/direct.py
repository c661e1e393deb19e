"""Writing to a TCP socket without a turn of the reactor.

Twisted's `write` puts data in a buffer, asks the poller to tell when the socket takes some, and
sends it from there: two system calls more than the answer needs, and a wait behind every other
connection that can be read. Where nothing is buffered, a socket nearly always takes a small
answer at once. Names used of Twisted 26.10's `abstract.FileDescriptor`: `dataBuffer`, `offset`,
`_tempDataLen`, and `writeSomeData`. Over TLS there is no such way.
"""

from __future__ import annotations

from typing import Any

DIRECT_BYTES_MAX = 128 << 10
"""More is not sent by one call anyway (`SEND_LIMIT`)."""


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
    sent_bytes = transport.writeSomeData(data)
    if sent_bytes.__class__ is not int:
        transport.write(data)  # the connection is lost: whoever writes next is told
    elif sent_bytes < len(data):
        transport.write(data[sent_bytes:])


def send_some(transport: Any, data: memoryview) -> int:
    """Send what a plain TCP socket takes now, without copying any of it; returns how much.

    If that is not all, the producer is paused, and resumed when the socket takes more: with
    nothing to send itself, all that the transport does then is to say so.
    """
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
