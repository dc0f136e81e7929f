"""Carries out one step of a roll-out. Who decides is `roller`; this holds the turn and takes the last looks."""

from collections.abc import Mapping

from agentmemory.api.conditions import Phase, progressing
from agentmemory.core.key import Key
from agentmemory.engines.apply import Tools, end_pod
from agentmemory.engines.roller import Member, Replace, Step, Wait, next_step, wants_sync
from agentmemory.engines.roster import members, with_hashes
from agentmemory.engines.sight import Sight, look, out_of_sync
from agentmemory.kafka.admin import KafkaAdmin


async def advance(
    tools: Tools, cluster: Key, hashes: Mapping[int, str], admin: KafkaAdmin | None, sight: Sight, hold: str = ""
) -> Phase | None:
    """Replaces at most one of the nodes in `hashes` (node id to the hash its pod should have); None when all are right.

    `hold` is why no healthy node may be replaced yet. A node's pod is only deleted here: it is made anew by the next
    reconcile, whoever runs it.
    """
    if all(member.current for member in with_hashes(members(tools, cluster), hashes)):
        return None
    async with tools.shared.turns[cluster]:
        step = await _decide(tools, cluster, hashes, admin, sight, hold)
        match step:
            case Replace(member=Member(pod=pod)) if pod is not None:
                await end_pod(tools, cluster.namespace, pod, "its declaration changed")
                return progressing("Rolling", f"replacing {pod.name} so that it takes up what is declared")
            case Wait(reason=reason, message=message):
                return progressing(reason, message)
            case _:
                return None


async def _decide(
    tools: Tools, cluster: Key, hashes: Mapping[int, str], admin: KafkaAdmin | None, sight: Sight, hold: str
) -> Step:
    """The step on the state of this moment: with the turn held, pods and Kafka are looked at once more."""
    everyone = members(tools, cluster)
    own = with_hashes(everyone, hashes)
    lacks = ""
    if admin is not None and wants_sync(own, everyone, sight, hold):
        sight = await look(admin)
        lacks = out_of_sync(await admin.in_sync()) if sight.answers else ""
        everyone = members(tools, cluster)
        own = with_hashes(everyone, hashes)
    return next_step(own, everyone, sight, lacks, hold)
