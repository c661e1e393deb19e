"""What supervisor and children tell each other, and the child's end of it."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.process import control
from objectd.process.control import Begin, Command, Commands, Event, Frames, Listener, encode

BEGIN = Begin("file", b"\x80", "/data", (Listener(8, False), Listener(9, True)), 2, (1, 7))
COMMANDS: list[Command] = [
    BEGIN,
    control.Incarnation(5),
    control.TakeIncarnation(),
    control.Fence(5),
    control.Reload(),
    control.Ping(),
    control.Stop(1.5),
    control.Stop(None),
]
EVENTS: list[Event] = [
    control.Ready(),
    control.Announce("a line"),
    control.Failed("why"),
    control.Incarnation(5),
    control.Fenced(5),
    control.Pong(),
]


class Framing(SynchronousTestCase):
    @given(st.lists(st.sampled_from(COMMANDS)), st.lists(st.integers(1, 30)))
    def test_commands(self, commands: list[Command], sizes: list[int]) -> None:
        """Commands come as they were given, however the stream of bytes is cut."""
        frames = Frames(control.decode_command)
        data = b"".join(map(encode, commands))
        heard: list[Command] = []
        for size in sizes:
            heard += frames.feed(data[:size])
            data = data[size:]
        heard += frames.feed(data)
        self.assertEqual(commands, heard)

    def test_events(self) -> None:
        """Events come as they were told."""
        frames = Frames(control.decode_event)
        self.assertEqual(EVENTS, list(frames.feed(b"".join(map(encode, EVENTS)))))


class Hearing(SynchronousTestCase):
    def setUp(self) -> None:
        self.reading, self.writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        self.heard: list[Command | str] = []
        self.commands = Commands(self.heard.append, lambda: self.heard.append("lost"), self.reading)

    def test_obeys(self) -> None:
        """Commands that came together are obeyed in their order."""
        os.write(self.writing, encode(BEGIN) + encode(control.Reload()))
        self.commands.doRead()
        os.close(self.writing)
        self.assertEqual([BEGIN, control.Reload()], self.heard)

    def test_lost(self) -> None:
        """The end of the pipe is the end of the supervisor."""
        os.close(self.writing)
        self.commands.doRead()
        self.assertEqual(["lost"], self.heard)
