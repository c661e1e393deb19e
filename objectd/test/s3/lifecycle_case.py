"""What the tests of lifecycles over the wire share."""

from __future__ import annotations

from typing import Any

from objectd.test.s3.wire import BUCKET, WireTestCase

Rule = dict[str, Any]
RULE: Rule = {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}
TAG = {"Key": "a", "Value": "1"}


class LifecycleCase(WireTestCase):
    def put(self, *wanted: Rule, **arguments: object) -> dict[str, Any]:
        configuration = {"Rules": list(wanted)}
        answer: dict[str, Any] = self.s3.put_bucket_lifecycle_configuration(
            Bucket=BUCKET, LifecycleConfiguration=configuration, **arguments
        )
        return answer
