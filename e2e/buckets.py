"""One MemoryBucket on the stand's S3 server, with a user and a Secret of its own, for one test."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from e2e.kubectl import Kubectl, condition_of
from e2e.objectstore import Keys, ObjectStoreServer

ASK_NOW = "agentmemory.dev/reconcile-at"


@dataclass
class Bucket:
    """The MemoryBucket `name`; the bucket on the server has the same name."""

    kubectl: Kubectl
    store: ObjectStoreServer
    namespace: str
    name: str
    keys: Keys

    @property
    def secret(self) -> str:
        return f"{self.name}-keys"

    def spec(self) -> dict[str, Any]:
        s3 = {"endpoint": self.store.endpoint, "pathStyle": True, "credentialsSecretRef": {"name": self.secret}}
        return {"purpose": "Data", "region": self.store.region, "s3": s3}

    def apply(self) -> None:
        self.kubectl.put_secret(self.namespace, self.secret, self.keys.secret_data())
        metadata = {"name": self.name, "namespace": self.namespace}
        api = {"apiVersion": "agentmemory.dev/v1alpha1", "kind": "MemoryBucket"}
        self.kubectl.apply({**api, "metadata": metadata, "spec": self.spec()})

    def ask_now(self) -> None:
        """Have it looked at now, as a person would who has mended something."""
        self.kubectl(
            *("-n", self.namespace, "annotate", "memorybucket", self.name, "--overwrite"), f"{ASK_NOW}={time.time_ns()}"
        )

    def ready(self, seconds: float = 60) -> dict[str, Any]:
        return self.kubectl.wait_ready("memorybucket", self.name, self.namespace, seconds)

    def not_ready(self, *reasons: str, seconds: float = 60) -> str:
        """Wait until it is not Ready for one of these reasons; what it says."""

        def holds(found: dict[str, Any] | None) -> bool:
            told = condition_of(found, "Ready")
            return told is not None and told["status"] == "False" and told["reason"] in reasons

        what = f"Ready=False for {' or '.join(reasons)}"
        seen = self.kubectl.wait_object("memorybucket", self.name, self.namespace, seconds, holds, what)
        told = condition_of(seen, "Ready") or {}
        return f"{told['reason']}: {told['message']}"

    def change_secret_at_the_server(self) -> None:
        """The user's key expires: the Secret still holds the old one."""
        self.keys = self.store.change_secret(self.keys.access)

    def remove(self) -> None:
        """The object, and at the server the bucket with all that is in it, and the user."""
        self.kubectl.delete("memorybucket", self.name, self.namespace)
        self.kubectl.delete("secret", self.secret, self.namespace)
        if self.name in self.store.buckets():
            self.store.wipe(self.name)
        self.store.remove_user(self.keys.access)

    def hand_over_keys(self) -> None:
        self.kubectl.put_secret(self.namespace, self.secret, self.keys.secret_data())


@contextmanager
def memory_bucket(kubectl: Kubectl, store: ObjectStoreServer, namespace: str, name: str) -> Iterator[Bucket]:
    """The MemoryBucket, applied; gone afterwards with its bucket, Secret and user."""
    bucket = Bucket(kubectl, store, namespace, name, store.new_user(name))
    bucket.apply()
    try:
        yield bucket
    finally:
        bucket.remove()
