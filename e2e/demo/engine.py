"""What the story needs to know of the engine under it: its files, its image, and where its data goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e import automq_image
from e2e.clusters import Cluster, Name
from e2e.kubectl import Kubectl
from e2e.objectstore import ObjectStoreServer
from e2e.stand.shell import StandError

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
NAMES = ("kafka", "automq")
CREDENTIALS = "s3-credentials"


@dataclass(frozen=True)
class Engine:
    """An engine by name, with the image that its cluster is given ("": the operator's own) and its S3 server."""

    name: str = "kafka"
    image: str = ""
    store: ObjectStoreServer | None = None

    @property
    def patience(self) -> float:
        """How long a killed broker's place may take, in seconds: AutoMQ replays no log of a node younger than 60 s."""
        return 180 if self.name == "automq" else 90

    @property
    def ready_again(self) -> float:
        """How long all may take to be Ready once a broker has taken that place, in seconds."""
        return 180 if self.name == "automq" else 60

    def example(self, file: str) -> Path:
        """The engine's own example where there is one, else the common one."""
        own = EXAMPLES / self.name / file
        return own if own.is_file() else EXAMPLES / file

    def cluster(self) -> dict[str, Any]:
        wanted: dict[str, Any] = yaml.safe_load(self.example("cluster.yaml").read_text())
        if self.image:
            wanted["spec"]["image"] = self.image
        return wanted

    def prepare(self, kubectl: Kubectl, namespace: str) -> list[str]:
        """The S3 server with a user, its keys in a Secret, and the engine's buckets made; the buckets' names."""
        assert self.store is not None, f"engine {self.name} keeps its data on volumes"
        self.store.start()
        kubectl.ensure_namespace(namespace)
        if not kubectl.get("secret", CREDENTIALS, namespace):
            kubectl.put_secret(namespace, CREDENTIALS, self.store.new_user("agents").secret_data())
        buckets = list(yaml.safe_load_all(self.example("buckets.yaml").read_text()))
        kubectl.apply(*buckets)
        ready = [kubectl.wait_ready("memorybucket", b["metadata"]["name"], namespace, 90) for b in buckets]
        return [f"{found['status']['bucketName']} in {found['status']['region']}" for found in ready]


def check(name: str, cluster: Name) -> None:
    """StandError, before anything is built, when the engine is unknown or its image cannot be had on that cluster."""
    if name not in NAMES:
        raise StandError(f"there is no engine called {name!r} in the demo: choose one of {', '.join(NAMES)}")
    if name == "automq":
        automq_image.asked(cluster)


def choose(name: str, cluster: Cluster, kubectl: Kubectl) -> Engine:
    """The engine on a cluster that is up; gives its nodes the image."""
    if name == "automq":
        return Engine(name, automq_image.provide(cluster, kubectl), ObjectStoreServer(cluster, kubectl))
    return Engine(name)
