"""A real Apache Kafka whose brokers tier by what the operator renders, to a real S3 server, with the stand's plugin.

Of the rendered part of server.properties only what a process on loopback cannot have is changed: the mounts' paths, the
class of the plugin (Aiven's is on no Maven repository) and how often Kafka looks.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agentmemory.engines.base import BucketPlace, Storage
from agentmemory.engines.kafka.names import TLS
from agentmemory.engines.kafka_tiered import names
from agentmemory.engines.kafka_tiered.properties import server_properties
from agentmemory.objectstore.model import Keys
from e2e.stand import tiered
from tests.engines.builders import broker_plan, cluster_model, controller_plan
from tests.kafka.realkafka import Node, RealKafka
from tests.objectstore.servers import Server

BUCKET = "segments"
TIERED = {
    "engine": "kafka-tiered",
    "tiering": {"bucketRef": {"name": BUCKET}},
    "replication": {"factor": 1, "minInSync": 1},
}
SOON = """
log.retention.check.interval.ms=500
log.initial.task.delay.ms=500
rlmm.config.remote.log.metadata.topic.num.partitions=1
"""
BEGIN = "# Tiered storage"


def rendered(role: str, server: Server) -> str:
    """The part of a node's server.properties that engine kafka does not have."""
    place = BucketPlace(BUCKET, server.region, server.endpoint, path_style=True)
    storage = Storage(place, credentials="s3-credentials", credentials_hash="0" * 16)
    plan = (broker_plan if role == "broker" else controller_plan)(cluster=cluster_model(**TIERED))
    text = server_properties(replace(plan, storage=storage))
    return text[text.index(BEGIN) :]


def mount(folder: Path, keys: Keys) -> Path:
    """A Secret's files as the kubelet lays them out: behind two symbolic links."""
    data = folder / "..2026_01_01"
    data.mkdir(parents=True)
    (folder / "..data").symlink_to(data.name)
    values = {
        "storage.aws.access.key.id": keys.access_key_id,
        "storage.aws.secret.access.key": keys.secret_access_key,
    }
    for name, value in values.items():
        (data / name).write_text(value)
        (folder / name).symlink_to(Path("..data") / name)
    return folder


class TieredKafka(RealKafka):
    """`server` has the bucket; `secrets` is the folder with the two keys."""

    def __init__(self, folder: Path, server: Server, secrets: Path) -> None:
        super().__init__(folder)
        self._server, self._secrets = server, secrets

    def _add(self, node_id: int, role: str, listeners: str, ports: dict[str, int]) -> Node:
        # As in a pod: a listener without a host, and an advertised name by which the broker finds itself.
        if role == "broker":
            advertised = next(line for line in listeners.splitlines() if line.startswith("listeners="))
            listeners = listeners.replace("://127.0.0.1:", "://:") + f"advertised.{advertised}\n"
        node = super()._add(node_id, role, listeners, ports)
        text = rendered(role, self._server)
        for path, here in self._paths(node).items():
            text = text.replace(path, here)
        with (node.folder / "server.properties").open("a") as file:
            file.write(text + (SOON if role == "broker" else ""))
        return node

    def _paths(self, node: Node) -> Mapping[str, str]:
        return {
            names.SECRETS: str(self._secrets),
            TLS: str(node.folder),
            names.AIVEN_CLASS: tiered.CLASS,
            names.AIVEN_PATH: f"{tiered.plugin()}/*",
            "remote.log.manager.task.interval.ms=30000": "remote.log.manager.task.interval.ms=500",
        }

    def client(self, folder: Path) -> dict[str, str]:
        """What kafka-python's clients are told: a super user's certificate."""
        pair = self.authority.operator("platform-operator")
        files = {"ca": self.authority.pem, "cert": pair.cert, "key": pair.key}
        for name, text in files.items():
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(file, "w") as out:
                out.write(text)
        return {
            "bootstrap_servers": self.bootstrap(),
            "security_protocol": "SSL",
            "ssl_cafile": str(folder / "ca"),
            "ssl_certfile": str(folder / "cert"),
            "ssl_keyfile": str(folder / "key"),
        }

    def segments(self, topic: str) -> list[str]:
        """Names of the segments of a topic's first partition that are on the broker's volume, in order."""
        (broker,) = [node for node in self.nodes.values() if "REPLICATION" in node.ports]
        return sorted(file.stem for file in (broker.folder / "data" / f"{topic}-0").glob("*.log"))
