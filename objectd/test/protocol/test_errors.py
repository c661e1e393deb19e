"""The table of errors and their documents."""

from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.errors import ERRORS, S3Error, render_error
from objectd.test.protocol.boto import parsed_error


class ErrorTests(SynchronousTestCase):
    def test_table(self) -> None:
        """Every code has an HTTP status and a message on one line."""
        for code, kind in ERRORS.items():
            self.assertTrue(code.replace(".", "").isalnum() and code[0].isupper(), code)
            self.assertIn(kind.status, (301, 304, *range(400, 508)), code)
            self.assertTrue(kind.message.strip() and "\n" not in kind.message, code)
        self.assertEqual(ERRORS["NoSuchKey"].status, 404)
        self.assertEqual(ERRORS["SlowDown"].message, "Please reduce your request rate.")

    def test_closed(self) -> None:
        """A code outside the table cannot be raised."""
        with self.assertRaises(KeyError):
            S3Error("NoSuchCode")

    def test_defaults(self) -> None:
        """Status and message are the table's unless given."""
        error = S3Error("AccessDenied")
        self.assertEqual((error.status, error.message), (403, "Access Denied"))
        error = S3Error("AccessDenied", "No.", status=401)
        self.assertEqual((error.status, error.message), (401, "No."))

    def test_document(self) -> None:
        """The document is AWS's, with the extra elements and no namespace."""
        error = S3Error("NoSuchKey", extra={"Key": "a<b>"})
        self.assertEqual(
            render_error(error, "/bucket/a<b>", "4442587FB7D0A2F9", "host").decode(),
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"
            "<Key>a&lt;b&gt;</Key><Resource>/bucket/a&lt;b&gt;</Resource>"
            "<RequestId>4442587FB7D0A2F9</RequestId><HostId>host</HostId></Error>",
        )

    def test_botocore_reads_it(self) -> None:
        """botocore finds code, message and the extra elements."""
        error = S3Error("NoSuchBucket", extra={"BucketName": "b & c"})
        found = parsed_error(404, render_error(error, "/b", "id", "host"))
        self.assertEqual(found["Code"], "NoSuchBucket")
        self.assertEqual(found["Message"], "The specified bucket does not exist")
        self.assertEqual(found["BucketName"], "b & c")
