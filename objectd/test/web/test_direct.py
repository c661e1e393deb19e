"""Writing straight to the socket, with Twisted's own `write` as the oracle."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.abstract import FileDescriptor
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.web.applications import Held, Scripted
from objectd.testing.http import Connection, memory_site
from objectd.transports import DIRECT_BYTES_MAX, write_directly
from objectd.web.direct import unsent_bytes

SEND_LIMIT = FileDescriptor.SEND_LIMIT
SIZES = [0, 1, 100, 4096, SEND_LIMIT - 1, SEND_LIMIT, SEND_LIMIT + 1, 300_000, DIRECT_BYTES_MAX]
WRITES = st.lists(
    st.tuples(
        st.sampled_from([*SIZES, DIRECT_BYTES_MAX + 1]),
        st.sampled_from([None, 0, 1, 50, 4096, 100_000, SEND_LIMIT, 2 * SEND_LIMIT]),
    ),
    max_size=8,
)


class DirectTests(SynchronousTestCase):
    """A client that takes what it likes."""

    @settings(max_examples=100)
    @given(WRITES)
    def test_same_bytes(self, writes: list[tuple[int, int | None]]) -> None:
        """However much the client takes at a time, it gets what it would get from `write`, and
        as much is left; the connection is never congested where it would not be with that."""
        direct, plain = (Connection(memory_site(Scripted(Held()))) for _ in range(2))
        for number, (size_bytes, takes_bytes) in enumerate(writes):
            data = bytes([number]) * size_bytes
            for connection in (direct, plain):
                connection.takes_bytes = takes_bytes
            write_directly(direct._transport, data)
            plain._transport.write(data)
            direct.run()
            plain.run()
            self.assertEqual(direct.received, plain.received)
            self.assertEqual(unsent_bytes(direct._transport), unsent_bytes(plain._transport))
            self.assertLessEqual(direct._channel.congested, plain._channel.congested)

    def test_nothing_after_the_end(self) -> None:
        """A connection that is being closed, or is lost, takes nothing more."""
        for end in (Connection.disconnect, lambda each: each._transport.loseConnection()):
            connection = Connection(memory_site(Scripted(Held())))
            end(connection)
            write_directly(connection._transport, b"late")
            self.assertNotIn(b"late", connection.received)
