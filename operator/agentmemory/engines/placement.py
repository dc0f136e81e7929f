"""What became of the machines under pods that look lost. Nodes are not watched: they are read on suspicion only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from agentmemory.core.errors import Denied
from agentmemory.core.key import Key
from agentmemory.engines.apply import Tools, end_pod
from agentmemory.engines.pods import PodState, PodView, Trouble
from agentmemory.engines.sight import Sight

Machine = Literal["alive", "silent", "gone"]


@dataclass(frozen=True)
class Lost:
    """A pod whose machine does not answer any more."""

    pod: PodView
    machine: str

    def trouble(self) -> Trouble:
        """A volume must never have two writers, so only a person can say that the machine is down."""
        return Trouble(
            "NodeLost",
            f"pod {self.pod.name} is on node {self.machine}, which does not answer; it is not replaced while it may "
            f"still run there. When the machine is down for certain, taint it with `kubectl taint node {self.machine} "
            "node.kubernetes.io/out-of-service=down:NoExecute` or delete the Node",
        )


def suspicious(pod: PodView, sight: Sight) -> bool:
    """Whether the pod's machine should be looked at: it does not end, was ready once, or Kafka misses the broker."""
    if pod.node_name is None:
        return False
    if pod.state is PodState.READY:
        return sight.answers and pod.node_id not in sight.registered | sight.voters
    return pod.state is PodState.ENDING or pod.proven


async def look_after(tools: Tools, namespace: str, pods: Iterable[PodView], sight: Sight) -> list[Lost]:
    """Those on silent machines. A pod on a machine that exists no more is deleted for good: nobody else would soon."""
    lost: list[Lost] = []
    for pod in pods:
        if pod.node_name is None or not suspicious(pod, sight):
            continue
        machine = await machine_of(tools, pod.node_name)
        if machine == "gone":
            await end_pod(tools, namespace, pod, "its node exists no more", grace=0)
        elif machine == "silent":
            lost.append(Lost(pod, pod.node_name))
    return lost


async def machine_of(tools: Tools, name: str) -> Machine:
    """What became of a machine. One GET."""
    try:
        node = await tools.kube.get(Key("Node", "", name))
    except Denied:
        return "alive"  # the right to read nodes was not given: nothing is known, so nothing is done
    if node is None:
        return "gone"
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)
    return "alive" if ready else "silent"
