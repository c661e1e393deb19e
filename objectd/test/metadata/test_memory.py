"""The metadata store in memory."""

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from objectd.interfaces import IMetadataStore
from objectd.metadata.memory import MemoryMetadata, Settings, open_store
from objectd.testing.metadata import make_metadata_store_tests

MemoryMetadataTests = make_metadata_store_tests(
    f"{__name__}.MemoryMetadataTests", lambda host: open_store(Settings(), host), durable=False
)


class InterfaceTests(SynchronousTestCase):
    def test_provides_the_interface(self) -> None:
        """It can be handed to whatever takes an `IMetadataStore`."""
        self.assertTrue(verifyObject(IMetadataStore, MemoryMetadata()))
