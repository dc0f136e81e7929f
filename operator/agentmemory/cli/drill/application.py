"""The application that a drill writes and reads as: a MemoryClient, its Secret, and a topic of a family of its own."""

from dataclasses import dataclass

from agentmemory.api.base import parse
from agentmemory.api.memoryclient import Access, MemoryClient
from agentmemory.api.memorycluster import MemoryCluster
from agentmemory.api.topicfamily import TopicFamily
from agentmemory.cli.drill.kafkaside import Way, credentials_in
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key
from agentmemory.kafka.credentials import Credentials
from agentmemory.kube.client import KubeClient


@dataclass(frozen=True)
class Application:
    """Who writes, where."""

    name: str
    credentials: Credentials
    topic: str
    event_type: str

    def way(self) -> Way:
        """How Kafka can be asked as this application."""
        return Way(f"MemoryClient {self.name}", self.credentials, whole=False)


async def find(kube: KubeClient, cluster: MemoryCluster, named: str, default_namespace: str) -> Application:
    """The MemoryClient `[namespace/]name`. Raises Invalid when it may not both write and read, or is elsewhere's."""
    where, _, name = named.rpartition("/")
    key = Key("MemoryClient", where or default_namespace, name)
    obj = await kube.get(key)
    if obj is None:
        raise Invalid("NotFound", f"there is no {key}; correct --probe-client ([namespace/]name)")
    client = parse(MemoryClient, obj)
    usable = [access for access in client.spec.access if _both(access)]
    if not usable:
        words = "may not both write (Produce) and read (Consume or Replay) one family; name another client"
        raise Invalid("ProbeUnfit", f"{key} {words}, or make one for drills")
    topic, event_type = await _topic(kube, key.namespace, usable[0].family)
    secret_key = Key("Secret", key.namespace, client.status.secret_name or client.secret_name)
    secret = await kube.get(secret_key)
    if secret is None:
        raise Invalid("ProbeUnfit", f"{secret_key} of {key} is not there; see the client's conditions")
    credentials = credentials_in(secret, cluster)
    if credentials.bootstrap != cluster.status.bootstrap_servers:
        raise Invalid("ProbeUnfit", f"{key} belongs to another cluster ({credentials.bootstrap}); name one of this")
    return Application(f"{key.namespace}/{key.name}", credentials, topic, event_type)


def _both(access: Access) -> bool:
    return "Produce" in access.operations and bool({"Consume", "Replay"} & set(access.operations))


async def _topic(kube: KubeClient, namespace: str, family: str) -> tuple[str, str]:
    """The family's first topic, and an event type that belongs in it."""
    key = Key("TopicFamily", namespace, family)
    obj = await kube.get(key)
    if obj is None:
        raise Invalid("ProbeUnfit", f"there is no {key}, which the client is to write to")
    found = parse(TopicFamily, obj)
    if not found.status.topics or not found.status.topics[0].topic_name:
        raise Invalid("ProbeUnfit", f"{key} has no topic yet; see its conditions")
    declared = {topic.name: topic for topic in found.spec.topics}
    for topic in found.status.topics:
        spec = declared.get(topic.name)
        if spec is not None and spec.compaction == "None":
            return topic.topic_name, next(iter(spec.event_types), "agentmemory.drill")
    raise Invalid("ProbeUnfit", f"all topics of {key} are compacted, where a drill's records would stay; name another")
