"""The judge of the fuzz tests sees what it is there to see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from objectd.objects import objects
from objectd.test.fuzz.answers import NotAnswers, read_answers
from objectd.test.fuzz.conversations import Conversation
from objectd.test.fuzz.judging import Fault, Tally, judge
from objectd.test.fuzz.memory import MemoryFuzz, smallest
from objectd.test.fuzz.requests import Known, Sent
from objectd.web.channel import Channel
from objectd.web.parsing import HeaderParser

DATE = b"Date: Sat, 21 Nov 2026 03:52:14 GMT\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 2\r\n\r\nok"
LAST = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
TO_HEAD = OK[:-2]
ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%b</Code><Resource>%b</Resource></Error>'
)


def sent(path: bytes = b"/b/k", **changes: Any) -> Sent:
    return attrs.evolve(
        Sent(b"GET %b HTTP/1.1\r\n\r\n" % path, "GET", path, "GetObject"), **changes
    )


def error(status: bytes, code: bytes = b"NoSuchKey", path: bytes = b"/b/k") -> bytes:
    document = ERROR % (code, path)
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (
        status,
        DATE,
        len(document),
        document,
    )


class AnswersTests(SynchronousTestCase):
    def test_answers_to_head(self) -> None:
        """Which of the answers have no body is found out, as far as there may be such."""
        answers = read_answers(TO_HEAD + OK + TO_HEAD, heads_max=2)
        self.assertEqual([answer.bodiless for answer in answers], [True, False, True])
        self.assertRaises(NotAnswers, read_answers, TO_HEAD + OK + TO_HEAD, heads_max=1)

    def test_not_answers(self) -> None:
        """What is cut off, goes on, or is not framed as one answer is none."""
        for data in (
            OK[:-1],
            OK + b"x",
            OK[:20],
            b"HTTP/1.1 200\r\n\r\n",
            OK.replace(b"Content-Length: 2", b"X: 1"),
            OK.replace(b"Content-Length: 2", b"Content-Length: 2\r\nContent-Length: 2"),
            OK.replace(b"Date", b"Da te"),
            OK.replace(b"GMT", b"GMT\nX: y"),
            b"<html>",
        ):
            self.assertRaises(NotAnswers, read_answers, data, heads_max=0)

    def test_broken_off(self) -> None:
        """Only a client that goes away may see a part of an answer."""
        self.assertEqual(len(read_answers(OK + OK[:-1], heads_max=0, whole=False)), 2)
        self.assertEqual(len(read_answers(OK + OK[:9], heads_max=0, whole=False)), 1)


class JudgeTests(SynchronousTestCase):
    def judge(self, received: bytes, *requests: Sent) -> None:
        judge(Conversation(requests), received, Tally(), Known(), whole=True)

    def test_good(self) -> None:
        """As many answers as requests, or fewer if the last one says so, are fine."""
        self.judge(OK, sent())
        self.judge(OK + error(b"404 Not Found", path=b"/2"), sent(), sent(b"/2"))
        self.judge(OK + LAST, sent(), sent(), sent())
        self.judge(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, sent())
        self.judge(LAST, sent(intact=False, refused=True), sent())

    def test_bad(self) -> None:
        """A failure of the server's, an answer too many, too few or of another request, a
        connection that stays open though nobody knows where the next request begins."""
        for received, requests in (
            (error(b"500 Internal Server Error", b"InternalError"), [sent()]),
            (error(b"503 Service Unavailable", b"SlowDown"), [sent()]),
            (OK + OK, [sent()]),
            (OK, [sent(), sent()]),
            (b"", [sent()]),
            (LAST + OK, [sent(), sent()]),
            (error(b"404 Not Found", path=b"/other"), [sent()]),
            (error(b"404 Not Found").replace(b"</Error>", b"</error>"), [sent()]),
            (b"HTTP/1.1 400 Bad Request\r\n" + DATE + b"Content-Length: 1\r\n\r\nx", [sent()]),
            (OK, [sent(intact=False, refused=True), sent()]),
            (LAST + LAST, [sent(intact=False, refused=True), sent()]),
            (OK.replace(DATE, b""), [sent()]),
            (TO_HEAD, [sent()]),
            (b"HTTP/1.1 102 Processing\r\n\r\n" + OK, [sent()]),
            (OK.replace(b"ok", b"Traceback").replace(b": 2", b": 9"), [sent()]),
        ):
            self.assertRaises(Fault, self.judge, received, *requests)


class BrokenServerTests(SynchronousTestCase):
    """A server with a fault is found out, and the conversation is made small."""

    def find(self, broken: type, name: str, by: Callable[..., object]) -> Fault:
        """What is found after this function has taken the place of that one."""
        with MemoryFuzz("broken") as fuzz:
            self.patch(broken, name, by)
            for number in range(2000):
                try:
                    fuzz.run(number)
                except Fault as fault:
                    return fault
                finally:
                    self.flushLoggedErrors()
        raise self.failureException("the fault was not found")

    def test_unhandled_error(self) -> None:
        """An error that no handler expects."""

        def delete(*_: object, **__: object) -> Deferred[object]:
            raise ZeroDivisionError

        fault = self.find(objects.Objects, "delete", delete)
        self.assertIn("500 InternalError", str(fault))
        assert fault.conversation is not None
        least = smallest("broken", fault.conversation)
        self.flushLoggedErrors()
        assert least is not None
        self.assertEqual(len(least.requests), 1)
        self.assertLess(len(least.data), len(fault.conversation.data) + 1)

    def test_hang(self) -> None:
        """A connection that nobody closes."""
        fault = self.find(Channel, "out_of_time", lambda channel: None)
        self.assertIn("hangs", str(fault))

    def test_framing(self) -> None:
        """A length that is not heeded, so that a body is taken for the next request."""
        received = HeaderParser.on_header

        def received_without_length(parser: HeaderParser, name: bytes, value: bytes) -> None:
            if name.lower() != b"content-length":
                received(parser, name, value)

        fault = self.find(HeaderParser, "on_header", received_without_length)
        self.assertRegex(str(fault), "answers to|vault")
