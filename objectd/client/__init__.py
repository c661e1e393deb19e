"""An asynchronous client for any S3 server: the library behind the `objectd` command.

connections = Connections(reactor)
client = connections.client(parse_endpoint("http://127.0.0.1:9000"), KeyPair(...))
await client.call("PutObject", Bucket="photos", Key="cat.jpg", Body=b"meow")
"""

from objectd.auth.signing import KeyPair
from objectd.client.address import Amazon, Endpoint, parse_endpoint
from objectd.client.client import Client
from objectd.client.connecting import Connections, Trust
from objectd.client.errors import (
    AnswerInvalid,
    ClientError,
    ConnectionBroken,
    Damaged,
    Refused,
    SourceChanged,
    Unreachable,
    Untrusted,
)
from objectd.client.retrying import Patience

__all__ = [
    "Amazon",
    "AnswerInvalid",
    "Client",
    "ClientError",
    "ConnectionBroken",
    "Connections",
    "Damaged",
    "Endpoint",
    "KeyPair",
    "Patience",
    "Refused",
    "SourceChanged",
    "Trust",
    "Unreachable",
    "Untrusted",
    "parse_endpoint",
]
