"""AWS's general test suite for Signature Version 4, as far as it normalises no paths.

Also left out: get-header-value-multiline, for folded headers are no HTTP any more (RFC 9112,
5.2).
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.canonical import canonical_request, parse_query
from objectd.auth.claim import Scope
from objectd.auth.sigv4 import sign, signing_key, string_to_sign

_SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_TIMESTAMP = "20150830T123600Z"
_SCOPE = Scope("20150830", "us-east-1", "service")
_CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "sigv4_suite.json").read_text()
)


def _signature(case: dict[str, Any]) -> str:
    method, target = case["request"].removesuffix(" HTTP/1.1").split(" ", 1)
    path, _, query = target.encode().partition(b"?")
    headers = [("Host", "example.amazonaws.com"), ("X-Amz-Date", _TIMESTAMP)]
    headers += [header.split(":", 1) for header in case["headers"]]
    fields = tuple((name.lower().encode(), value.strip().encode()) for name, value in headers)
    canonical = canonical_request(
        method,
        path,
        parse_query(query),
        fields,
        sorted({name for name, _ in fields}),
        sha256(case.get("body", "").encode()).hexdigest(),
    )
    key = signing_key(_SECRET_KEY, _SCOPE)
    return sign(key, string_to_sign(_TIMESTAMP, _SCOPE, canonical))


class GeneralSuiteTests(SynchronousTestCase):
    def test_every_case_has_the_published_signature(self) -> None:
        """All cases of the suite come out as AWS publishes them."""
        signatures = {case["name"]: _signature(case) for case in _CASES}
        self.assertEqual(signatures, {case["name"]: case["signature"] for case in _CASES})
        self.assertEqual(len(signatures), 22)
