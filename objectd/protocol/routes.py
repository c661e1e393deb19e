"""Which operation a request asks for. Whatever is not clearly one operation is refused: a
request must never fall through to another operation than the one it meant.

The rules, in order:

1. `x-amz-*` query parameters count as headers (presigned URLs carry headers there); `x-id` is
   an SDK's remark and ignored.
2. A discriminator (`?acl`, `?list-type=2`) that the model gives to any operation selects among
   the operations that have it; two are 400.
3. Of these, the one with most of its required query parameters and headers in the request is
   chosen. `uploadId` and `partNumber` alone select nothing else than what requires them.
4. Parameters that select (`uploadId`, `partNumber`) and that the chosen operation does not
   take are refused. On PUT, POST and DELETE so is every parameter of another operation, and
   a parameter nobody knows, if it has no value, is 501: it may be tomorrow's subresource.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set

import attrs

from objectd.protocol import quirks
from objectd.protocol.errors import S3Error, invalid_argument
from objectd.protocol.model import OperationModel, Scope, ServiceModel
from objectd.protocol.targets import Target

_READING = ("GET", "HEAD")


@attrs.frozen(eq=False)
class _Route:
    operation: str
    discriminators: Mapping[str, str | None]
    accepted: Set[str]
    required_query: Set[str]
    required_headers: Set[bytes]

    def rank(self, parameters: Set[str], header_names: Set[bytes]) -> tuple[int, int]:
        """How well a request fits: more of the required things present, fewer missing."""
        present = len(self.required_query & parameters)
        present += len(self.required_headers & header_names)
        return present, present - len(self.required_query) - len(self.required_headers)


class Router:
    """Resolves requests to the names of operations, deprecated ones to their successors."""

    def __init__(self, model: ServiceModel) -> None:
        self._routes: dict[tuple[str, Scope], dict[str | None, list[_Route]]] = {}
        self._literal_paths: dict[tuple[str, str | None], str] = {}
        for operation in model.operations.values():
            if operation.literal_path:
                self._literal_paths[operation.method, operation.literal_path] = operation.name
            elif operation.alias_of is None:
                self._add(operation)
        groups = [(key, group) for by_key in self._routes.values() for key, group in by_key.items()]
        routes = [route for _, group in groups for route in group]
        self._discriminators = {key for key, _ in groups if key is not None}
        self._selecting = {
            name for key, group in groups if key is None for r in group for name in r.required_query
        }
        self._known = {name for route in routes for name in route.accepted}

    def resolve(self, method: str, target: Target, header_names: Collection[bytes]) -> str:
        """The name of the operation. `header_names` are lower case.

        Raises `S3Error`: InvalidArgument for what contradicts itself, MethodNotAllowed for what
        exists but not with this method, NotImplemented for what may exist elsewhere.
        """
        if target.scope is Scope.BUCKET and (method, target.bucket) in self._literal_paths:
            return self._literal_paths[method, target.bucket]
        parameters, headers = self._selectors(target, header_names)
        discriminator = self._discriminator(parameters)
        group = self._routes.get((method, target.scope), {}).get(discriminator, [])
        if discriminator is None:
            group = [
                r for r in group if not r.required_query or r.required_query & parameters.keys()
            ]
        if not group:
            raise self._no_route(method, target.scope, discriminator)
        route = max(group, key=lambda route: route.rank(parameters.keys(), headers))
        self._check_parameters(method, route, parameters)
        return route.operation

    def _add(self, operation: OperationModel) -> None:
        discriminator = next(iter(operation.discriminators), None)
        selecting = quirks.ROUTING_QUERY.get(operation.name, frozenset())
        route = _Route(
            operation=operation.name,
            discriminators=operation.discriminators,
            accepted=operation.query_names | operation.discriminators.keys(),
            required_query=operation.required_query | selecting,
            required_headers={name.encode() for name in operation.required_headers},
        )
        by_discriminator = self._routes.setdefault((operation.method, operation.scope), {})
        by_discriminator.setdefault(discriminator, []).append(route)

    def _selectors(
        self, target: Target, header_names: Collection[bytes]
    ) -> tuple[dict[str, str | None], Set[bytes]]:
        """The query parameters that count as such, and all that count as headers."""
        parameters: dict[str, str | None] = {}
        headers = set(header_names)
        for name, value in target.query:
            if name[:6].lower() == "x-amz-":
                headers.add(name.lower().encode())
            elif name in parameters and (name in self._known or name in self._discriminators):
                raise invalid_argument(name, value or "", "A parameter was given twice.")
            elif name != "x-id":
                parameters[name] = value
        return parameters, headers

    def _discriminator(self, parameters: Mapping[str, str | None]) -> str | None:
        found = [name for name in parameters if name in self._discriminators]
        if len(found) > 1:
            names = ", ".join(found)
            raise invalid_argument(
                "ResourceType", found[0], f"Conflicting query string parameters: {names}"
            )
        return found[0] if found else None

    def _no_route(self, method: str, scope: Scope, discriminator: str | None) -> S3Error:
        if method == "OPTIONS":
            return _not_implemented("CORS preflight requests (OPTIONS)")
        if discriminator is None:
            if (method, scope) == ("POST", Scope.BUCKET):
                return _not_implemented("form uploads (PostObject)")
            return S3Error("MethodNotAllowed", extra={"Method": method})
        elsewhere = any(
            discriminator in by_discriminator
            for (_, its_scope), by_discriminator in self._routes.items()
            if its_scope is scope
        )
        if elsewhere or method == "HEAD":
            extra = {"Method": method, "ResourceType": discriminator.upper()}
            return S3Error("MethodNotAllowed", extra=extra)
        return _not_implemented(f"{method} ?{discriminator} of {_IN_WORDS[scope]}")

    def _check_parameters(
        self, method: str, route: _Route, parameters: Mapping[str, str | None]
    ) -> None:
        for name, expected in route.discriminators.items():
            if expected is not None and parameters.get(name) != expected:
                raise invalid_argument(
                    name, parameters.get(name) or "", f"{name} must be {expected}."
                )
        for name, value in parameters.items():
            if name in route.accepted:
                continue
            if name in self._selecting and method == "HEAD":
                raise S3Error("MethodNotAllowed", extra={"Method": method})
            if name in self._selecting or (name in self._known and method not in _READING):
                raise invalid_argument(
                    name, value or "", f"{route.operation} does not accept {name}."
                )
            if not value and method not in _READING:
                raise _not_implemented(f"{method} ?{name}")


_IN_WORDS = {Scope.SERVICE: "the service", Scope.BUCKET: "a bucket", Scope.OBJECT: "an object"}


def _not_implemented(what: str) -> S3Error:
    return S3Error("NotImplemented", f"{what}: not implemented.")
