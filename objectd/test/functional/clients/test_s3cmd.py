"""s3cmd 2."""

from __future__ import annotations

from ssl import create_default_context
from urllib.error import HTTPError
from urllib.request import urlopen

from objectd.test.functional.clients.programs import (
    ACCESS_KEY,
    MIB,
    SECRET_KEY,
    TREE,
    ClientTests,
    content,
)


class PlainTests(ClientTests):
    def setUp(self) -> None:
        super().setUp()
        self.write(
            ".s3cfg",
            f"""\
[default]
access_key = {ACCESS_KEY}
secret_key = {SECRET_KEY}
host_base = {self.host}
host_bucket = {self.host}
use_https = {self.secure}
signurl_use_https = {self.secure}
ca_certs_file = {self.certificate}
""".encode(),
        )
        self.here = f"s3://{self.bucket}"

    def s3cmd(self, *arguments: str) -> str:
        return self.run_program("s3cmd", "--no-progress", *arguments)

    def test_buckets(self) -> None:
        """mb, ls and rb make, show and remove a bucket, also with what is in it."""
        another = f"{self.here}-2"
        self.s3cmd("mb", another)
        self.assertIn(f"{another}\n", self.s3cmd("ls"))
        self.s3cmd("rb", another)
        self.assertNotIn(another, self.s3cmd("ls"))
        self.put("a", b"a")
        self.s3cmd("rb", "--recursive", self.here)
        self.assertNotIn(f"{self.here}\n", self.s3cmd("ls"))

    def test_objects(self) -> None:
        """put, get, ls, du, cp, mv, modify and del do what they say, with any key."""
        self.write("file", b"data")
        self.s3cmd("put", "file", f"{self.here}/ü +%")
        self.s3cmd("cp", f"{self.here}/ü +%", f"{self.here}/copied")
        self.s3cmd("mv", f"{self.here}/ü +%", f"{self.here}/moved")
        self.s3cmd("modify", "--add-header=x-amz-meta-colour:blue", f"{self.here}/moved")
        self.assertEqual(self.keys(), ["copied", "moved"])
        head = self.s3.head_object(Bucket=self.bucket, Key="moved")
        self.assertEqual(head["Metadata"]["colour"], "blue")
        self.assertIn(f"           4  {self.here}/copied\n", self.s3cmd("ls", self.here))
        self.assertIn("8       2 objects", self.s3cmd("du", self.here))
        self.s3cmd("get", f"{self.here}/moved", "back")
        self.assertEqual((self.home / "back").read_bytes(), b"data")
        self.s3cmd("del", f"{self.here}/moved", f"{self.here}/copied")
        self.assertEqual(self.keys(), [])

    def test_info(self) -> None:
        """info tells what there is of a bucket and of an object, and that there is no more."""
        self.write("file", b"data")
        self.s3cmd("put", "file", f"{self.here}/k")
        bucket = self.s3cmd("info", self.here)
        for line in ["Location:  us-east-1", "Payer:     BucketOwner", "Expiration Rule: none"]:
            self.assertIn(line, bucket)
        found = self.s3cmd("info", f"{self.here}/k")
        for line in ["File size: 4", "Policy:    none", "CORS:      none"]:
            self.assertIn(line, found)
        self.assertRegex(found, "ACL: +[0-9a-f]{64}: FULL_CONTROL")

    def test_multipart(self) -> None:
        """A file above 15 MiB goes up in parts, and is copied and moved like any other."""
        data = content(15 * MIB + 1)
        self.write("large", data)
        self.s3cmd("put", "large", f"{self.here}/large")
        self.assertEqual(self.part_count("large"), 2)
        self.s3cmd("cp", f"{self.here}/large", f"{self.here}/copied")
        self.s3cmd("get", f"{self.here}/copied", "back")
        self.assertEqual((self.home / "back").read_bytes(), data)
        self.assertNotIn("large", self.s3cmd("multipart", self.here))

    def test_sync(self) -> None:
        """sync brings what is new or changed, both ways, and removes what is gone."""
        self.write_tree("tree")
        self.assertEqual(self.s3cmd("sync", "tree/", self.here).count("upload: "), len(TREE))
        self.assertEqual(self.s3cmd("sync", "tree/", self.here).count("upload: "), 0)
        self.write("tree/a", b"changed")
        (self.home / "tree/empty").unlink()
        printed = self.s3cmd("sync", "--delete-removed", "tree/", self.here)
        self.assertEqual((printed.count("upload: "), printed.count("delete: ")), (1, 1))
        self.s3cmd("sync", f"{self.here}/", "back/")
        self.assertEqual(self.read_tree("back"), self.read_tree("tree"))

    def test_signurl(self) -> None:
        """What signurl prints is signed with version 2, and refused: nobody takes it for good."""
        self.put("k", b"data")
        url = self.s3cmd("signurl", f"{self.here}/k", "+600").strip()
        context = create_default_context(cafile=self.certificate)
        with self.assertRaises(HTTPError) as raised:
            urlopen(url, timeout=30, context=context)
        with raised.exception as answer:
            self.assertIn(b"AWS4-HMAC-SHA256", answer.read())


class SecureTests(PlainTests):
    """The same over HTTPS."""

    secure = True
