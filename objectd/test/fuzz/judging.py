"""What a server may never do, however it is spoken to."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import unquote

import attrs

from objectd.protocol.operations import compiled
from objectd.test.fuzz.answers import Answer, NotAnswers, read_answers
from objectd.test.fuzz.conversations import Conversation
from objectd.test.fuzz.requests import MODEL, Known, Sent

_ALLOWED_ABOVE_500 = {501}
_PART = re.compile(rb"partNumber=(?P<number>[0-9]{1,5})&uploadId=(?P<upload>[^&]+)")


class Fault(Exception):
    """The server did what it may not; `conversation` is what led to it."""

    def __init__(self, message: str, conversation: Conversation | None = None) -> None:
        super().__init__(message)
        self.conversation = conversation

    def __str__(self) -> str:
        text = self.args[0]
        if self.conversation is None:
            return str(text)
        sent = "\n".join(repr(piece) for piece in self.conversation.pieces())
        return f"{text}\nThe client {self.conversation.end.value} after sending\n{sent}"


@attrs.define
class Tally:
    """What came of the requests, to see that they got somewhere."""

    conversations: int = 0
    answers: Counter[tuple[int, str]] = attrs.field(factory=Counter)
    succeeded: Counter[str] = attrs.field(factory=Counter)
    not_found: Counter[str] = attrs.field(factory=Counter)
    """By operation; for some of the settings of buckets there is nothing to be found."""

    def statuses(self) -> Counter[int]:
        counted: Counter[int] = Counter()
        for (status, _), count in self.answers.items():
            counted[status // 100] += count
        return counted

    def report(self) -> str:
        total = sum(self.answers.values())
        lines = [f"{self.conversations} conversations, {total} answers"]
        lines += [f"{n:8} {status} {code}" for (status, code), n in sorted(self.answers.items())]
        lines += [f"{n:8} {name}" for name, n in sorted(self.succeeded.items())]
        return "\n".join(lines)


def judge(
    conversation: Conversation, received: bytes, tally: Tally, known: Known, *, whole: bool
) -> None:
    """Raises `Fault`. `whole`: the client stayed until the server had closed the connection."""
    heads = sum(sent.method == "HEAD" or not sent.intact for sent in conversation.requests)
    try:
        answers = read_answers(received, heads_max=heads, whole=whole)
        final = [answer for answer in answers if not answer.interim]
        _judge_number(conversation, final, whole=whole)
        for answer in answers:
            _judge_one(answer)
        if conversation.certain:
            for sent, answer in zip(conversation.requests, final, strict=False):
                _judge_pair(sent, answer)
    except (Fault, NotAnswers) as fault:
        message = f"{fault}\nThe server answered\n{received[:4000]!r}"
        raise Fault(message, conversation) from fault
    tally.conversations += 1
    for answer in final:
        tally.answers[answer.status, answer.code] += 1
    if conversation.certain:
        for sent, answer in zip(conversation.requests, final, strict=False):
            if answer.status < 300:
                tally.succeeded[sent.operation] += 1
                _learn(sent, answer, known)
            elif answer.status == 404 and answer.code != "NoSuchBucket":
                tally.not_found[sent.operation] += 1


def _judge_number(conversation: Conversation, final: list[Answer], *, whole: bool) -> None:
    if len(final) > conversation.answers_max:
        raise Fault(f"{len(final)} answers to {conversation.answers_max} requests")
    for answer in final[:-1]:
        if answer.last:
            raise Fault("an answer after the last one")
    if not whole:
        return
    closed = bool(final) and final[-1].last
    if conversation.certain and len(final) < len(conversation.requests) and not closed:
        raise Fault(f"{len(final)} answers to {len(conversation.requests)} requests")
    refused = [number for number, sent in enumerate(conversation.requests) if sent.refused]
    if refused and len(final) > refused[0] and not closed:
        raise Fault("a connection whose framing is in doubt was not closed")


def _judge_one(answer: Answer) -> None:
    if answer.status >= 500 and answer.status not in _ALLOWED_ABOVE_500:
        raise Fault(f"{answer.status} {answer.code}")
    if answer.interim:
        if answer.status != 100 or answer.fields:
            raise Fault(f"an interim answer {answer.status} {answer.fields}")
        return
    if answer.field(b"date") is None:
        raise Fault("an answer without Date")
    if answer.status >= 400 and answer.body:
        document = answer.document()
        if document is None or document.tag != "Error" or not document.findtext("Code"):
            raise Fault(f"{answer.status} without an error document")
    if b"Traceback" in answer.body or b"/site-packages/" in answer.body:
        raise Fault("an answer tells of the server's inside")


def _judge_pair(sent: Sent, answer: Answer) -> None:
    if answer.bodiless and sent.method != "HEAD":
        raise Fault(f"the answer to {sent.method} lacks its body")
    if answer.status >= 400 and answer.body:
        document = answer.document()
        resource = document.findtext("Resource") if document is not None else None
        if resource and sent.path.startswith(b"/") and _shown(resource) != _shown_bytes(sent.path):
            raise Fault(f"the answer to {sent.path!r} is to {resource!r}")
    elif not compiled(MODEL, sent.operation).streaming_output:
        answer.document()


def _shown(text: str) -> str:
    return re.sub(r"[^!-~]", "", text)


def _shown_bytes(data: bytes) -> str:
    return _shown(data.decode("latin-1"))


def _learn(sent: Sent, answer: Answer, known: Known) -> None:
    etag = answer.field(b"etag")
    if etag:
        known.etags.append(etag.decode("latin-1"))
        part = _PART.search(sent.target)
        if part is not None and sent.operation == "UploadPart":
            parts = known.parts.setdefault(part["upload"].decode("latin-1"), {})
            parts[int(part["number"])] = etag.decode("latin-1")
    version = answer.field(b"x-amz-version-id")
    if version:
        path = unquote(sent.path.decode("latin-1"))
        known.versions.append((path, version.decode("latin-1")))
    if compiled(MODEL, sent.operation).streaming_output:
        return
    document = answer.document()
    if document is None:
        return
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in document.iter()}
    if sent.operation == "CreateMultipartUpload" and found.get("Key"):
        known.uploads.append((found["Bucket"], found["Key"], found["UploadId"]))
    if found.get("NextContinuationToken"):
        known.tokens.append(found["NextContinuationToken"])
