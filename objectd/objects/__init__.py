"""The object store as a library: buckets, objects, listings and multipart uploads.

    store = await open_in_memory()
    await store.buckets.create("photos")
    await store.objects.put("photos", "cat.jpg", b"...")
    data = await (await store.objects.get("photos", "cat.jpg")).read()
    await store.close()

It knows nothing of HTTP; its errors are those of `objectd.errors`.
"""

from objectd.objects.buckets import BucketPage
from objectd.objects.checksums import Declared
from objectd.objects.completing import Completed, ListedPart
from objectd.objects.conditions import Conditions
from objectd.objects.copying import ObjectName, Overrides
from objectd.objects.listing import ListedObject, ObjectPage
from objectd.objects.objects import Object, OpenObject
from objectd.objects.opening import open_directory, open_in_memory
from objectd.objects.reading import ObjectPart
from objectd.objects.settings import ObjectSettings
from objectd.objects.store import ObjectStore, open_store
from objectd.objects.upload_listing import UploadId
from objectd.streams import BytesStream, ByteStream

__all__ = [
    "BucketPage",
    "ByteStream",
    "BytesStream",
    "Completed",
    "Conditions",
    "Declared",
    "ListedObject",
    "ListedPart",
    "Object",
    "ObjectName",
    "ObjectPage",
    "ObjectPart",
    "ObjectSettings",
    "ObjectStore",
    "OpenObject",
    "Overrides",
    "UploadId",
    "open_directory",
    "open_in_memory",
    "open_store",
]
