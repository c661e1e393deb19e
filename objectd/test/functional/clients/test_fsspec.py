"""s3fs, the file system of fsspec, over which pandas, Dask and DVC reach S3.

It stands on aiobotocore, which wants an older botocore than we do: it lives in an environment
of its own, where `fsspec_calls.py` is run.
"""

from __future__ import annotations

from pathlib import Path

from objectd.test.functional.clients.programs import INSTALLED, ClientTests

CALLS = Path(__file__).with_name("fsspec_calls.py")


class PlainTests(ClientTests):
    def test_calls(self) -> None:
        """Whatever `fsspec_calls.py` does with s3fs comes out as on a disk."""
        self.environment |= {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(self.certificate),
            "BUCKET": self.bucket,
        }
        self.run_program(INSTALLED / "s3fs/bin/python", CALLS)


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True
