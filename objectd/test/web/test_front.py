"""The leaf in front of the tree does what the tree does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from objectd.protocol.messages import HttpRequest, Response
from objectd.test.web.applications import Held, Scripted, deny, echo, get, put
from objectd.testing.http import ClientResponse, Connection, exchange, memory_site, site_over
from objectd.web.application import AccessEvent, RequestBody, Respond
from objectd.web.limits import Deadlines, Limits
from objectd.web.tree import build_tree

TARGETS = st.one_of(
    st.sampled_from(["/-/health/live", "/-/health/ready", "/-/", "//-/health/live", "*", "/-"]),
    st.text("/-ahelt.%2F?&=", min_size=1, max_size=20),
)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS", "get"])


def through_both(answer: Respond, data: bytes, method: str) -> list[list[ClientResponse]]:
    """The responses through the leaf, and through the tree alone."""
    front = memory_site(Scripted(answer))
    application = Scripted(answer)
    tree = site_over(
        build_tree(application, ready=lambda: True),
        application,
        limits=Limits(),
        deadlines=Deadlines(),
        log_request=lambda event: None,
    )
    return [exchange(site, data, methods=[method] * 9) for site in (front, tree)]


class FrontTests(SynchronousTestCase):
    """The tree is the oracle."""

    @settings(deadline=None, max_examples=200)
    @given(TARGETS, METHODS, st.sampled_from([echo, deny]))
    def test_same_answers(self, target: str, method: str, answer: Respond) -> None:
        """Whatever the target and the method."""
        data = get(target, method=method) + get("/b/k", "Content-Length: 3", method=method)
        front, tree = through_both(answer, data + b"abc" + get(target, method=method), method)
        self.assertEqual(front, tree)
        self.assertEqual(len(front), 3)

    def test_same_failures(self) -> None:
        """An error before the answer is a 500 in both."""

        async def fail(request: HttpRequest, body: RequestBody) -> Response:
            raise ZeroDivisionError

        front, tree = through_both(fail, get() + put(b"abc"), "GET")
        self.assertEqual(front, tree)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 4)

    def test_tree_cancels_too(self) -> None:
        """A lost client cancels what the tree serves, as the leaf does."""
        held = Held()
        events: list[AccessEvent] = []
        connection = Connection(memory_site(Scripted(held), log_request=events.append))
        connection.send(get(method="POST"))
        connection.disconnect()
        self.assertEqual((held.cancelled, len(events)), (1, 1))
