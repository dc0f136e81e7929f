"""Lets brokers leave: marks them, looks where each stands, takes its next step. Who decides is `leaving` and `drain`.

Every step can be taken again, and none is remembered: a process that dies between any two writes leaves what the next
one reads on.
"""

from dataclasses import replace

import structlog

from agentmemory.api.conditions import Phase, phase_of_error, timestamp
from agentmemory.brokers import drain
from agentmemory.brokers.drain import Exclude, Forget, Leaver, Move, Readmit, Step, Stop, Unregister
from agentmemory.brokers.leaving import Decision
from agentmemory.brokers.world import World
from agentmemory.context import Context
from agentmemory.core.errors import OperatorError
from agentmemory.core.key import Key
from agentmemory.engines.apply import Tools, end_pod
from agentmemory.engines.kafka import certificates
from agentmemory.engines.lifecycle import confirm_unchanged
from agentmemory.engines.placement import machine_of, suspicious
from agentmemory.engines.roller import healthy
from agentmemory.engines.roster import RETIRING, members
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kube.errors import NotLeading, Stale
from agentmemory.kube.owned import is_owned

log = structlog.get_logger(__name__)


class Retirer:
    """The brokers of one pool that leave, in one reconcile."""

    def __init__(self, ctx: Context, tools: Tools, world: World, admin: KafkaAdmin | None) -> None:
        self._ctx = ctx
        self._tools = tools
        self._world = world
        self._admin = admin

    async def silent(self) -> frozenset[int]:
        """The pool's brokers on machines that do not answer or are no more."""
        found: set[int] = set()
        for node_id in sorted(self._world.ids):
            pod = self._world.pods.get(node_id)
            if pod is None or pod.node_name is None or not suspicious(pod, self._world.sight):
                continue
            if await machine_of(self._tools, pod.node_name) != "alive":
                found.add(node_id)
        return frozenset(found)

    async def mark(self, decision: Decision) -> bool:
        """Writes down who leaves and who stays after all; whether anything changed."""
        for node_id in decision.stay:
            if self._admin is not None and await _is_excluded(self._admin, node_id) is not False:
                self._may_write()
                await self._admin.readmit_broker(node_id)
            log.info("broker stays", pod=self._world.node(node_id).name)
            await self._annotate(node_id, None)
        changed = bool(decision.stay)
        if decision.leave:
            await self._still_wanted()
        for node_id, why in decision.leave:
            log.info("broker leaves", pod=self._world.node(node_id).name, why=why)
            changed |= await self._annotate(node_id, timestamp(self._world.now))
        return changed

    async def _annotate(self, node_id: int, value: str | None) -> bool:
        """False while there is no Service of ours to write on: it is made first."""
        live = self._tools.store.get(self._key("Service", node_id))
        if live is None or not is_owned(live, self._world.owner.uid):
            return False
        metadata = live["metadata"]
        written = await self._tools.kube.merge_patch(
            self._key("Service", node_id),
            {"metadata": {"annotations": {RETIRING: value}}},
            resource_version=metadata["resourceVersion"],
            uid=metadata["uid"],
        )
        if written is None:
            raise Stale("Gone", f"Service {metadata['name']} is gone")
        self._tools.store.put(written)
        return True

    async def advance(self, hold: str) -> dict[int, Phase]:
        """Takes at most one step for each broker that leaves; where each stands. `hold`: why none that serves may."""
        phases: dict[int, Phase] = {}
        async with self._tools.shared.turns[self._world.cluster_key]:
            for node_id in sorted(self._world.leaving):
                phases[node_id] = await self._advance(node_id, hold)
        return phases

    async def _advance(self, node_id: int, hold: str) -> Phase:
        try:
            leaver = await self._look(node_id, hold)
            step = drain.next_step(leaver)
            return await self._take(leaver, step) or drain.words(leaver, step)
        except (Stale, NotLeading):
            raise
        except OperatorError as error:
            return phase_of_error(error)

    async def _look(self, node_id: int, hold: str) -> Leaver:
        world = self._world
        leaver = self._seen(node_id, hold)
        admin = self._admin
        if admin is None or leaver.error is not None:
            return leaver
        leaver = replace(leaver, excluded=await _is_excluded(admin, node_id))
        if not drain.wants_placements(leaver):
            return leaver
        moving = frozenset(await admin.list_reassignments())
        log.debug("look at partitions", pod=world.node(node_id).name)
        return replace(leaver, placements=await admin.placements(), moving=moving)

    def _seen(self, node_id: int, hold: str) -> Leaver:
        """What is known without another call."""
        world = self._world
        nodes = world.nodes or {}
        asked = world.sight.error or world.nodes_error
        return Leaver(
            node_id=node_id,
            name=world.node(node_id).name,
            since=world.leaving[node_id],
            now=world.now,
            pod=world.pods.get(node_id),
            lost=node_id in world.silent,
            registered=node_id in world.sight.registered,
            node=nodes.get(node_id),
            error=asked,
            targets=world.sight.registered - world.retiring.keys(),
            before=self._before(node_id),
            hold=hold or self._ill(),
        )

    def _before(self, node_id: int) -> str:
        """One after the other over the whole cluster: those that have stopped, then in the order of the decisions."""
        world = self._world

        def order(one: int) -> tuple[bool, object, int]:
            return one in world.sight.registered, world.retiring[one], one

        nodes = (world.nodes or {}).values()
        known = world.sight.registered | {node.id for node in nodes if node.open_streams or node.state != "UNKNOWN"}
        first = [one for one in world.retiring if one in known and order(one) < order(node_id)]
        return min((world.node(one).name for one in first), default="")

    def _ill(self) -> str:
        everyone = members(self._tools, self._world.cluster_key)
        others = [member for member in everyone if member.node_id not in self._world.retiring]
        ill = [str(member.node_id) for member in others if not healthy(member, self._world.sight)]
        return f"waiting for node {', '.join(ill)} to be ready and known to Kafka" if ill else ""

    async def _take(self, leaver: Leaver, step: Step) -> Phase | None:
        """Does it; a finding when a part of it was refused."""
        admin = self._admin
        if isinstance(step, Stop):
            await self._still_wanted()
            await end_pod(self._tools, self._world.key.namespace, step.pod, step.why)
        elif isinstance(step, Forget):
            if leaver.excluded is None and admin is not None:
                self._may_write()
                await admin.readmit_broker(leaver.node_id)
            await self._forget(leaver.node_id)
        elif isinstance(step, Exclude | Move | Unregister | Readmit) and admin is not None:
            self._may_write()
            return await self._tell_kafka(admin, leaver, step)
        return None

    async def _tell_kafka(
        self, admin: KafkaAdmin, leaver: Leaver, step: Exclude | Move | Unregister | Readmit
    ) -> Phase | None:
        log.info("drain", pod=leaver.name, step=type(step).__name__)
        match step:
            case Exclude():
                await admin.exclude_broker(leaver.node_id)
            case Move(targets=targets):
                if leaver.excluded is None:
                    await admin.exclude_broker(leaver.node_id)
                refused = [error for error in (await admin.reassign(targets)).values() if error is not None]
                return phase_of_error(refused[0]) if refused else None
            case Unregister():
                await admin.unregister_broker(leaver.node_id)
            case Readmit():
                await admin.readmit_broker(leaver.node_id)
        return None

    async def _forget(self, node_id: int) -> None:
        """The Service goes last: it bears the mark."""
        if node_id in self._world.volumes:
            await self._delete("PersistentVolumeClaim", node_id)
        await self._delete("ConfigMap", node_id)
        secret = certificates.tls_key(self._world.node(node_id))
        found = await self._tools.kube.get(secret)
        if found is not None and is_owned(found, self._world.owner.uid):
            await self._tools.kube.delete(secret, uid=found["metadata"]["uid"])
            self._tools.shared.secrets.forget(secret)
        await self._delete("Service", node_id)

    async def _delete(self, kind: str, node_id: int) -> None:
        key = self._key(kind, node_id)
        live = self._tools.store.get(key)
        if live is None or not (kind == "PersistentVolumeClaim" or is_owned(live, self._world.owner.uid)):
            return
        log.info("delete", object=str(key))
        uid = live["metadata"]["uid"]
        await self._tools.kube.delete(key, uid=uid)
        if kind != "PersistentVolumeClaim":  # which stays for a while
            # The mark goes with the Service: what is still known of the broker without it would call it back.
            self._tools.store.drop(key, uid)

    def _key(self, kind: str, node_id: int) -> Key:
        return Key(kind, self._world.key.namespace, self._world.node(node_id).name)

    async def _still_wanted(self) -> None:
        """Raises Stale when the pool is another than the one that was judged."""
        pool = self._tools.store.get(self._world.key)
        if pool is None or pool["metadata"].get("generation") != self._world.pool.metadata.generation:
            raise Stale("Changed", f"{self._world.key} changed since it was looked at")
        await confirm_unchanged(self._tools.kube, pool)

    def _may_write(self) -> None:
        if not self._ctx.leading():
            raise NotLeading("NotLeading", "another process leads: Kafka is left alone")


async def _is_excluded(admin: KafkaAdmin, node_id: int) -> bool | None:
    """None when Kafka does not show it."""
    found = await admin.excluded_brokers()
    return None if found is None else node_id in found
