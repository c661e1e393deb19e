"""What a check finds, each with a line for the operator."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

import attrs

from objectd.objects.writer import Batch


class Kind(NamedTuple):
    """What is wrong, and what to do. `is_error` is false of what the server deals with by
    itself, or what was done on purpose."""

    text: str
    advice: str
    is_error: bool = True


_RESTORE = "restore it from a backup, or upload it again"
_DAMAGE = "it is that of a damaged row, or a bug to be reported"
_COLLECT = "--repair has the collector look at it"


class Problem(enum.Enum):
    """All that a check can find."""

    ROW_DAMAGED = Kind("the row does not decode", _RESTORE)
    ROW_UNKNOWN = Kind("no row has such a key", "use the version of objectd that wrote it")

    NAME_WITHOUT_BUCKET = Kind("the name leads to no bucket of that name", _RESTORE)
    BUCKET_WITHOUT_NAME = Kind("no name leads to the bucket", _RESTORE)
    NAME_OUTDATED = Kind("its name tells other settings than the bucket", "--repair puts it")
    BUCKET_LIVE_TWICE = Kind("it has a live row of another versioning", "--repair deletes it")
    BUCKET_NOT_LIVE = Kind("its live row is missing: nothing can be added to it", _RESTORE)
    ROWS_WITHOUT_BUCKET = Kind("rows of a bucket that is not there", "restore its row")
    COUNTER_WRONG = Kind("its usage counters are wrong", "--repair sets them to what was counted")

    PAYLOAD_MISSING = Kind("the row with its bytes is missing", _RESTORE)
    PAYLOAD_WRONG = Kind("the row with its bytes has another size", _RESTORE)
    PAYLOAD_UNUSED = Kind("a row with bytes belongs to no object", "report it: it is a bug")

    VERSION_MISPLACED = Kind("the row of a version is not that of its key", _RESTORE)
    VERSION_HIDDEN = Kind("there is no current object, though the newest is a version", _RESTORE)
    VERSION_ORDER = Kind("it is not older than what lies above it", _RESTORE)
    VERSION_UNEXPECTED = Kind("a version where versioning never was on", _RESTORE)
    NULL_VERSION_MISSING = Kind("no row leads to the null version", "--repair puts it")
    NULL_VERSION_WRONG = Kind("the row of the null version leads to none", _DAMAGE)

    OBJECT_WRONG = Kind("its size is not that of its bytes", _RESTORE)
    BYTES_LOST = Kind("its bytes are lost or damaged", "upload it again, or delete it")

    ANNOTATION_WRONG = Kind("an annotation has not the bytes that it says", "put it again")
    ANNOTATIONS_MISCOUNTED = Kind("its annotations are miscounted", "--repair counts them")
    ANNOTATIONS_UNUSED = Kind("no version that decodes has the annotations", _DAMAGE)

    MANIFEST_MISSING = Kind("the manifest of its upload is missing", _RESTORE)
    MANIFEST_UNUSED = Kind("nothing refers to the manifest", _COLLECT)
    MANIFEST_REF_MISSING = Kind("its reference to its manifest is missing", "--repair puts it")
    MANIFEST_REF_UNUSED = Kind("no object that decodes holds the reference", _DAMAGE)

    UPLOAD_WRONG = Kind("the row of an upload is not that of its key", _RESTORE)
    PART_MISSING = Kind("a part of it is missing", "upload it again, or delete it")
    PART_WRONG = Kind("a part has another size than its blob or its object says", _RESTORE)
    PART_UNLISTED = Kind("a part of it is not in its manifest, and may go", _RESTORE)
    PART_UNUSED = Kind("its manifest does not list the part", "report it: it is a bug")
    PARTS_UNUSED = Kind("parts of an upload that is over", _COLLECT)

    BLOB_MISSING = Kind("the row of its blob is missing", "upload it again, or delete it")
    BLOB_UNUSED = Kind("nothing refers to the blob", _COLLECT)
    BLOB_DAMAGED = Kind("the file of the blob is missing or damaged", "see what objects it costs")
    BLOB_FLAGGED = Kind("the blob is marked as damaged", "see what objects it costs")
    REF_MISSING = Kind("its reference to its blob is missing", "--repair puts it")
    REF_UNUSED = Kind("no row that decodes holds the reference", _DAMAGE)
    REF_WITHOUT_BLOB = Kind("a reference to a blob that is not there", "see what objects it costs")
    CONTENT_WRONG = Kind("content is said to be in a blob that does not hold it", "report it")

    TRASH_IN_USE = Kind("what is in the trash is also in use", "report it: it is a bug")
    SWEEP_HELD = Kind(
        "a backup was restored, and no stray file is removed",
        "when what the backup does not know may go: objectd collect --lift-hold",
        is_error=False,
    )
    FILE_MISPLACED = Kind("the file of a blob lies where its row does not say", "look at it")
    FILE_STRAY = Kind("no row knows the file", "the next sweep removes it", is_error=False)


Mend = Callable[[Batch], object]


def putting(key: bytes, value: bytes) -> Mend:
    """What is mended by a row."""
    return lambda batch: batch.put(key, value)


@attrs.frozen
class Finding:
    """One problem with one thing. `subject` names it as an operator would, `mend` puts in a
    batch what repairs it, where that is safe in a store that nobody else uses."""

    problem: Problem
    subject: str
    detail: str = ""
    mend: Mend | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def is_error(self) -> bool:
        return self.problem.value.is_error

    def __str__(self) -> str:
        kind = self.problem.value
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.subject}: {kind.text}{detail}; {kind.advice}"
