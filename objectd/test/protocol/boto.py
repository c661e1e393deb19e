"""botocore as the other end of the wire: it writes the requests that we read, and reads the
responses that we write."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from botocore.awsrequest import HeadersDict
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from objectd.protocol.messages import HttpRequest
from objectd.protocol.operations import Rendered

_MODEL = ServiceModel(
    Loader(include_default_extras=False).load_service_model("s3", "service-2"), "s3"
)
_SERIALIZER = create_serializer("rest-xml", include_validation=False)
_PARSER = create_parser("rest-xml")


def serialized(operation: str, arguments: object) -> tuple[HttpRequest, bytes]:
    """The request that botocore makes of arguments, and its body."""
    request = _SERIALIZER.serialize_to_request(arguments, _MODEL.operation_model(operation))
    target = request["url_path"]
    if request["query_string"]:
        target += "&" if "?" in target else "?"
        target += urlencode(request["query_string"], quote_via=quote)
    headers = tuple(
        (name.lower().encode(), str(value).encode()) for name, value in request["headers"].items()
    )
    return HttpRequest(request["method"], target.encode(), headers, "id"), request["body"] or b""


def parsed(operation: str, rendered: Rendered, body: bytes | None = None) -> dict[str, Any]:
    """What botocore makes of a response, without its own remarks."""
    response = {
        "status_code": rendered.status,
        "headers": HeadersDict((name.decode(), value.decode()) for name, value in rendered.headers),
        "body": rendered.body if body is None else body,
    }
    result: dict[str, Any] = _PARSER.parse(response, _MODEL.operation_model(operation).output_shape)
    del result["ResponseMetadata"]
    return result


def parsed_error(status: int, body: bytes) -> dict[str, Any]:
    """What botocore makes of an error document."""
    response = {"status_code": status, "headers": HeadersDict(), "body": body}
    result: dict[str, Any] = _PARSER.parse(response, None)["Error"]
    return result
