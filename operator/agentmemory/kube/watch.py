"""What is watched, by role, and the protocol of the thing that watches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agentmemory.api.labels import MANAGED_BY, MANAGER
from agentmemory.core.errors import OperatorError

CHILDREN_SELECTOR = f"{MANAGED_BY}={MANAGER}"

# The kinds of each role, and the children that it makes. Nobody watches Secrets.
OWN = {
    "platform": ("MemoryCluster", "BrokerPool", "MemoryBucket", "MemoryTenant"),
    "tenant": ("MemoryCluster", "MemoryTenant", "TopicFamily", "MemoryClient"),
}
CHILDREN = {
    "platform": ("Pod", "Service", "PersistentVolumeClaim", "ConfigMap", "PodDisruptionBudget", "RoleBinding"),
    "tenant": (),
}
# Role bindings are made where the tenants are, so a list of cluster namespaces does not bound them.
UNBOUNDED = frozenset({"RoleBinding"})


@dataclass(frozen=True)
class Target:
    """One stream: a kind, in one namespace or in all (None), with a label selector or without."""

    kind: str
    namespace: str | None = None
    selector: str | None = None


# (kind, type, object); type None: it was there when the watch started. Must be quick: it runs in the stream's way.
OnEvent = Callable[[str, str | None, dict[str, Any]], None]


OnStart = Callable[[Target, str | None], None]


class WatchEnded(OperatorError):  # noqa: N818
    """The watch cannot go on (or went on without telling); the process must end and start anew."""


class Watch(Protocol):
    """Delivers every change of the targets until it is cancelled; raises WatchEnded when it cannot."""

    async def run(self, targets: Sequence[Target], on_event: OnEvent, on_start: OnStart) -> None:
        """Call `on_event` for what exists and for every change.

        `on_start` is called whenever a stream is set up from scratch: from then on no change is missed, but one that
        came before may have been, so it is time for a list. Unless it is called with a version: then all that existed
        at that version has been delivered, and nothing else before.
        """
        ...


def targets(role: str, namespaces: Sequence[str] = ()) -> list[Target]:
    """The streams of a role (`platform`, `tenant` or `all`); `namespaces` bounds where children are watched."""
    roles = ("platform", "tenant") if role == "all" else (role,)
    own = dict.fromkeys(kind for name in roles for kind in OWN[name])
    made = [Target(kind) for kind in own]
    for name in roles:
        for kind in CHILDREN[name]:
            where: Sequence[str | None] = (None,) if kind in UNBOUNDED or not namespaces else namespaces
            made += [Target(kind, namespace, CHILDREN_SELECTOR) for namespace in where]
    return made
