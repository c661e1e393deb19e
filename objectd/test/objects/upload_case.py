"""What the tests of uploads that are to be aborted share."""

from __future__ import annotations

from msgspec import structs

from objectd.model import keys
from objectd.model.codec import decode, encode
from objectd.model.records import Upload, UploadState
from objectd.test.objects.cases import StoreCase


class UploadCase(StoreCase):
    def uploads(self) -> list[str]:
        """The keys of the uploads in progress."""
        return [key for key, _ in self.ok(self.store.uploads.list("photos")).uploads]

    def freeze(self) -> None:
        """Have the only upload as it is while this process completes it."""
        [row] = self.rows(keys.UPLOADS)
        frozen = structs.replace(
            decode(Upload, row.value or b""),
            state=UploadState.COMPLETING,
            attempt=self.store.core.ids.uid(),
        )
        self.write_row(row.key, encode(frozen))
