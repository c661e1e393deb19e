"""What client verbs tell: a line for each thing done, one for each that failed, and how far
they have come."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click

from objectd.client.errors import Refused, Unreachable, Untrusted
from objectd.errors import ObjectdError

__all__ = ["Report", "blamed", "human", "shown"]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UPDATES_A_SECOND = 5
_BAR_WIDTH = 30
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def shown(text: str) -> str:
    """A name as it can be printed: on one line, and without a command to the terminal."""
    return _CONTROL.sub(lambda match: ascii(match.group())[1:-1], text)


def human(size_bytes: int) -> str:
    """A size in the unit in which it has up to four digits."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    power = min((size_bytes.bit_length() - 1) // 10, len(_UNITS))
    return f"{size_bytes / 1024**power:.1f} {_UNITS[power - 1]}"


def blamed(error: Exception, what: str) -> str:
    """What a failure of `what` is about: the bucket, if that is what is wrong."""
    bucket = error.refusal.details.get("BucketName") if isinstance(error, Refused) else None
    return f"s3://{bucket}" if bucket else what


def _reason(error: object) -> str:
    """Without the number that the system has for it."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return error.strerror + where
    return str(error)


class Report:
    """Lines go to the standard output, failures and the progress to the standard error; the
    progress only if that is a terminal. `quiet` leaves failures."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._shows_progress = not quiet and sys.stderr.isatty()
        self._began = self._updated = time.monotonic()
        self._bytes = self._expected_bytes = 0
        self._width = 0
        self.failures = 0

    def line(self, text: str) -> None:
        """Something that was done."""
        self.lines([text])

    def lines(self, texts: Iterable[str]) -> None:
        """The same for many things at once."""
        if not self._quiet and (text := "\n".join(map(shown, texts))):
            self.clear()
            click.echo(text)

    def output(self, text: str) -> None:
        """What was asked for; it is never left out."""
        self.clear()
        click.echo(text)

    def failed(self, what: str, error: object) -> None:
        """Something that could not be done; the rest goes on."""
        self.failures += 1
        self.clear()
        click.echo(shown(f"objectd: {what}: {_reason(error)}"), err=True)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Something that may fail alone. That nobody reads the output, or that there is no
        server to speak to, is the end of all."""
        try:
            yield
        except (BrokenPipeError, Unreachable, Untrusted):
            raise
        except (ObjectdError, OSError) as error:
            self.failed(blamed(error, what), error)

    def expect(self, size_bytes: int) -> None:
        """So many bytes more will be moved."""
        self._expected_bytes += size_bytes

    def advance(self, size_bytes: int) -> None:
        """So many bytes more have been moved."""
        self._bytes += size_bytes
        now = time.monotonic()
        if self._shows_progress and now - self._updated >= 1 / _UPDATES_A_SECOND:
            self._updated = now
            rate = human(int(self._bytes / max(now - self._began, 0.001)))
            self._draw(f"{self._bar()}{human(self._bytes)}, {rate}/s")

    def _bar(self) -> str:
        """How much of what is known of so far; nothing for a pipe, of which nothing is."""
        if self._expected_bytes < max(self._bytes, 1):
            return ""
        done = self._bytes * _BAR_WIDTH // self._expected_bytes
        return f"[{'#' * done}{'-' * (_BAR_WIDTH - done)}] "

    def clear(self) -> None:
        """Take the progress off the terminal."""
        if self._width:
            self._draw("")

    def _draw(self, text: str) -> None:
        sys.stderr.write("\r" + text.ljust(self._width) + ("" if text else "\r"))
        sys.stderr.flush()
        self._width = len(text)
