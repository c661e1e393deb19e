"""Which server, as whom."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from objectd.auth.signing import KeyPair
from objectd.client.address import Amazon, Endpoint, parse_endpoint
from objectd.client.configuration import Given, Target, find_target
from objectd.errors import ConfigurationInvalid
from objectd.protocol.calls import compiled_call
from objectd.test.client.cases import MODEL

KEYS = {"AWS_ACCESS_KEY_ID": "env", "AWS_SECRET_ACCESS_KEY": "secret"}


class TargetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.home = Path(self.mktemp())
        (self.home / ".aws").mkdir(parents=True)

    def find(self, given: Given | None = None, /, **environment: str) -> Target:
        return find_target(given or Given(), environment, self.home)

    def write(self, name: str, text: str) -> None:
        (self.home / ".aws" / name).write_text(text)

    def test_environment(self) -> None:
        """Endpoint, keys, token and region come from the variables that aws-cli knows."""
        found = self.find(
            **KEYS,
            AWS_SESSION_TOKEN="token",
            AWS_ENDPOINT_URL="http://127.0.0.1:9000",
            AWS_DEFAULT_REGION="eu-west-1",
        )
        self.assertEqual(found.key_pair, KeyPair("env", "secret", "token"))
        self.assertEqual(found.address, Endpoint("http", "127.0.0.1:9000"))
        self.assertEqual(found.region, "eu-west-1")

    def test_precedence(self) -> None:
        """An option goes before the environment, ours before aws-cli's, both before a file."""
        self.write("config", "[default]\nendpoint_url = http://file\nregion = file\n")
        endpoints = {"AWS_ENDPOINT_URL": "http://any", "AWS_ENDPOINT_URL_S3": "http://s3"}
        given = Given(endpoint="http://given", access_key="given", secret_key="x")
        self.assertEqual(self.find(given, **KEYS).address, Endpoint("http", "given"))
        self.assertEqual(self.find(given, **KEYS).key_pair, KeyPair("given", "x"))
        ours = self.find(**KEYS, **endpoints, OBJECTD_ENDPOINT="http://ours")
        self.assertEqual(ours.address, Endpoint("http", "ours"))
        self.assertEqual(self.find(**KEYS, **endpoints).address, Endpoint("http", "s3"))
        self.assertEqual(self.find(**KEYS).address, Endpoint("http", "file"))
        self.assertEqual(self.find(**KEYS).region, "file")

    def test_profile(self) -> None:
        """A profile is a section of both files; one that is asked for goes before the
        environment's keys."""
        self.write("credentials", "[work]\naws_access_key_id = a\naws_secret_access_key = b%c\n")
        self.write("config", "[profile work]\nregion = eu-west-2\n")
        found = self.find(Given(profile="work"), **KEYS)
        self.assertEqual((found.key_pair, found.region), (KeyPair("a", "b%c"), "eu-west-2"))
        self.assertEqual(self.find(AWS_PROFILE="work").key_pair, KeyPair("a", "b%c"))
        with self.assertRaisesRegex(ConfigurationInvalid, "no profile 'play'"):
            self.find(Given(profile="play"))

    def test_no_keys(self) -> None:
        """Without keys the message says what to set."""
        with self.assertRaisesRegex(ConfigurationInvalid, "set AWS_ACCESS_KEY_ID and AWS_SECRET"):
            self.find()
        self.assertRaises(ConfigurationInvalid, self.find, AWS_ACCESS_KEY_ID="a")

    def test_malformed(self) -> None:
        """A file that cannot be read is named."""
        self.write("credentials", "no section\n")
        self.assertRaisesRegex(ConfigurationInvalid, "credentials", self.find, **KEYS)


class AddressTests(SynchronousTestCase):
    def located(self, region: str, bucket: str, key: str | None = None) -> str:
        name = "HeadBucket" if key is None else "HeadObject"
        request = compiled_call(MODEL, name).request(
            {"Bucket": bucket, "Key": key} if key else {"Bucket": bucket}
        )
        origin, path = Amazon().locate(request, region)
        return (origin + path).decode()

    def test_endpoints(self) -> None:
        """An endpoint is scheme, host and port; the port that goes without saying is left out."""
        self.assertEqual(parse_endpoint("HTTP://Host:80/"), Endpoint("http", "host"))
        self.assertEqual(parse_endpoint("https://[::1]:9000"), Endpoint("https", "[::1]:9000"))
        for url in ("h:9000", "ftp://h", "http://", "http://h/path", "http://u@h", "http://h?q"):
            self.assertRaises(ConfigurationInvalid, parse_endpoint, url)

    def test_amazon(self) -> None:
        """AWS has the bucket in the host, where its certificate and the path allow it."""
        self.assertEqual(
            self.located("eu-west-1", "abc", "k"), "https://abc.s3.eu-west-1.amazonaws.com/k"
        )
        self.assertEqual(
            self.located("us-east-1", "abc"), "https://abc.s3.us-east-1.amazonaws.com/"
        )
        self.assertEqual(
            self.located("us-east-1", "a.b", "k"), "https://s3.us-east-1.amazonaws.com/a.b/k"
        )
        self.assertEqual(
            self.located("us-east-1", "abc", "/k"), "https://s3.us-east-1.amazonaws.com/abc//k"
        )
        self.assertEqual(
            self.located("cn-north-1", "abc", "k"), "https://abc.s3.cn-north-1.amazonaws.com.cn/k"
        )
