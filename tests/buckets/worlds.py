"""Objects and views for the tests of buckets."""

import base64
from typing import Any

from agentmemory.api.base import parse
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.buckets.desired import ABORT_RULE, PUBLIC_ACCESS
from agentmemory.buckets.policy import OWNER_TAG, UID_TAG
from agentmemory.buckets.world import World
from agentmemory.core.key import Key
from agentmemory.objectstore.model import BucketView, Encryption, LifecycleRule

Object = dict[str, Any]

SPACE = "memory-system"
KEY = Key("MemoryBucket", SPACE, "agents-data")
ENDPOINT = "https://s3.example.com"
MARK = {OWNER_TAG: f"{SPACE}/agents-data", UID_TAG: "uid-1"}
SECRET: Object = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "keys", "namespace": SPACE},
    "data": {
        "AWS_ACCESS_KEY_ID": base64.b64encode(b"AKIAPLANTED").decode(),
        "AWS_SECRET_ACCESS_KEY": base64.b64encode(b"planted-secret").decode(),
    },
}
WAY: Object = {"endpoint": ENDPOINT, "credentialsSecretRef": {"name": "keys"}}


def declared(name: str = "agents-data", namespace: str = SPACE, **spec: Any) -> Object:
    """A MemoryBucket as a user writes it: purpose Data on a server of one's own."""
    full = {"purpose": "Data", "region": "eu-central-1", "s3": WAY, **spec}
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "MemoryBucket",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {field: value for field, value in full.items() if value is not None},
    }


def automq(name: str = "agents", data: str = "agents-data", ops: str = "agents-ops", **metadata: Any) -> Object:
    """A MemoryCluster that keeps its records in buckets."""
    return {
        "apiVersion": "agentmemory.dev/v1alpha1",
        "kind": "MemoryCluster",
        "metadata": {"name": name, "namespace": SPACE, **metadata},
        "spec": {
            "engine": "automq",
            "region": {"name": "eu-central-1"},
            "objectStorage": {"dataBucketRef": {"name": data}, "opsBucketRef": {"name": ops}},
        },
    }


def bucket(status: Object | None = None, **spec: Any) -> MemoryBucket:
    """The model of one, as the API server would give it."""
    obj = declared(**spec)
    obj["metadata"] |= {"uid": "uid-1", "generation": 1}
    return parse(MemoryBucket, obj | ({"status": status} if status else {}))


def around(found: MemoryBucket, used_by: tuple[str, ...] = (), rival: Key | None = None) -> World:
    """A world without a store."""
    return World(found, used_by, rival)


def view(**parts: Any) -> BucketView:
    """A data bucket as it should be, but for these parts and its policy."""
    whole: dict[str, Any] = {
        "name": "agents-data",
        "region": "eu-central-1",
        "is_empty": True,
        "tags": MARK,
        "encryption": Encryption("AES256"),
        "versioning": "Disabled",
        "public_access_block": PUBLIC_ACCESS,
        "ownership": "BucketOwnerEnforced",
        "lifecycle": (LifecycleRule(ABORT_RULE, abort_days=7),),
        "object_lock": None,
        "policy": None,
    }
    return BucketView(**(whole | parts))
