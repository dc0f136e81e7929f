"""NetworkPolicies as iptables chains: a pure function from pods, namespaces and policies to what a node enforces.

The chains live in the mangle table, which kube-proxy leaves alone. Known limits: an established connection survives a
new policy; a new pod is open until its address is in its status; IPv4 only.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Object = dict[str, Any]
CHAIN = "NETPOL"
ANYWHERE = "0.0.0.0/0"


class Way(NamedTuple):
    """A direction: its name in `policyTypes`, its rules, their peers, and iptables' flags for us and for them."""

    kind: str
    rules: str
    peers: str
    mine: str
    theirs: str


EGRESS = Way("Egress", "egress", "to", "-s", "-d")
INGRESS = Way("Ingress", "ingress", "from", "-d", "-s")


@dataclass(frozen=True)
class Chains:
    """What one node enforces. Egress jumps come first, so that both ends' policies are asked."""

    jumps: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def restore(self) -> str:
        """The text that iptables-restore --noflush reads."""
        declared = [f":{chain} - [0:0]" for chain in (CHAIN, *self.chains)]
        established = f"-A {CHAIN} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"
        return "\n".join(["*mangle", *declared, established, *self.jumps, *self.rules, "COMMIT", ""])


def matches(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a label selector selects; an empty one selects everything."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(expression, labels) for expression in selector.get("matchExpressions") or [])


def _expression(expression: Object, labels: dict[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"a label selector has the unknown operator {operator!r}")


def labels_of(item: Object) -> dict[str, str]:
    return dict(item["metadata"].get("labels") or {})


def block_networks(block: Object) -> list[str]:
    """An ipBlock as networks that leave out its exceptions; nothing for IPv6."""
    whole = ipaddress.ip_network(block["cidr"], strict=False)
    if not isinstance(whole, ipaddress.IPv4Network):
        return []
    parts = [whole]
    for text in block.get("except") or []:
        hole = ipaddress.IPv4Network(text, strict=False)
        parts = [rest for part in parts for rest in _without(part, hole)]
    return [str(part) for part in parts]


def _without(part: ipaddress.IPv4Network, hole: ipaddress.IPv4Network) -> Iterable[ipaddress.IPv4Network]:
    if part.subnet_of(hole):
        return []
    return part.address_exclude(hole) if hole.subnet_of(part) else [part]


def peer_pods(peer: Object, namespace: str, pods: Sequence[Object], namespaces: Sequence[Object]) -> list[Object]:
    """The pods that a peer's selectors stand for; without a namespaceSelector those of the policy's own namespace."""
    inside = {namespace}
    if "namespaceSelector" in peer:
        inside = {n["metadata"]["name"] for n in namespaces if matches(peer["namespaceSelector"], labels_of(n))}
    return [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] in inside and matches(peer.get("podSelector"), labels_of(pod))
    ]


def port_flags(port: Object, target: Object | None) -> list[str]:
    """iptables' flags for one port of a rule; a named one is looked up in the pod that is reached."""
    protocol, number = port.get("protocol", "TCP"), port.get("port")
    if isinstance(number, str):
        return [
            f"-p {protocol.lower()} --dport {found['containerPort']}"
            for container in (target or {"spec": {}})["spec"].get("containers", [])
            for found in container.get("ports") or []
            if found.get("name") == number and found.get("protocol", "TCP") == protocol
        ]
    last = f":{port['endPort']}" if "endPort" in port else ""
    return [f"-p {protocol.lower()}" + (f" --dport {number}{last}" if number else "")]


def chains_by_node(
    pods: Sequence[Object], namespaces: Sequence[Object], policies: Sequence[Object]
) -> dict[str, Chains]:
    """What each node that has an isolated pod must enforce."""
    living = [pod for pod in pods if _has_address(pod)]
    found: dict[str, list[tuple[str, str, list[str]]]] = {}
    for way in (EGRESS, INGRESS):
        for pod in living:
            isolating = [policy for policy in policies if _isolates(policy, pod, way)]
            if isolating:
                address = pod["status"]["podIP"]
                chain = f"NP-{way.kind[0]}-{address}"
                rules = _rules(chain, pod, isolating, way, living, namespaces)
                jump = f"-A {CHAIN} {way.mine} {address} -j {chain}"
                found.setdefault(pod["spec"]["nodeName"], []).append((jump, chain, rules))
    return {
        node: Chains(
            tuple(jump for jump, _, _ in parts),
            tuple(chain for _, chain, _ in parts),
            tuple(rule for _, _, rules in parts for rule in rules),
        )
        for node, parts in found.items()
    }


def _has_address(pod: Object) -> bool:
    status = pod.get("status") or {}
    return (
        bool(status.get("podIP")) and not pod["spec"].get("hostNetwork") and status["phase"] in ("Pending", "Running")
    )


def _isolates(policy: Object, pod: Object, way: Way) -> bool:
    same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    spec = policy["spec"]
    return same and way.kind in spec["policyTypes"] and matches(spec.get("podSelector"), labels_of(pod))


def _rules(
    chain: str, pod: Object, isolating: Sequence[Object], way: Way, pods: Sequence[Object], namespaces: Sequence[Object]
) -> list[str]:
    """Every allowed peer and port returns; the rest is dropped."""
    allowed: dict[str, None] = {}
    for policy in isolating:
        for rule in policy["spec"].get(way.rules) or []:
            for network, peer in _peers(rule, policy["metadata"]["namespace"], way, pods, namespaces):
                for flags in _ports(rule, pod if way is INGRESS else peer):
                    allowed[f"-A {chain} {way.theirs} {network} {flags}".rstrip() + " -j RETURN"] = None
    return [*allowed, f"-A {chain} -j DROP"]


def _peers(
    rule: Object, namespace: str, way: Way, pods: Sequence[Object], namespaces: Sequence[Object]
) -> list[tuple[str, Object | None]]:
    """The networks that a rule speaks of, each with the pod that it is, if it is one."""
    peers = rule.get(way.peers)
    if not peers:
        named = way is EGRESS and any(isinstance(port.get("port"), str) for port in rule.get("ports") or [])
        everyone = [(pod["status"]["podIP"], pod) for pod in pods] if named else []
        return [*everyone, (ANYWHERE, None)]
    found: list[tuple[str, Object | None]] = []
    for peer in peers:
        if "ipBlock" in peer:
            found += [(network, None) for network in block_networks(peer["ipBlock"])]
        else:
            found += [(pod["status"]["podIP"], pod) for pod in peer_pods(peer, namespace, pods, namespaces)]
    return found


def _ports(rule: Object, target: Object | None) -> list[str]:
    if not rule.get("ports"):
        return [""]
    return [flags for port in rule["ports"] for flags in port_flags(port, target)]
