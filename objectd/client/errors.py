"""What a call can end in, named after what happened."""

from __future__ import annotations

from objectd.errors import ObjectdError
from objectd.protocol.calls import Refusal

__all__ = [
    "AnswerInvalid",
    "ClientError",
    "ConnectionBroken",
    "Damaged",
    "Refused",
    "SourceChanged",
    "Unreachable",
    "Untrusted",
    "UnusableKey",
]

_WITHOUT_DOCUMENT = {
    "403": "access is denied, which HEAD does not explain: the keys may be wrong",
    "404": "it does not exist",
}
"""What errors say that have no document to say it, as those of HEAD."""


class ClientError(ObjectdError):
    """Base of all that a client raises on purpose."""


class Refused(ClientError):
    """The server answered with an error. `code` is S3's; without a document it is the status,
    as in boto3."""

    def __init__(self, operation: str, refusal: Refusal) -> None:
        message = _WITHOUT_DOCUMENT.get(refusal.code, refusal.message)
        super().__init__(f"{message} ({refusal.code}, {operation})")
        self.operation = operation
        self.refusal = refusal

    @property
    def code(self) -> str:
        return self.refusal.code

    @property
    def message(self) -> str:
        return self.refusal.message

    @property
    def status(self) -> int:
        return self.refusal.status

    @property
    def request_id(self) -> str:
        return self.refusal.request_id


class ConnectionBroken(ClientError):
    """There is no connection, it broke off, or nothing moved for too long. What was asked for
    may have been done."""


class Unreachable(ConnectionBroken):
    """No connection could be made, so nothing was asked for."""


class Untrusted(ClientError):
    """There is no TLS with the server, or its certificate is not one that is trusted."""


class AnswerInvalid(ClientError):
    """What answered does not speak S3."""


class Damaged(ClientError):
    """What was received does not have the digest that the server tells."""

    def __init__(self, what: str, algorithm: str) -> None:
        super().__init__(f"what was received of {what} does not have the {algorithm} that is told")


class SourceChanged(ClientError):
    """What is being copied was changed meanwhile: a copy would be a mixture."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was changed while it was copied")


class UnusableKey(ClientError):
    """A key cannot be a path below the directory that it is meant for, or the other way."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name!r} {why}")
