"""The conformance suite of blob stores, for authors of providers.

    # test_mystore.py
    from objectd.testing.blobs import make_blob_store_tests

    class MyPlace:
        def open(self) -> IBlobStore: ...
        def close(self) -> None: ...

    MyStoreTests = make_blob_store_tests(f"{__name__}.MyStoreTests", MyPlace)

That makes a trial `TestCase`. Its tests run in one thread: open the store with a
`run_in_thread` that calls at once. They hold a store to every promise of `IBlobStore` that
can be seen without cutting the power.
"""

from __future__ import annotations

from collections.abc import Callable

from objectd.testing._blob_case import BlobStorePlace, BlobStoreTestCase
from objectd.testing._blob_drives import DriveTests
from objectd.testing._blob_histories import HistoryTests
from objectd.testing._blob_reading import ReadingTests
from objectd.testing._blob_writing import WritingTests
from objectd.testing._naming import name_test_case

__all__ = ["BlobStorePlace", "make_blob_store_tests"]


def make_blob_store_tests(
    name: str, make_place: Callable[[], BlobStorePlace]
) -> type[BlobStoreTestCase]:
    """The tests of the stores that the places of `make_place` open, to be found under the
    dotted `name`."""

    class BlobStoreTests(WritingTests, ReadingTests, DriveTests, HistoryTests):
        def make_place(self) -> BlobStorePlace:
            return make_place()

    name_test_case(BlobStoreTests, name)
    return BlobStoreTests
