"""One call of one S3 operation: what handlers work with, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from objectd.auth.authenticate import Principal
from objectd.objects import ObjectStore
from objectd.protocol.messages import HttpRequest
from objectd.s3.body import VerifiedBody
from objectd.streams import ByteStream


@attrs.frozen
class Call:
    """A request whose sender is known."""

    store: ObjectStore
    principal: Principal
    request: HttpRequest
    body: VerifiedBody
    region: str
    sse_c_without_tls: bool = False
    """Whether a customer's key may come over plain HTTP."""

    @property
    def owner_id(self) -> str:
        """The caller's account in the form of AWS's canonical user ids."""
        return canonical_id(self.store, self.principal.account)

    @property
    def object_url(self) -> str:
        """What the request is about, as its client reached it: in path or virtual-host style."""
        scheme = "https" if self.request.secure else "http"
        host = self.request.header(b"host") or b""
        return f"{scheme}://{(host + self.request.raw_path).decode('latin-1')}"


@attrs.frozen
class Answer:
    """A result under boto3's names; `body` is what an operation sends that is not a document.
    A stream is closed by whom the answer is handed to."""

    result: Mapping[str, object] = attrs.field(factory=dict)
    body: bytes | ByteStream | None = None
    status: int | None = None

    def close(self) -> None:
        """Release the body of an answer that will not be sent."""
        if self.body is not None and not isinstance(self.body, bytes):
            self.body.close()


def canonical_id(store: ObjectStore, account: int) -> str:
    """64 hex digits that name an account of this store: its UUID and the account's number."""
    return (store.format.store_uuid + account.to_bytes(16, "big")).hex()
