"""The AWS SDK for JavaScript, version 3, on Node.js."""

from __future__ import annotations

from pathlib import Path

from objectd.test.functional.clients.programs import INSTALLED, ClientTests

CALLS = Path(__file__).parent / "javascript" / "calls.cjs"


class PlainTests(ClientTests):
    def test_calls(self) -> None:
        """Whatever `calls.cjs` asks for is answered as it would be by AWS."""
        self.environment |= {
            "AWS_ENDPOINT_URL": self.url,
            "BUCKET": self.bucket,
            "NODE_EXTRA_CA_CERTS": str(self.certificate),
            "NODE_PATH": str(INSTALLED / "javascript" / "node_modules"),
        }
        self.run_program("node", CALLS)


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True
