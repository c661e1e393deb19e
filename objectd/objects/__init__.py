"""The object store as a library: buckets, objects, listings and multipart uploads.

    store = await open_in_memory()
    await store.buckets.create("photos")
    await store.objects.put("photos", "cat.jpg", b"...")
    data = await (await store.objects.get("photos", "cat.jpg")).read()
    await store.close()

It knows nothing of HTTP; its errors are those of `objectd.errors`. What is named here is
imported when it is asked for: a supervisor needs the settings and nothing of the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from objectd.objects.buckets import BucketPage
    from objectd.objects.checksums import Declared
    from objectd.objects.completing import Completed, ListedPart
    from objectd.objects.conditions import Conditions
    from objectd.objects.copy_source import ObjectName
    from objectd.objects.listing import ListedObject, ObjectPage
    from objectd.objects.object import Object, OpenObject
    from objectd.objects.opening import open_directory, open_in_memory
    from objectd.objects.overrides import Overrides
    from objectd.objects.reading import ObjectPart
    from objectd.objects.settings import ObjectSettings
    from objectd.objects.store import ObjectStore, open_store
    from objectd.objects.upload_listing import UploadId
    from objectd.objects.uploads import CreatedUpload, StoredPart
    from objectd.objects.version_listing import ListedVersion, VersionPage
    from objectd.streams import BytesStream, ByteStream

__all__ = [
    "BucketPage",
    "ByteStream",
    "BytesStream",
    "Completed",
    "Conditions",
    "CreatedUpload",
    "Declared",
    "ListedObject",
    "ListedPart",
    "ListedVersion",
    "Object",
    "ObjectName",
    "ObjectPage",
    "ObjectPart",
    "ObjectSettings",
    "ObjectStore",
    "OpenObject",
    "Overrides",
    "StoredPart",
    "UploadId",
    "VersionPage",
    "open_directory",
    "open_in_memory",
    "open_store",
]

_PLACES = {
    "BucketPage": "objectd.objects.buckets",
    "ByteStream": "objectd.streams",
    "BytesStream": "objectd.streams",
    "Completed": "objectd.objects.completing",
    "Conditions": "objectd.objects.conditions",
    "CreatedUpload": "objectd.objects.uploads",
    "Declared": "objectd.objects.checksums",
    "ListedObject": "objectd.objects.listing",
    "ListedPart": "objectd.objects.completing",
    "ListedVersion": "objectd.objects.version_listing",
    "Object": "objectd.objects.object",
    "ObjectName": "objectd.objects.copy_source",
    "ObjectPage": "objectd.objects.listing",
    "ObjectPart": "objectd.objects.reading",
    "ObjectSettings": "objectd.objects.settings",
    "ObjectStore": "objectd.objects.store",
    "OpenObject": "objectd.objects.object",
    "Overrides": "objectd.objects.overrides",
    "StoredPart": "objectd.objects.uploads",
    "UploadId": "objectd.objects.upload_listing",
    "VersionPage": "objectd.objects.version_listing",
    "open_directory": "objectd.objects.opening",
    "open_in_memory": "objectd.objects.opening",
    "open_store": "objectd.objects.store",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
