"""The conformance suite of metadata stores, for authors of providers.

    # test_mystore.py
    from objectd.testing.metadata import make_metadata_store_tests
    from mystore import Settings, open_store

    MyStoreTests = make_metadata_store_tests(
        f"{__name__}.MyStoreTests", lambda host: open_store(Settings(), host), durable=True
    )

That makes a trial `TestCase`. Its tests run in one thread and on a clock that the suite
drives: the `Host` calls blocking functions at once, and a store that waits for the clock
gets its turns.
"""

from __future__ import annotations

from objectd.testing._metadata_case import MetadataStoreTestCase, OpenStore
from objectd.testing._metadata_commits import ChangeTests, ExpectationTests, LimitTests
from objectd.testing._metadata_laws import LawTests
from objectd.testing._metadata_restarts import RestartTests
from objectd.testing._metadata_scans import RollUpTests, SnapshotTests
from objectd.testing._metadata_tokens import ClosedTests, IncarnationTests, TokenTests
from objectd.testing._naming import name_test_case

__all__ = ["make_metadata_store_tests"]


def make_metadata_store_tests(
    name: str, open_store: OpenStore, *, durable: bool
) -> type[MetadataStoreTestCase]:
    """The tests of a store that `open_store` opens, to be found under the dotted `name`.

    It is called with a new `Host` for each test; with `durable`, also again with the same
    one after a close, and must then open what it closed.
    """

    class VolatileStoreTests(
        ChangeTests,
        ExpectationTests,
        LimitTests,
        TokenTests,
        IncarnationTests,
        ClosedTests,
        RollUpTests,
        SnapshotTests,
        LawTests,
    ):
        restarts = False

        def setUp(self) -> None:
            self.open_store = open_store
            super().setUp()

    class DurableStoreTests(RestartTests, VolatileStoreTests):
        restarts = True

    tests = DurableStoreTests if durable else VolatileStoreTests
    name_test_case(tests, name)
    return tests
