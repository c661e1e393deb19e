"""Versions with boto3 against the real server, as one process and as several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

from botocore.exceptions import ClientError
from twisted.trial.unittest import SynchronousTestCase

from objectd.test.functional.server import BUCKET, MIB, Server

KEY = {"Bucket": BUCKET, "Key": "k"}
CLIENTS = 6
"""Each has connections of its own, which the kernel spreads over the workers."""

NULL = "null"


class VersionsCase(SynchronousTestCase):
    """`found` of what is asked for tells its bytes, or the status and whether a delete marker
    was met."""

    timeout = 300
    workers: int

    def setUp(self) -> None:
        self.server = Server(Path(self.mktemp()), workers=self.workers)
        self.addCleanup(self.server.end)
        self.server.start()
        self.random = Random(self.id())
        self.connect()

    def connect(self) -> None:
        self.clients = [self.server.client() for _ in range(CLIENTS)]
        self.client = self.clients[0]

    def versioning(self, status: str, client: Any = None) -> None:
        (client or self.client).put_bucket_versioning(
            Bucket=BUCKET, VersioningConfiguration={"Status": status}
        )

    def found(self, version: str = "", client: Any = None) -> object:
        named = {"VersionId": version} if version else {}
        try:
            got = (client or self.client).get_object(**KEY, **named)
        except ClientError as error:
            answer = error.response["ResponseMetadata"]
            return answer["HTTPStatusCode"], "x-amz-delete-marker" in answer["HTTPHeaders"]
        return got["Body"].read()

    def delete(self, version: str) -> None:
        self.client.delete_object(**KEY, VersionId=version)

    def at_once(self, work: Sequence[Callable[[], object]]) -> list[Any]:
        with ThreadPoolExecutor(len(work)) as pool:
            return [future.result() for future in [pool.submit(each) for each in work]]

    def upload(self, data: bytes) -> str:
        """A version of two parts."""
        upload = {**KEY, "UploadId": self.client.create_multipart_upload(**KEY)["UploadId"]}
        parts = [
            {
                "PartNumber": number,
                "ETag": self.client.upload_part(**upload, PartNumber=number, Body=part)["ETag"],
            }
            for number, part in enumerate((data[: 5 * MIB], data[5 * MIB :]), 1)
        ]
        done = self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        return str(done["VersionId"])


class SingleTests(VersionsCase):
    """One process."""

    workers = 0

    def test_life(self) -> None:
        """Versions of every form are kept, hidden, shown again, restored and deleted, also
        across a restart."""
        self.client.put_object(**KEY, Body=b"before")
        self.versioning("Enabled")
        kept: dict[str, object] = {NULL: b"before"}
        for size in (0, 10, 200_000, 3 * MIB):
            data = self.random.randbytes(size)
            kept[self.client.put_object(**KEY, Body=data)["VersionId"]] = data
        data = self.random.randbytes(6 * MIB)
        kept[self.upload(data)] = data
        newest = list(kept)[-1]
        marker = self.client.delete_object(**KEY)
        self.assertTrue(marker["DeleteMarker"])
        self.server.stop()
        self.server.start()
        self.connect()
        self.assertEqual(self.found(), (404, True))
        self.assertEqual(self.found(marker["VersionId"]), (405, True))
        self.assertEqual({version: self.found(version) for version in kept}, kept)
        part = self.client.get_object(**KEY, VersionId=newest, PartNumber=2)
        self.assertEqual(part["Body"].read(), data[5 * MIB :])
        self.delete(marker["VersionId"])
        self.assertEqual(self.found(), data)
        source = {**KEY, "VersionId": NULL}
        restored = self.client.copy_object(**KEY, CopySource=source)
        self.assertEqual(restored["CopySourceVersionId"], NULL)
        self.assertEqual(self.found(), b"before")
        lines = [{"Key": "k", "VersionId": version} for version in kept]
        lines.append({"Key": "k", "VersionId": restored["VersionId"]})
        answer = self.client.delete_objects(Bucket=BUCKET, Delete={"Objects": lines})
        self.assertEqual(len(answer["Deleted"]), len(lines))
        self.assertEqual(self.found(), (404, False))
        self.client.delete_bucket(Bucket=BUCKET)

    def test_listing(self) -> None:
        """boto3's paginator finds every version and marker, in pages of any size."""
        self.client.put_object(Bucket=BUCKET, Key="a/1", Body=b"before")
        self.versioning("Enabled")
        expected = [NULL]
        for number in range(30):
            key = f"{'ab'[number % 2]}/{number % 5}"
            answer = self.client.put_object(Bucket=BUCKET, Key=key, Body=b"data" * number)
            expected.append(answer["VersionId"])
            if number % 7 == 0:
                expected.append(self.client.delete_object(Bucket=BUCKET, Key=key)["VersionId"])
        paginator = self.client.get_paginator("list_object_versions")
        for size in (1, 7, 1000):
            pages = paginator.paginate(Bucket=BUCKET, PaginationConfig={"PageSize": size})
            found = [
                line["VersionId"]
                for page in pages
                for line in page.get("Versions", []) + page.get("DeleteMarkers", [])
            ]
            self.assertEqual(sorted(found), sorted(expected))
        pages = list(
            paginator.paginate(Bucket=BUCKET, Delimiter="/", PaginationConfig={"PageSize": 1})
        )
        prefixes = [found["Prefix"] for page in pages for found in page["CommonPrefixes"]]
        self.assertEqual(prefixes, ["a/", "b/"])

    def test_suspended(self) -> None:
        """While suspended the null version is replaced, and the others stay."""
        self.versioning("Enabled")
        kept = self.client.put_object(**KEY, Body=b"kept")["VersionId"]
        self.versioning("Suspended")
        for data in (b"one", b"two" * 100_000):
            self.assertEqual(self.client.put_object(**KEY, Body=data)["VersionId"], NULL)
            self.assertEqual((self.found(), self.found(NULL)), (data, data))
        self.assertEqual(self.client.delete_object(**KEY)["VersionId"], NULL)
        self.assertEqual((self.found(), self.found(NULL)), ((404, True), (405, True)))
        self.delete(NULL)
        self.assertEqual((self.found(), self.found(kept)), (b"kept", b"kept"))
        status = self.client.get_bucket_versioning(Bucket=BUCKET)["Status"]
        self.assertEqual(status, "Suspended")


class WorkerTests(VersionsCase):
    """Several processes, which keep rows."""

    workers = 2

    def test_enabled_everywhere(self) -> None:
        """Once versioning is enabled no process loses a version any more, and all see each
        other's."""
        for client in self.clients:
            client.put_object(**KEY, Body=b"before")
            self.assertEqual(self.found(client=client), b"before")
        self.versioning("Enabled")
        kept: dict[str, object] = {NULL: b"before"}
        for number, client in enumerate(self.clients):
            data = b"%d" % number
            kept[client.put_object(**KEY, Body=data)["VersionId"]] = data
            for other in self.clients:
                self.assertEqual(self.found(client=other), data)
        for client in self.clients:
            self.assertEqual({v: self.found(v, client) for v in kept}, kept)
        self.clients[1].delete_object(**KEY)
        for client in self.clients:
            self.assertEqual(self.found(client=client), (404, True))
            self.assertEqual({v: self.found(v, client) for v in kept}, kept)

    def test_traffic(self) -> None:
        """Puts, copies and deletes of one key from all sides leave a version or a delete marker
        each, in the order of their ids, and each with its bytes."""
        self.versioning("Enabled")
        turns = 25

        def change(number: int) -> dict[str, object]:
            """What each version is to be found as."""
            client, done = self.clients[number], dict[str, object]()
            for turn in range(turns):
                data = b"%d %d " % (number, turn) * (1 if turn % 5 else 40_000)
                if turn % 4 == 3:
                    done[client.delete_object(**KEY)["VersionId"]] = (405, True)
                else:
                    version = client.put_object(**KEY, Body=data)["VersionId"]
                    done[version] = data
                    self.assertEqual(self.found(version, client), data)
            return done

        done = self.at_once([partial(change, number) for number in range(CLIENTS)])
        kept = {version: found for each in done for version, found in each.items()}
        self.assertEqual(len(kept), CLIENTS * turns)
        self.assertEqual({version: self.found(version) for version in kept}, kept)
        self.delete_from_the_top(kept)

    def delete_from_the_top(self, kept: dict[str, object]) -> None:
        """Each time the newest that is left is what is seen by all, at once or when others
        delete some beneath it meanwhile."""
        clients = cycle(self.clients)
        while kept:
            newest = max(kept)
            seen = (404, True) if kept[newest] == (405, True) else kept[newest]
            self.assertEqual(self.found(client=next(clients)), seen)
            unwanted = {newest, *islice(kept, 4)}
            self.at_once(
                [
                    partial(client.delete_object, **KEY, VersionId=version)
                    for version, client in zip(unwanted, self.clients, strict=False)
                ]
            )
            for version in unwanted:
                del kept[version]
        self.assertEqual(self.found(), (404, False))
        self.client.delete_bucket(Bucket=BUCKET)

    def test_mode_switched_under_traffic(self) -> None:
        """While versioning is suspended and enabled again, no version with an id is lost."""
        self.versioning("Enabled")

        def change(client: Any) -> dict[str, object]:
            done: dict[str, object] = {}
            for turn in range(40):
                data = self.server.url.encode() + b"%d %d" % (id(client), turn)
                version = client.put_object(**KEY, Body=data)["VersionId"]
                if version != NULL:
                    done[version] = data
            return done

        def switch() -> dict[str, object]:
            for status in islice(cycle(("Suspended", "Enabled")), 41):
                self.versioning(status, self.clients[0])
            return {}

        work: list[Callable[[], object]] = [switch]
        work += [partial(change, client) for client in self.clients[1:]]
        kept = {version: found for each in self.at_once(work) for version, found in each.items()}
        for client in self.clients:
            self.assertEqual({v: self.found(v, client) for v in kept}, kept)
        self.assertEqual(self.client.put_object(**KEY, Body=b"last")["VersionId"], NULL)
        self.assertEqual(self.found(NULL), b"last")
        self.delete(NULL)
        for version in kept:
            self.delete(version)
        self.client.delete_bucket(Bucket=BUCKET)
