"""A fault proxy in front of a kube-apiserver, real or fake: counts every call, and breaks those that a test names.

    from tests.faultproxy import FaultProxy, Match, Rule, DropAfter, Refuse, Hold, ...

    async with FaultProxy(fake.url) as proxy:                          # plain http upstream (fakekube, its process)
    async with await FaultProxy.of(kubeconfig_path) as proxy:          # a real apiserver: TLS and client certificate
        proxy.url; proxy.kubeconfig(tmp_path / "kubeconfig")           # plain http on loopback, for an operator

Counts, on the wire (`verb` as in RBAC: get list watch create update patch delete; `subresource` "" is the object):

        proxy.counts.total(verb="patch", kind="TopicFamily", subresource="status", agent="agent-memory-operator-tenant")
        proxy.counts.writes(but=("Lease",)); proxy.counts.table(); proxy.counts.clear()
        proxy.records                                                  # the last calls: call, status, seconds

Faults on calls. A match is `Match(verb=, kind=, namespace=, name=, subresource=, agent=, style=)` (several verbs or
kinds as a set; WRITES and READS are sets; agent is a prefix; style is "apply", "merge", "json" or "strategic" of a
patch), or any function of a Call. A rule acts on `times` calls (None: for ever) after `after` others that match:

        proxy.rules.add(Match(verb="create", kind="Secret"), DropAfter(), after=2)      # the third one's answer is lost
        DropBefore()            the connection is cut, no effect
        DropAfter()             the effect stays, the connection is cut instead of the answer
        Refuse(429, retry_after=2), Refuse(500), Refuse(410, "Expired")                 # no effect; a Status object
        Delay(seconds)          before it is sent on
        rule.on_hit = lambda call: process.kill()                      # called in the moment of the fault

        gate = proxy.hold(Match(verb="delete"))                        # or hold(..., answered=True): after the effect
        await gate.arrived(); ...; gate.release()                      # a write is delivered even if its sender is dead

        old = await proxy.snapshot()                                   # of all kinds; (version="123"): Exact, real only
        proxy.rules.add(Match(verb=READS), Stale(old), times=None)     # get, list and a watch's initial events
        Stale(old, until=gate)                                         # the live events of such a watch wait, too

Faults on watch events; the match is `EventMatch(type=, kind=, namespace=, name=, agent=)` or a function of an Event:

        proxy.events.add(EventMatch("DELETED", kind="Pod"), DropEvent())
        DelayEvent(seconds), DuplicateEvent(times=2), Reorder(after=2, within=1.0), CutStream(), Hang(), Expire()
        for stream in proxy.streams: stream.cut() | stream.hang() | stream.resume()
"""

from .counts import Counts
from .events import (
    CutStream,
    DelayEvent,
    DropEvent,
    DuplicateEvent,
    Event,
    EventMatch,
    Expire,
    Hang,
    Reorder,
)
from .gates import Gate
from .proxy import FaultProxy
from .rules import READS, WRITES, Call, Delay, DropAfter, DropBefore, Hold, Match, Refuse, Rule, Stale

__all__ = [
    "READS",
    "WRITES",
    "Call",
    "Counts",
    "CutStream",
    "Delay",
    "DelayEvent",
    "DropAfter",
    "DropBefore",
    "DropEvent",
    "DuplicateEvent",
    "Event",
    "EventMatch",
    "Expire",
    "FaultProxy",
    "Gate",
    "Hang",
    "Hold",
    "Match",
    "Refuse",
    "Reorder",
    "Rule",
    "Stale",
]
