"""The model as it is read from botocore's data."""

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.model import Scope, load_s3_model


class ModelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.model = load_s3_model()

    def test_every_operation_is_there(self) -> None:
        """The model has the 116 operations that AWS publishes."""
        self.assertEqual(len(self.model.operations), 116)

    def test_botocore_is_not_imported(self) -> None:
        """Reading the model imports nothing of botocore, nor Twisted."""
        program = (
            "import sys; from objectd.protocol import model, operations, routes;"
            "model.load_s3_model();"
            "print([m for m in sys.modules if m.split('.')[0] in ('botocore', 'twisted')])"
        )
        printed = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, text=True
        ).stdout
        self.assertEqual(printed, "[]\n")

    def test_operation(self) -> None:
        """An operation knows what tells it apart."""
        operation = self.model.operations["UploadPart"]
        self.assertEqual(operation.method, "PUT")
        self.assertIs(operation.scope, Scope.OBJECT)
        self.assertEqual(operation.required_query, {"partNumber", "uploadId"})

    def test_twins(self) -> None:
        """A deprecated operation is the alias of its successor."""
        aliases = {o.name: o.alias_of for o in self.model.operations.values() if o.alias_of}
        self.assertEqual(
            aliases,
            {
                "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
                "GetBucketNotification": "GetBucketNotificationConfiguration",
                "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
                "PutBucketNotification": "PutBucketNotificationConfiguration",
            },
        )

    def test_names_on_the_wire(self) -> None:
        """A member's name on the wire comes from the reference, or else from its shape."""
        rule = self.model.operations["PutBucketLogging"].input
        assert rule is not None
        enabled = rule.members["BucketLoggingStatus"].shape.members["LoggingEnabled"].shape
        formats = enabled.members["TargetObjectKeyFormat"].shape
        self.assertEqual(formats.members["SimplePrefix"].wire_name, "SimplePrefix")
        self.assertEqual(enabled.members["TargetGrants"].shape.element.wire_name, "Grant")  # type: ignore[union-attr]  # a list has an element
