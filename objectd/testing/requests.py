"""Requests derived from the S3 model: the one that each operation is made for, and every
combination of method, scope and query that a router must not misread."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from objectd.protocol.messages import Headers, HttpRequest
from objectd.protocol.model import OperationModel, Scope, ServiceModel

__all__ = ["METHODS", "UNKNOWN_PARAMETER", "RequestLine", "canonical_request", "every_request"]

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH")
UNKNOWN_PARAMETER = "not-a-subresource"


class RequestLine(NamedTuple):
    """A method, what its path names, and its query string ('' if there is none)."""

    method: str
    scope: Scope
    query: str

    def target(self, bucket: str = "bucket", key: str = "some/key") -> str:
        """The request target, in path style; `key` must be percent-encoded."""
        path = {Scope.SERVICE: "/", Scope.BUCKET: f"/{bucket}", Scope.OBJECT: f"/{bucket}/{key}"}
        return f"{path[self.scope]}?{self.query}" if self.query else path[self.scope]


def every_request(model: ServiceModel) -> Iterator[RequestLine]:
    """Every method × scope × {no parameter, each selecting parameter of the model, an unknown
    one, and each pair of these}: about 20,000 requests."""
    parameters = [*sorted(_selecting_parameters(model)), UNKNOWN_PARAMETER]
    queries = ["", *parameters, *("&".join(pair) for pair in combinations(parameters, 2))]
    for method in METHODS:
        for scope in Scope:
            for query in queries:
                yield RequestLine(method, scope, query)


def canonical_request(operation: OperationModel) -> HttpRequest:
    """The least request that means this operation: what it requires and nothing else."""
    path = RequestLine(operation.method, operation.scope, "").target()
    if operation.literal_path is not None:
        path = f"/{operation.literal_path}"
    fixed = (n if v is None else f"{n}={v}" for n, v in operation.discriminators.items())
    query = "&".join([*fixed, *(f"{name}=1" for name in sorted(operation.required_query))])
    headers: Headers = tuple(
        (name.encode(), b"source/key") for name in sorted(operation.required_headers)
    )
    target = f"{path}?{query}" if query else path
    return HttpRequest(operation.method, target.encode(), headers, request_id="canonical")


def _selecting_parameters(model: ServiceModel) -> set[str]:
    """What tells operations of one method and path apart, written as in a query string."""
    fixed = {
        name if value is None else f"{name}={value}"
        for operation in model.operations.values()
        for name, value in operation.discriminators.items()
    }
    required = {
        f"{name}=1"
        for operation in model.operations.values()
        if not operation.discriminators
        for name in operation.required_query
    }
    return fixed | required
