"""Conversations with a server in memory, whose clock is turned by hand."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from botocore.exceptions import ClientError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from objectd.objects import ObjectSettings
from objectd.test.fuzz.conversations import Conversation, End, draw
from objectd.test.fuzz.dice import Dice
from objectd.test.fuzz.heads import Keys
from objectd.test.fuzz.judging import Fault, Tally, judge
from objectd.test.fuzz.requests import ANCHOR, BUCKETS, LOCKED, VAULT, Known, Requests
from objectd.testing.http import Connection
from objectd.testing.s3 import ACCESS_KEY, SECRET_KEY, MemoryServer, result_of

KEPT = {"kept": b"kept" * 10_000, "small": b"small", "a/b": b""}
"""What the vault holds."""

SECONDS_MAX = 400
"""Longer than all deadlines of one connection together."""

CONVERSATIONS_A_CHECK = 50


@implementer(ILogObserver)
class Trouble:
    """What of the log tells of a failure."""

    def __init__(self) -> None:
        self._logged: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None or event.get("isError"):
            trace = failure.getTraceback() if failure is not None else ""
            self._logged.append(f"{formatEvent(event)}\n{trace}")

    def taken(self) -> list[str]:
        """All since the last time."""
        logged, self._logged = self._logged, []
        return logged


class MemoryFuzz:
    """A server, and what is known of it. Use as a context: it listens to the log."""

    def __init__(self, seed: str) -> None:
        self.tally = Tally()
        self._seed = seed
        self._known = Known()
        self._trouble = Trouble()
        self._server = MemoryServer(object_settings=ObjectSettings(part_bytes_min=1))
        self._client = self._server.client()
        for bucket in (*BUCKETS, LOCKED, VAULT):
            self._client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=bucket == LOCKED)
            self._client.put_object(Bucket=bucket, Key=ANCHOR)
        for key, data in KEPT.items():
            self._client.put_object(Bucket=VAULT, Key=key, Body=data)

    def __enter__(self) -> Self:
        globalLogPublisher.addObserver(self._trouble)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        globalLogPublisher.removeObserver(self._trouble)

    def run(self, number: int) -> None:
        """Have the conversation of this number. Raises `Fault`."""
        dice = Dice(f"{self._seed}/{number}")
        keys = Keys(ACCESS_KEY, SECRET_KEY)
        self.have(draw(dice, Requests(dice, keys, self._known)))
        if number % CONVERSATIONS_A_CHECK == CONVERSATIONS_A_CHECK - 1:
            self.check()

    def have(self, conversation: Conversation) -> None:
        connection = Connection(self._server.site)
        for piece in conversation.pieces():
            connection.send(piece)
        stays = conversation.end is not End.GOES and conversation.sent_bytes_max is None
        if conversation.end is End.FINISHES:
            connection.finish()
        if stays:
            seconds = 0
            while not connection.closed and seconds < SECONDS_MAX:
                connection.advance(5)
                seconds += 5
            if not connection.closed:
                raise Fault(f"the server hangs: {connection.received[:500]!r}", conversation)
        connection.disconnect()
        judge(conversation, bytes(connection.received), self.tally, self._known, whole=stays)
        self._check_quiet(conversation)

    def _check_quiet(self, conversation: Conversation) -> None:
        """Nothing is held for a client that is gone, and nothing was logged but its requests."""
        site = self._server.site
        assert isinstance(site.clock, MemoryReactorClock)
        site.clock.advance(0)
        held = (site.uploads.taken, site.downloads.taken, site.body_memory.held_bytes)
        if held != (0, 0, 0):
            raise Fault(f"places of uploads and downloads, memory: {held} held", conversation)
        if timers := site.clock.getDelayedCalls():
            raise Fault(f"timers are left: {timers}", conversation)
        if logged := self._trouble.taken():
            raise Fault("logged: " + "\n".join(logged), conversation)

    def check(self) -> None:
        """The server works, and holds what it must and nothing that was broken off."""
        try:
            self._check_vault()
        except ClientError as error:
            raise Fault(f"a good request fails: {error}") from error
        if incoming := result_of(self._incoming()):
            raise Fault(f"files are left of uploads that ended: {incoming}")

    def _check_vault(self) -> None:
        listed = self._client.list_objects_v2(Bucket=VAULT).get("Contents", [])
        if {found["Key"] for found in listed} != {ANCHOR, *KEPT}:
            raise Fault(f"the vault holds {[found['Key'] for found in listed]}")
        for key, data in KEPT.items():
            if self._client.get_object(Bucket=VAULT, Key=key)["Body"].read() != data:
                raise Fault(f"{key} has changed in the vault")

    async def _incoming(self) -> list[str]:
        blobs = self._server.store.core.blobs
        return [
            file.blob_id.hex()
            for drive in blobs.drives
            async for file in blobs.files(drive)
            if file.digest is None
        ]


def smallest(seed: str, conversation: Conversation) -> Conversation | None:
    """The simplest conversation found that alone leads to a fault; None if even the whole one
    does not, for it needs what went before it."""
    if not _fails(seed, conversation):
        return None
    shrinking = True
    while shrinking:
        shrinking = False
        for smaller in conversation.smaller():
            if _fails(seed, smaller):
                conversation, shrinking = smaller, True
                break
    return conversation


def _fails(seed: str, conversation: Conversation) -> bool:
    with MemoryFuzz(seed) as fuzz:
        try:
            fuzz.have(conversation)
            fuzz.check()
        except Fault:
            return True
    return False
