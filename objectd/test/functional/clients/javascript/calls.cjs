// What test_javascript.py does with the AWS SDK for JavaScript:
//
//     AWS_ENDPOINT_URL=... BUCKET=... NODE_PATH=.../node_modules node calls.cjs

"use strict";

const assert = require("node:assert/strict");
const { randomBytes } = require("node:crypto");
const { PassThrough, Readable } = require("node:stream");
const {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
  waitUntilBucketExists,
} = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const MIB = 1 << 20;
const Bucket = process.env.BUCKET;
const s3 = new S3Client({ forcePathStyle: true });

async function read(Key, more = {}) {
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from(await answer.Body.transformToByteArray());
}

async function keys(Prefix) {
  const found = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket, Prefix })) {
    found.push(...(page.Contents ?? []).map((object) => object.Key));
  }
  return found;
}

const calls = {
  async buckets() {
    const another = { Bucket: `${Bucket}-2` };
    await s3.send(new CreateBucketCommand(another));
    await waitUntilBucketExists({ client: s3, maxWaitTime: 10 }, another);
    const { Buckets } = await s3.send(new ListBucketsCommand({}));
    assert.ok(Buckets.some((bucket) => bucket.Name === another.Bucket));
    await s3.send(new DeleteBucketCommand(another));
  },

  async objects() {
    const Key = "deep/ü +";
    const put = await s3.send(
      new PutObjectCommand({ Bucket, Key, Body: "data", Metadata: { colour: "blue" } }),
    );
    assert.ok(put.ChecksumCRC32, "the SDK sends a checksum by default");
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    assert.deepEqual([head.ContentLength, head.Metadata], [4, { colour: "blue" }]);
    assert.equal((await read(Key)).toString(), "data");
    assert.equal((await read(Key, { Range: "bytes=1-2" })).toString(), "at");
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
    await s3.send(new CopyObjectCommand({ Bucket, Key: "copied", CopySource }));
    assert.equal((await read("copied")).toString(), "data");
    await assert.rejects(read("absent"), { name: "NoSuchKey" });
  },

  async checksums() {
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
      const Key = `checksums/${ChecksumAlgorithm}`;
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: "data", ChecksumAlgorithm }));
      const ObjectAttributes = ["Checksum", "ObjectSize"];
      const found = await s3.send(
        new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes }),
      );
      assert.ok(found.Checksum[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
      assert.equal((await read(Key, { ChecksumMode: "ENABLED" })).toString(), "data");
    }
  },

  async streams() {
    const Body = Readable.from([Buffer.from("da"), Buffer.from("ta")]);
    await s3.send(new PutObjectCommand({ Bucket, Key: "stream", Body, ContentLength: 4 }));
    assert.equal((await read("stream")).toString(), "data");
  },

  async uploads() {
    const data = randomBytes(11 * MIB);
    const known = new Upload({ client: s3, params: { Bucket, Key: "up/known", Body: data } });
    assert.match((await known.done()).ETag, /-3"$/);
    const Body = new PassThrough();
    const params = { Bucket, Key: "up/unknown", Body, ChecksumAlgorithm: "SHA256" };
    const unknown = new Upload({ client: s3, params }).done();
    Body.end(data);
    assert.match((await unknown).ChecksumSHA256, /-3$/);
    assert.ok((await read("up/known")).equals(data));
    assert.ok((await read("up/unknown")).equals(data));
  },

  async aborted() {
    const Body = new PassThrough();
    const upload = new Upload({ client: s3, params: { Bucket, Key: "aborted/k", Body } });
    upload.once("httpUploadProgress", () => upload.abort());
    const done = upload.done();
    Body.end(randomBytes(11 * MIB));
    await assert.rejects(done, { name: "AbortError" });
    assert.deepEqual(await keys("aborted/"), []);
  },

  async lists() {
    const names = ["lists/a", "lists/b c", "lists/d", "lists/é", "lists/€"];
    for (const Key of names) {
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
    }
    assert.deepEqual(await keys("lists/"), names);
    const Objects = names.map((Key) => ({ Key }));
    const deleted = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    assert.equal(deleted.Deleted.length, names.length);
    assert.deepEqual(await keys("lists/"), []);
  },

  async presigned() {
    const target = { Bucket, Key: "presigned/ü +" };
    const put = await getSignedUrl(s3, new PutObjectCommand(target), { expiresIn: 60 });
    assert.equal((await fetch(put, { method: "PUT", body: "data" })).status, 200);
    const get = await getSignedUrl(s3, new GetObjectCommand(target), { expiresIn: 60 });
    assert.equal(await (await fetch(get)).text(), "data");
  },
};

(async () => {
  for (const [name, call] of Object.entries(calls)) {
    console.log(name);
    await call();
  }
})();
