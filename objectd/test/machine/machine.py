"""boto3 and the model, side by side: every step is asked of both, and they must agree.

The families of steps are mixins of this class; `objectd.test.machine.histories` has them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError
from hypothesis.stateful import RuleBasedStateMachine, rule

from objectd.interfaces import BlobFile, Scan
from objectd.objects.usage import Usage, bucket_usage
from objectd.test.machine import sums
from objectd.test.machine.draws import Place
from objectd.test.machine.homes import Home
from objectd.test.machine.plain import Answer, Refused, Stored
from objectd.test.machine.plain_changes import PlainChanges
from objectd.test.machine.plain_objects import PlainObjects
from objectd.test.machine.plain_uploads import PlainUploads
from objectd.testing.s3 import MemoryServer, result_of
from objectd.testing.simulation.audit import audit

__all__ = ["S3Machine"]

LEFT_AT_THE_END = {b"f", b"i", b"k", b"w"}
"""The format, the incarnation, the tokens of today's renames, and the mark of the trusted time: all
that is in a store that holds nothing."""

STATUSES = {
    "InvalidPartNumber": "416",
    "InvalidRange": "416",
    "NoSuchBucket": "404",
    "NoSuchKey": "404",
    "NotModified": "304",
    "PreconditionFailed": "412",
}


class PlainServer(PlainObjects, PlainUploads, PlainChanges):
    """The whole model."""


class S3Machine(RuleBasedStateMachine):
    def __init__(self, home: Home) -> None:
        super().__init__()
        self.home = home
        self.model = PlainServer()
        self.is_sound = True
        self.start()

    def start(self) -> None:
        self.server = MemoryServer(store=self.home.open())
        self.s3 = self.server.client()

    # Asking both

    def ask(self, operation: str, /, **arguments: object) -> Answer:
        """What both answer; {} if both refuse."""
        return self.ask_as(operation, operation, **arguments)

    def ask_as(self, operation: str, modelled_as: str, /, **arguments: object) -> Answer:
        """The same for an operation that has another name in the model."""
        self.is_sound = False
        found = self.served(operation, **arguments)
        if isinstance(found, dict) and "UploadId" in found:
            self.model.next_upload_id = str(found["UploadId"])
        expected = self.modelled(modelled_as, **arguments)
        if isinstance(found, str) and found.isdigit() and isinstance(expected, str):
            # No document came, as with HEAD, or one with a key that XML does not allow.
            expected = STATUSES.get(expected, expected)
        self.agree(operation, expected, found)
        return found if isinstance(found, dict) else {}

    def served(self, operation: str, /, **arguments: object) -> Answer | str:
        """What the server answers, with the body read; of an error its code."""
        try:
            answer: dict[str, Any] = getattr(self.s3, operation)(**arguments)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        if hasattr(answer.get("Body"), "read"):
            answer["Body"] = answer["Body"].read()
        return answer

    def modelled(self, operation: str, /, **arguments: object) -> Answer | str:
        """What the model answers; the code of what it refuses."""
        method: Callable[..., Answer] = getattr(self.model, operation)
        try:
            return method(**arguments)
        except Refused as refused:
            return refused.code

    def ask_forgotten(self, operation: str, /, **arguments: object) -> None:
        """The server may still know what the model remembers, or have forgotten the upload;
        nothing changes either way."""
        found = self.served(operation, **arguments)
        if found != "NoSuchUpload":
            self.agree(operation, self.modelled(operation, **arguments), found)

    def agree(self, what: str, expected: object, found: object) -> None:
        self.is_sound = False
        _compare(what, expected, found)
        self.is_sound = True

    # What is there, for steps that depend on it

    def place(self, drawn: Place) -> dict[str, str]:
        """A bucket and a key that were drawn, or those of one of the objects."""
        if isinstance(drawn, tuple):
            bucket, key = drawn
            return {"Bucket": bucket, "Key": key}
        there = [(name, key) for name, b in self.model.buckets.items() for key in b.objects]
        bucket, key = there[drawn % len(there)] if there else ("first", "a")
        return {"Bucket": bucket, "Key": key}

    def there(self, Bucket: str, Key: str) -> Stored | None:
        in_bucket = self.model.buckets.get(Bucket)
        return in_bucket.objects.get(Key) if in_bucket else None

    def etag(self, Bucket: str, Key: str) -> str:
        there = self.there(Bucket, Key)
        return there.etag if there else sums.etag(b"nothing")

    def condition(self, kind: str, Bucket: str, Key: str) -> Answer:
        """A condition on what a write replaces: none, one that holds, or one that does not."""
        conditions: dict[str, Answer] = {
            "absent": {"IfNoneMatch": "*"},
            "current": {"IfMatch": self.etag(Bucket, Key)},
            "other": {"IfMatch": sums.etag(b"other")},
        }
        return conditions.get(kind, {})

    # Steps of the server's own

    @rule()
    def restart(self) -> None:
        self.home.shut(self.server.store)
        self.start()

    @rule()
    def collect(self) -> None:
        """At rest, rows, files and counters fit to the last one."""
        self.is_sound = False
        store = self.server.store
        result_of(store.collector.run_to_rest())
        core = store.core
        result_of(audit(core.metadata, core.blobs, store.format.digest_key, deep=True))
        self.is_sound = True

    @rule()
    def count(self) -> None:
        """The counters are right at any time."""
        for name, bucket in self.model.buckets.items():
            core = self.server.store.core
            bucket_id = result_of(self.server.store.buckets.id_of(name))
            sizes = [len(stored.data) for stored in bucket.objects.values()]
            counted = result_of(bucket_usage(core.metadata, bucket_id))
            self.agree(f"usage of {name}", Usage(len(sizes), sum(sizes)), counted)

    def contents(self) -> tuple[dict[bytes, bytes], set[BlobFile]]:
        """All rows and all files of the store."""
        core = self.server.store.core
        page = result_of(core.metadata.scan(Scan(b" ", b"\xff", limit=10_000)))
        assert not page.more
        return {entry.key: entry.value or b"" for entry in page.entries}, result_of(self._files())

    async def _files(self) -> set[BlobFile]:
        blobs = self.server.store.core.blobs
        return {file for drive in blobs.drives async for file in blobs.files(drive)}

    # The end

    def teardown(self) -> None:
        try:
            if self.is_sound:
                self.count()
                self.read_everything()
                self.delete_everything()
        finally:
            self.home.shut(self.server.store)
            self.home.remove()

    def read_everything(self) -> None:
        self.ask("list_buckets")
        for name, bucket in self.model.buckets.items():
            listed = self.s3.list_objects_v2(Bucket=name).get("Contents", [])
            keys = [line["Key"] for line in listed]
            self.agree("keys", sorted(bucket.objects, key=str.encode), keys)
            for key in keys:
                self.ask("get_object", Bucket=name, Key=key)

    def delete_everything(self) -> None:
        """Afterwards no row and no file is left."""
        for name, bucket in list(self.model.buckets.items()):
            for key in list(bucket.objects):
                self.ask("delete_object", Bucket=name, Key=key)
            self.ask("delete_bucket", Bucket=name)
        self.collect()
        rows, files = self.contents()
        self.agree("rows left", [], [key for key in rows if key[:1] not in LEFT_AT_THE_END])
        self.agree("files left", set(), files)


def _compare(where: str, expected: object, found: object) -> None:
    """What is expected must be found, and what is expected as None must not be there."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            _compare(f"{where}.{name}", value, found.get(name))
    elif isinstance(expected, list):
        lines = found if isinstance(found, Sequence) else []
        assert len(lines) == len(expected), (where, expected, found)
        for number, (one, other) in enumerate(zip(expected, lines, strict=True)):
            _compare(f"{where}[{number}]", one, other)
    else:
        assert expected == found, (where, expected, found)
