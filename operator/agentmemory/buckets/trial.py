"""Whether the server looks at conditions, and whether a statement would shut us out: tried on keys without objects.

Some servers take a statement and drop its condition: a `Deny` then bites everybody, and the bucket is lost to all.
So the statement's condition is first tried on a key of our own, beside one condition that must bite and one that must
not. What stood in the policy stays meanwhile; the next repair takes the trial's statements off again.
"""

from agentmemory.buckets import access
from agentmemory.buckets.drift import AWS_EVALUATES, SEEN, Conditions, to_try
from agentmemory.buckets.world import World
from agentmemory.core.errors import Transient
from agentmemory.objectstore.errors import Unsupported
from agentmemory.objectstore.model import BucketView, Missing, Presence
from agentmemory.objectstore.store import ObjectStore

PROPAGATION = 3.0
"""Seconds until AWS is asked again whether it has taken up a policy."""


async def run(store: ObjectStore, world: World, view: BucketView) -> Conditions:
    """Put the trial's statements beside what is there and look at their keys. Transient while AWS takes them up."""
    found = None if isinstance(view.policy, Missing) else view.policy
    kept = [one for one in access.ours(found) if not one["Sid"].startswith(access.TRIAL)]
    statements = access.trial(world.bucket, to_try(world), over_tls=world.over_tls)
    wanted = access.document(found, [*kept, *statements])
    assert wanted is not None
    if not access.same(found, wanted):
        try:
            await store.put_policy(view.name, wanted)
        except Unsupported as error:
            return Conditions("Missing", error.message)
    seen = {name: await store.look(view.name, access.probe_key(name)) for name in ("bites", "passes", "spares")}
    if world.is_aws and seen["bites"] != "Denied":
        raise Transient(
            "PolicyOnTrial", "the policy's conditions are tried out; AWS has not taken them up yet", PROPAGATION
        )
    return conclude(world, seen["bites"], seen["passes"], seen["spares"])


def conclude(world: World, bites: Presence, passes: Presence, spares: Presence) -> Conditions:
    """What the three answers say."""
    if passes == "Denied":
        return Conditions("Missing", "a statement bites although its condition does not hold")
    if bites != "Denied":
        return Conditions("Unknown", "policies do not bind the operator's own identity, so nothing can be tried")
    return Conditions("Supported", AWS_EVALUATES if world.is_aws else SEEN, locks_out=spares == "Denied")
