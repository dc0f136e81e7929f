"""What a node enforces, from pods, namespaces and policies."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.stand import netpol

Object = dict[str, Any]


def namespace(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}}


def pod(name: str, address: str, node: str = "node1", space: str = "team", **labels: str) -> Object:
    ports = [
        {"name": "http", "containerPort": 8000},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        {"name": "dns", "containerPort": 5353, "protocol": "TCP"},
    ]
    return {
        "metadata": {"name": name, "namespace": space, "labels": {"name": name, **labels}},
        "spec": {"nodeName": node, "containers": [{"ports": ports}, {}]},
        "status": {"podIP": address, "phase": "Running"},
    }


def policy(target: str, space: str = "team", **spec: Any) -> Object:
    types = [kind for key, kind in (("ingress", "Ingress"), ("egress", "Egress")) if key in spec]
    selector = {"matchLabels": {"name": target}} if target else {}
    return {"metadata": {"namespace": space}, "spec": {"podSelector": selector, "policyTypes": types, **spec}}


PODS = [pod("a", "10.244.1.2"), pod("b", "10.244.1.3"), pod("c", "10.244.2.2", "node2", "other", role="client")]
SPACES = [namespace("team", tier="agents"), namespace("other", tier="tools")]


def rules(*policies: Object, node: str = "node1", pods: list[Object] | None = None) -> tuple[str, ...]:
    return netpol.chains_by_node(PODS if pods is None else pods, SPACES, policies)[node].rules


def test_without_policies_nothing_is_enforced() -> None:
    assert netpol.chains_by_node(PODS, SPACES, []) == {}


def test_default_deny_drops_everything_of_the_chosen_pod_only() -> None:
    chains = netpol.chains_by_node(PODS, SPACES, [policy("a", ingress=[])])
    assert chains.keys() == {"node1"}
    assert chains["node1"].jumps == ("-A NETPOL -d 10.244.1.2 -j NP-I-10.244.1.2",)
    assert chains["node1"].rules == ("-A NP-I-10.244.1.2 -j DROP",)


def test_egress_is_asked_before_ingress_so_that_both_ends_are() -> None:
    chains = netpol.chains_by_node(PODS, SPACES, [policy("b", ingress=[{}]), policy("a", egress=[{}])])["node1"]
    assert [jump.split()[2] for jump in chains.jumps] == ["-s", "-d"]


def test_an_empty_rule_allows_everyone() -> None:
    assert rules(policy("a", ingress=[{}]))[0] == "-A NP-I-10.244.1.2 -s 0.0.0.0/0 -j RETURN"


def test_the_text_declares_each_chain_before_it_is_used_and_lets_answers_through() -> None:
    lines = netpol.chains_by_node(PODS, SPACES, [policy("", ingress=[])])["node1"].restore().splitlines()
    assert lines[0] == "*mangle"
    assert lines[-1] == "COMMIT"
    declared = {line.split()[0].removeprefix(":") for line in lines if line.startswith(":")}
    assert declared == {"NETPOL", "NP-I-10.244.1.2", "NP-I-10.244.1.3"}
    first = next(line for line in lines if line.startswith("-A"))
    assert first == "-A NETPOL -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"


@pytest.mark.parametrize(
    ("peer", "sources"),
    [
        ({"podSelector": {}}, {"10.244.1.2", "10.244.1.3"}),
        ({"podSelector": {"matchLabels": {"name": "b"}}}, {"10.244.1.3"}),
        ({"namespaceSelector": {}}, {"10.244.1.2", "10.244.1.3", "10.244.2.2"}),
        ({"namespaceSelector": {"matchLabels": {"tier": "tools"}}}, {"10.244.2.2"}),
        (
            {
                "namespaceSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
                "podSelector": {"matchExpressions": [{"key": "role", "operator": "In", "values": ["client"]}]},
            },
            {"10.244.2.2"},
        ),
        ({"podSelector": {"matchLabels": {"name": "nobody"}}}, set()),
    ],
)
def test_peers_are_pods_by_their_own_and_their_namespaces_labels(peer: Object, sources: set[str]) -> None:
    allowed = [rule for rule in rules(policy("a", ingress=[{"from": [peer]}])) if rule.endswith("RETURN")]
    assert {rule.split()[3] for rule in allowed} == sources


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [
        ("In", ["x", "y"], {"x"}),
        ("NotIn", ["x"], {"z", ""}),
        ("Exists", None, {"x", "z"}),
        ("DoesNotExist", None, {""}),
    ],
)
def test_match_expressions(operator: str, values: list[str] | None, selected: set[str]) -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}
    for value in ("x", "z", ""):
        assert netpol.matches(selector, {"app": value} if value else {}) is (value in selected)


def test_an_unknown_operator_is_an_error_not_a_match() -> None:
    with pytest.raises(ValueError, match="Near"):
        netpol.matches({"matchExpressions": [{"key": "app", "operator": "Near"}]}, {})


def test_a_block_leaves_its_exceptions_out() -> None:
    block = {"cidr": "10.0.0.0/30", "except": ["10.0.0.1/32"]}
    peers = [rule.split()[3] for rule in rules(policy("a", egress=[{"to": [{"ipBlock": block}]}]))[:-1]]
    assert sorted(peers) == ["10.0.0.0/32", "10.0.0.2/31"]


def test_an_exception_wider_than_its_block_leaves_nothing_and_ipv6_is_left_out() -> None:
    assert netpol.block_networks({"cidr": "10.0.0.0/30", "except": ["10.0.0.0/8"]}) == []
    assert netpol.block_networks({"cidr": "2001:db8::/32"}) == []


@given(
    st.integers(0, 2**16 - 1),
    st.integers(16, 32),
    st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(16, 32)), max_size=4),
)
def test_an_address_is_in_the_networks_when_in_the_block_and_in_no_exception(
    address: int, length: int, holes: list[tuple[int, int]]
) -> None:
    base = int(ipaddress.IPv4Address("10.1.0.0"))
    block = ipaddress.IPv4Network((base, length))
    excepted = [ipaddress.IPv4Network((base + start, size), strict=False) for start, size in holes]
    networks = netpol.block_networks({"cidr": str(block), "except": [str(hole) for hole in excepted]})
    tested = ipaddress.IPv4Address(base + address)
    expected = tested in block and not any(tested in hole for hole in excepted)
    assert any(tested in ipaddress.IPv4Network(network) for network in networks) is expected


def test_ports_ranges_and_protocols() -> None:
    ports = [{"port": 80}, {"port": 32000, "endPort": 32768}, {"port": 53, "protocol": "UDP"}, {"protocol": "SCTP"}]
    found = [rule.split("0.0.0.0/0 ")[1] for rule in rules(policy("a", ingress=[{"ports": ports}]))[:-1]]
    assert found == [
        "-p tcp --dport 80 -j RETURN",
        "-p tcp --dport 32000:32768 -j RETURN",
        "-p udp --dport 53 -j RETURN",
        "-p sctp -j RETURN",
    ]


def test_a_named_port_is_looked_up_in_the_pod_that_is_reached_with_its_protocol() -> None:
    ingress = rules(policy("a", ingress=[{"ports": [{"port": "http"}, {"port": "dns"}]}]))
    assert [rule.split("--dport ")[1].split()[0] for rule in ingress[:-1]] == ["8000", "5353"]
    chosen = {"podSelector": {"matchLabels": {"name": "b"}}}
    egress = rules(policy("a", egress=[{"to": [chosen], "ports": [{"port": "dns", "protocol": "UDP"}]}]))
    assert egress[0] == "-A NP-E-10.244.1.2 -d 10.244.1.3 -p udp --dport 53 -j RETURN"


def test_a_named_port_to_anyone_reaches_every_pod_that_has_it_and_nobody_else() -> None:
    egress = rules(policy("a", egress=[{"ports": [{"port": "http"}]}]))[:-1]
    assert {rule.split()[3] for rule in egress} == {"10.244.1.2", "10.244.1.3", "10.244.2.2"}


def test_a_named_port_that_no_pod_has_allows_nothing() -> None:
    assert rules(policy("a", ingress=[{"ports": [{"port": "absent"}]}])) == ("-A NP-I-10.244.1.2 -j DROP",)


def test_policies_add_up_and_a_rule_is_written_once() -> None:
    one = policy("a", ingress=[{"ports": [{"port": 80}]}])
    found = rules(one, one, policy("a", ingress=[{"ports": [{"port": 81}]}]))
    assert [rule.split("--dport ")[1].split()[0] for rule in found[:-1]] == ["80", "81"]


def test_a_policy_acts_in_its_own_namespace_only() -> None:
    assert netpol.chains_by_node(PODS, SPACES, [policy("a", space="other", ingress=[])]) == {}


@pytest.mark.parametrize("change", [{"phase": "Succeeded"}, {"podIP": ""}])
def test_a_pod_without_an_address_or_that_has_ended_is_not_enforced(change: Object) -> None:
    ended = pod("a", "10.244.1.2")
    ended["status"] |= change
    assert netpol.chains_by_node([ended], SPACES, [policy("a", ingress=[])]) == {}


def test_a_pod_on_the_hosts_network_is_left_alone() -> None:
    host = pod("a", "10.95.0.11")
    host["spec"]["hostNetwork"] = True
    assert netpol.chains_by_node([host], SPACES, [policy("a", ingress=[])]) == {}
