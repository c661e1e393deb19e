"""Hostile conversations with a server in memory: a short form of

    python -m objectd.test.fuzz SEED --seconds 600

which shows the smallest conversation that leads to a fault, as bytes.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.model import Scope
from objectd.s3.operations import OPERATIONS
from objectd.test.fuzz.judging import Fault, Tally
from objectd.test.fuzz.memory import MemoryFuzz
from objectd.test.fuzz.requests import MODEL

CONVERSATIONS = 4_000
RARE = {"RenameObject"}
"""Operations whose requests hardly ever find what they need."""


class FuzzTests(SynchronousTestCase):
    def converse(self, seed: str, count: int) -> Tally:
        with MemoryFuzz(seed) as fuzz:
            for number in range(count):
                try:
                    fuzz.run(number)
                except Fault as fault:
                    self.fail(
                        f"python -m objectd.test.fuzz {seed} (conversation {number}):\n{fault}"
                    )
                finally:
                    self.flushLoggedErrors()  # they are faults, and `fuzz` has told of them
            fuzz.check()
        return fuzz.tally

    def test_first(self) -> None:
        """No conversation shows a fault, and enough of the requests get to their handlers to
        say so: each operation has been carried out, and each kind of refusal has been met."""
        tally = self.converse("first", CONVERSATIONS)
        statuses = tally.statuses()
        self.assertGreater(statuses[2], CONVERSATIONS // 5, tally.report())
        self.assertGreater(statuses[4], CONVERSATIONS // 5, tally.report())
        missed = OPERATIONS.keys() - tally.succeeded.keys() - tally.not_found.keys()
        self.assertEqual(missed - RARE, set(), tally.report())
        of_objects = {n for n in OPERATIONS if MODEL.operations[n].scope is Scope.OBJECT}
        self.assertEqual(of_objects - tally.succeeded.keys() - RARE, set(), tally.report())
        codes = {code for _, code in tally.answers}
        expected = {
            "AccessDenied",
            "AuthorizationHeaderMalformed",
            "AuthorizationQueryParametersError",
            "BadDigest",
            "IncompleteBody",
            "InvalidAccessKeyId",
            "InvalidArgument",
            "InvalidURI",
            "KeyTooLongError",
            "MalformedTrailerError",
            "MalformedXML",
            "NotImplemented",
            "RequestHeaderSectionTooLarge",
            "RequestTimeTooSkewed",
            "RequestTimeout",
            "SignatureDoesNotMatch",
            "XAmzContentSHA256Mismatch",
        }
        self.assertEqual(expected - codes, set(), tally.report())

    def test_second(self) -> None:
        """Nor does any conversation of another seed."""
        self.converse("second", CONVERSATIONS)
