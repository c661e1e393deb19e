"""Every limit and every deadline of the web layer, by name."""

from __future__ import annotations

import attrs

__all__ = ["PIECE_BYTES_MAX", "Deadlines", "Limits"]

KIB = 1 << 10
MIB = 1 << 20

PIECE_BYTES_MAX = MIB
"""The largest piece in which a body is handed on; a download holds one at a time."""


@attrs.frozen
class Limits:
    """How much the server takes on at once. Beyond `connections`, `uploads` and `downloads`
    the answer is `SlowDown`.

    `connections` needs as many file descriptors and then some. The request line's and the
    headers' bytes are counted apart from each other. `stream_memory_bytes` is what one
    upload may hold in memory of the shared `body_memory_bytes`, of which a little, up to
    one read of its socket, it may hold always. `drain_bytes` are read and dropped after an
    answer that came before the body, so that the client gets to read it.
    """

    connections: int = 4096
    uploads: int = 512
    downloads: int = 512
    request_line_bytes: int = 16 * KIB
    header_bytes: int = 32 * KIB
    header_count: int = 256
    pipelined_bytes: int = 16 * KIB
    body_memory_bytes: int = 64 * MIB
    stream_memory_bytes: int = attrs.field(
        default=2 * MIB, validator=attrs.validators.in_(range(64 * KIB, 4 * MIB + 1))
    )
    drain_bytes: int = MIB

    @property
    def download_memory_bytes(self) -> int:
        """What is set aside for one download: so little that slow ones, which hold it for
        long, cannot keep others from being served."""
        return min(PIECE_BYTES_MAX, self.body_memory_bytes // max(self.downloads, 1))


@attrs.frozen
class Deadlines:
    """How long the server waits for a client, in seconds.

    `headers_seconds` runs from the accept or from the first byte of a later request to the
    end of its headers. Whenever the server waits for a client to send its body or to take
    its answer, every `progress_window_seconds` must bring `progress_bytes_per_second` on
    average. `memory_seconds` is how long a download waits for body memory before it is
    refused. Once the server stops, or the worker is replaced, a connection on which nothing has
    come yet has `retire_seconds` for the headers of its first request.
    """

    headers_seconds: float = 20
    idle_seconds: float = 75
    progress_window_seconds: float = 30
    progress_bytes_per_second: int = 1024
    drain_seconds: float = 5
    memory_seconds: float = 10
    retire_seconds: float = 1
