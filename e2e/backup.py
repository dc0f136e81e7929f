"""A copy of a bucket as a provider's own backup has it, to put back what a hand has deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from e2e.objectstore import Keys, ObjectStoreServer


@dataclass(frozen=True)
class Backup:
    """Objects and tags of one bucket."""

    name: str
    objects: dict[str, bytes]
    tags: list[dict[str, str]]

    @staticmethod
    def of(store: ObjectStoreServer, name: str) -> Backup:
        """Everything that is in the bucket now; for a bucket of a few megabytes."""
        client: Any = store.client()
        listed = client.get_paginator("list_objects_v2").paginate(Bucket=name)
        keys = [item["Key"] for page in listed for item in page.get("Contents", [])]
        objects = {key: client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}
        return Backup(name, objects, _tags(client, name))

    def restore(self, store: ObjectStoreServer, owner: Keys) -> None:
        """The bucket anew, as its owner, with all that the copy has."""
        client: Any = store.client(owner)
        where = {"LocationConstraint": store.region}
        client.create_bucket(Bucket=self.name, CreateBucketConfiguration=where)
        for key, content in self.objects.items():
            client.put_object(Bucket=self.name, Key=key, Body=content)
        if self.tags:
            client.put_bucket_tagging(Bucket=self.name, Tagging={"TagSet": self.tags})


def _tags(client: Any, name: str) -> list[dict[str, str]]:
    try:
        return list(client.get_bucket_tagging(Bucket=name)["TagSet"])
    except client.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchTagSet":
            raise
        return []
