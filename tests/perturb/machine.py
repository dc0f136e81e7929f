"""Hypothesis on top: a user who does anything in any order, while faults strike and processes come and go.

The invariants of `oracles.py` hold whenever all is at rest; in the end the country is as if the last declarations had
been made in a fresh one.
"""

import asyncio
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agentmemory.core.key import Key
from tests import teams
from tests.buckets.worlds import SECRET
from tests.teams import CLIENT_KEY, FAMILY_KEY, TENANT_KEY, client, family, tenant, topic

from .faults import FAULTS, Fault
from .land import Land
from .normal import differences
from .oracles import broken
from .scenarios import BUCKET, BUCKET_NAME, FRAME, OTHERS, WAY_IN, access, bucket, external, space, walled

Object = dict[str, Any]

AUDIT_KEY = FAMILY_KEY._replace(name="audit")
STRIKING = sorted(FAULTS)
FAMILIES = st.sampled_from(["trail", "audit"])
TOPICS = st.sampled_from(
    [
        [topic()],
        [topic(), topic("audit", eventTypes=["review"])],
        [topic(partitions=6)],
        [topic(compaction="KeepLatest")],
    ]
)
ACCESS = st.sampled_from(
    [
        access(("trail", "Produce,Consume")),
        access(("trail", "Consume"), ("audit", "Replay")),
        access(("audit", "Produce")),
        access(("trail", "Produce"), ("audit", "Produce")),
    ]
)


class Country(RuleBasedStateMachine):
    """One land; each rule is a user's act, then maybe a fault, then all comes to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.land = self.loop.run_until_complete(_settled())
        self.outside = self.land.outside()
        self.fault = Fault()

    def teardown(self) -> None:
        self.loop.run_until_complete(self.land.close())
        self.loop.close()

    # --- what strikes next ---

    @rule(name=st.sampled_from(STRIKING), k=st.integers(1, 8))
    def a_fault(self, name: str, k: int) -> None:
        """The next act is done under this fault."""
        self.fault = FAULTS[name](k)
        note(f"fault {name} at {k}")

    @rule()
    def a_restart(self) -> None:
        """A new process on what is there."""
        self.loop.run_until_complete(self.land.process.restart())
        self._rest()

    @rule()
    def a_resync(self) -> None:
        """A list, and nothing to do."""
        self._rest()

    # --- what users do ---

    @rule(
        name=FAMILIES,
        topics=TOPICS,
        policy=st.sampled_from(["Retain", "Delete"]),
        priority=st.sampled_from(["standard", "critical", "deferrable"]),
    )
    def declare_family(self, name: str, topics: list[Object], policy: str, priority: str) -> None:
        """Create or edit, sometimes into what is refused."""
        self._act(self.land.put(family(name, topics=topics, deletionPolicy=policy, priority=priority)))

    @rule(name=FAMILIES)
    def delete_family(self, name: str) -> None:
        """Gone, if it is there."""
        self._delete(FAMILY_KEY._replace(name=name))

    @rule(spec=ACCESS, kind=st.sampled_from(["ScramSha512", "ScramSha256"]), secret=st.sampled_from([None, "creds"]))
    def declare_client(self, spec: Object, kind: str, secret: str | None) -> None:
        """Create or edit."""
        self._act(self.land.put(client(**spec, authentication={"type": kind}, secretName=secret)))

    @rule()
    def delete_client(self) -> None:
        """Gone, if it is there."""
        self._delete(CLIENT_KEY)

    @rule(spaces=st.sampled_from([[teams.TEAM], [teams.TEAM, OTHERS], [OTHERS]]))
    def declare_tenant(self, spaces: list[str]) -> None:
        """Gains and loses namespaces."""
        segments = {teams.TEAM: "agents", OTHERS: "others"}
        self._act(self.land.put(tenant(namespaces=[{"name": it, "segment": segments[it]} for it in spaces])))

    @rule()
    def delete_tenant(self) -> None:
        """Gone, if it is there."""
        self._delete(TENANT_KEY)

    @rule(least=st.sampled_from([1, 2]), factor=st.sampled_from([3, 5]))
    def declare_cluster(self, least: int, factor: int) -> None:
        """Edited, sometimes into what three brokers cannot keep."""
        self._act(self.land.put(WAY_IN, external(replication={"factor": factor, "minInSync": least})))

    @rule(
        policy=st.sampled_from([None, walled("10.0.0.0/8")["policy"], walled("192.0.2.0/24")["policy"]]),
        deletion=st.sampled_from(["Retain", "Delete"]),
        key=st.sampled_from([None, {"type": "SSE-KMS", "kmsKeyId": "alias/memory"}]),
    )
    def declare_bucket(self, policy: Object | None, deletion: str, key: Object | None) -> None:
        """Create or edit, sometimes into what would lock us out."""
        made = bucket(deletionPolicy=deletion)
        made["spec"] |= {"policy": policy, "encryption": key}
        self._act(self.land.put(SECRET, made))

    @rule()
    def delete_bucket(self) -> None:
        """Gone, if it is there."""
        self._delete(BUCKET)

    @rule(lost=st.booleans())
    def meddle_with_the_bucket(self, lost: bool) -> None:
        """Somebody deletes it at the server, or changes its settings."""
        found = self.land.s3.buckets.get(BUCKET_NAME)
        if found is None:
            return
        if lost:
            del self.land.s3.buckets[BUCKET_NAME]
        else:
            found.encryption, found.policy, found.versioning = None, None, "Enabled"
        self._rest()

    @rule()
    def lose_a_secret(self) -> None:
        """Somebody deletes the client's Secret."""
        self._delete(Key("Secret", teams.TEAM, "bot-kafka"))

    @precondition(lambda self: self.land.kafka.topics)
    @rule(data=st.data())
    def lose_a_topic(self, data: st.DataObject) -> None:
        """Somebody deletes one of ours in Kafka."""
        ours = sorted(
            name for name in self.land.kafka.topics if name.startswith((teams.PREFIX, "support.agents.audit."))
        )
        if ours:
            self.land.kafka.topics.pop(data.draw(st.sampled_from(ours)))
            self._rest()

    # --- what must hold ---

    @initialize()
    def begin(self) -> None:
        """The frame is there."""
        self._rest()

    @invariant()
    def nothing_is_broken(self) -> None:
        """See oracles.py; and nothing outside was touched, and nothing more is written."""
        found = broken(self.land.objects(), self.land.kafka)
        assert found == [], "\n".join(found)
        assert differences(self.outside, self.land.outside()) == []
        self.land.writes.clear()
        self.loop.run_until_complete(self.land.rest())
        assert self.land.writes == [], "at rest something is written"

    def _act(self, act: Any) -> None:
        async def run() -> None:
            self.land.arm(self.fault)
            await act
            await self.land.settle()

        self.loop.run_until_complete(run())
        self.fault = Fault()
        self._rest()

    def _delete(self, key: Key) -> None:
        if self.land.cluster.find(key) is not None:
            self._act(self.land.delete(key))

    def _rest(self) -> None:
        self.land.fault = Fault()
        self.loop.run_until_complete(self.land.settle())
        for _ in range(3):  # what was refused for a reason that is gone is asked again by the list
            self.loop.run_until_complete(self.land.rest())


async def _settled() -> Land:
    land = Land()
    await land.put(space(OTHERS))
    for step in FRAME:
        await step.act(land)
        await land.settle()
    return land
