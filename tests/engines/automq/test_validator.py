"""AutoMQ's rules, one by one, on the rendered configuration: as it is it keeps all, and each change breaks its own."""

import pytest

from agentmemory.core.errors import Bug
from agentmemory.engines.automq.properties import server_properties
from agentmemory.engines.automq.validator import RULES, faults, parse, verify
from agentmemory.engines.base import NodePlan
from tests.engines.builders import automq_broker, automq_controller, automq_model

PLANS = {"controller": automq_controller(), "broker": automq_broker()}
TEXT = {role: server_properties(plan) for role, plan in PLANS.items()}
DATA = "s3.data.buckets=0@s3://agents-data?region=eu-central-1&endpoint=http://s3.storage.svc:7070&pathStyle=true"
WAL = "s3.wal.path=" + DATA.partition("=")[2] + "&batchInterval=100"
OPS = "s3.ops.buckets=1@s3://agents-ops?region=eu-central-1&endpoint=http://s3.storage.svc:7070&pathStyle=true"
VOTERS = "controller.quorum.voters=0@mem-0.data.svc:9093,1@mem-1.data.svc:9093,2@mem-2.data.svc:9093"

BROKEN = [
    # (role, line, what stands in its place, what is said)
    ("broker", "elasticstream.enable=true", "", "elasticstream.enable is not true"),
    ("controller", "elasticstream.enable=true", "elasticstream.enable=false", "elasticstream.enable is not true"),
    ("broker", "node.id=1000", "node.id=1000\ns3.mock.enable=true", "s3.mock.enable"),
    ("broker", "process.roles=broker", "", "process.roles= is neither"),
    ("broker", "process.roles=broker", "process.roles=broker,controller", "is neither controller nor broker"),
    ("broker", "node.id=1000", "node.id=999", "node.id=999 is not a broker's"),
    ("controller", "node.id=0", "node.id=1000", "node.id=1000 is not a controller's"),
    ("controller", "node.id=0", "node.id=first", "node.id=first is no number"),
    ("broker", "cluster.id=MkU3OEVBNTcwNTJENDM2Qg", "", "cluster.id is missing"),
    ("broker", VOTERS, "", "controller.quorum.voters is not a list"),
    ("broker", VOTERS, f"{VOTERS},2@mem-3.data.svc:9093", "controller.quorum.voters is not a list"),
    ("broker", VOTERS, f"{VOTERS},1000@mem-1000.data.svc:9093", "controller.quorum.voters is not a list"),
    ("controller", "node.id=0", "node.id=3", "disagree on whether this node votes"),
    ("broker", VOTERS, f"{VOTERS}\ncontroller.quorum.bootstrap.servers=h:1", "belongs to a dynamic quorum"),
    ("broker", DATA, "", "s3.data.buckets is missing"),
    ("broker", OPS, "", "s3.ops.buckets is missing"),
    ("broker", WAL, "", "s3.wal.path is missing"),
    ("broker", WAL, "s3.wal.path=/dev/wal", "s3.wal.path: not of the form"),
    ("broker", WAL, "s3.wal.path=0@file:///dev/wal?capacity=1", "s3.wal.path: not of the form"),
    ("broker", WAL, "s3.wal.path=0@block://wal?region=r", "block:// is no scheme of the open source edition"),
    ("broker", DATA, "s3.data.buckets=0@mem://agents-data?region=r", "mem:// is no scheme"),
    ("broker", DATA, "s3.data.buckets=0@s3://agents_data?region=r", "no bucket's name"),
    ("broker", DATA, "s3.data.buckets=0@s3://agents-data?pathStyle=true", "region is missing"),
    ("broker", DATA, "s3.data.buckets=0@s3://agents-data", "region is missing"),
    ("broker", DATA, f"{DATA}&accessKey=AKIA", "accessKey must not stand in a URI"),
    ("broker", DATA, f"{DATA}&secretKey=s", "secretKey must not stand in a URI"),
    ("broker", OPS, f"{OPS}&authType=static", "parameter authType is not known here"),
    ("broker", OPS, f"{OPS}&batchInterval=100", "parameter batchInterval is not known here"),
    ("broker", OPS, f"{OPS}&pathStyle=false", "a parameter stands twice"),
    ("broker", WAL, WAL.replace("=100", "=0"), "parameter batchInterval has no value"),
    ("broker", WAL, WAL.replace("true", "yes"), "parameter pathStyle has no value"),
    ("broker", WAL, WAL.replace("http://", "ftp://"), "parameter endpoint has no value"),
    ("broker", OPS, OPS.replace("agents-ops", "agents-data"), "are one bucket"),
    ("broker", WAL, WAL.replace("agents-data", "agents-wal"), "s3.wal.path is not in the data bucket"),
    ("broker", DATA, f"{DATA}\ns3.endpoint=http://old", "s3.endpoint is an old setting"),
    ("broker", DATA, f"{DATA}\nautomq.zonerouter.channels=0@file://x", "automq.zonerouter.channels: file://"),
    ("broker", "s3.block.cache.size=67108864", "", "only one is set"),
    ("broker", "s3.wal.cache.size=100663296", "", "only one is set"),
    ("broker", "s3.stream.allocator.policy=POOLED_HEAP", "s3.stream.allocator.policy=HEAP", "is none of"),
    ("broker", "s3.wal.upload.threshold=33554432", "s3.wal.upload.threshold=33554433", "above a third"),
    ("broker", "default.replication.factor=1", "default.replication.factor=3", "keeps one copy"),
    ("broker", "min.insync.replicas=1", "min.insync.replicas=2", "min.insync.replicas is 2"),
    ("broker", "transaction.state.log.min.isr=1", "transaction.state.log.min.isr=2", "keeps one copy"),
    ("broker", "node.id=1000", "node.id=1000\nshare.coordinator.state.topic.min.isr=1", "not known to Kafka 3.9"),
    ("controller", "node.id=0", "node.id=0\ncontroller.quorum.auto.join.enable=true", "not known to Kafka 3.9"),
    ("broker", "node.id=1000", "node.id=1000\nremote.log.storage.system.enable=true", "belongs to tiered storage"),
    ("broker", "autobalancer.client.auth.security.protocol=SASL_SSL", "", "the balancer speaks PLAINTEXT"),
    ("broker", "autobalancer.client.listener.name=CLIENTS", "autobalancer.client.listener.name=X", "no listener X"),
    ("broker", "autobalancer.client.listener.name=CLIENTS", "", "no listener (none)"),
    ("broker", "autobalancer.client.auth.sasl.mechanism=PLAIN", "", "shows itself by GSSAPI"),
    ("broker", "listener.name.clients.ssl.client.auth=none", "listener.name.clients.ssl.client.auth=required",
     "wants a certificate"),
    ("broker", "metric.reporters=kafka.autobalancer.metricsreporter.AutoBalancerMetricsReporter", "",
     "metric.reporters lacks the balancer's"),
    ("broker", "s3.telemetry.metrics.exporter.uri=prometheus://?host=0.0.0.0&port=9090", "", "has no prometheus"),
    ("broker", "s3.telemetry.exporter.report.interval.ms=10000", "", "is not 10000"),
    ("broker", "node.id=1000", "node.id=1000\nautomq.table.topic.enable=true", "snapshots would go after an hour"),
]  # fmt: skip


@pytest.mark.parametrize("role", PLANS)
def test_what_is_rendered_keeps_every_rule(role: str) -> None:
    assert faults(TEXT[role]) == []
    assert verify(TEXT[role]) == TEXT[role]


@pytest.mark.parametrize(("role", "line", "instead", "said"), BROKEN, ids=[f"{n}-{b[3]}" for n, b in enumerate(BROKEN)])
def test_each_change_breaks_a_rule(role: str, line: str, instead: str, said: str) -> None:
    lines = TEXT[role].splitlines()
    assert line in lines
    found = faults("\n".join(instead if one == line else one for one in lines))
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize("role", PLANS)
def test_a_password_in_clear_is_found(role: str) -> None:
    assert any("holds a password in clear" in fault for fault in faults(TEXT[role].replace("${dir:", "hunter2{")))


def test_every_rule_is_broken_by_some_case() -> None:
    silent = {rule.__name__ for rule in RULES} - {"no_secrets"}
    for role, line, instead, _ in BROKEN:
        settings = parse(TEXT[role].replace(line, instead))
        silent -= {rule.__name__ for rule in RULES if any(True for _ in rule(settings))}
    assert silent == set()


@pytest.mark.parametrize("text", ["a=b\na=c", "just words"])
def test_what_is_no_properties_file(text: str) -> None:
    with pytest.raises(Bug):
        parse(text)


def test_our_own_fault_is_a_bug() -> None:
    with pytest.raises(Bug, match=r"elasticstream\.enable is not true.*s3\.data\.buckets is missing"):
        verify("node.id=1000\n")


PLANNED: list[NodePlan] = [
    automq_broker(cluster=automq_model(objectStorage={"latencyClass": latency, "zoneRouter": zone}))
    for latency in ("Low", "Balanced", "Economy")
    for zone in (False, True)
]


@pytest.mark.parametrize("plan", PLANNED)
def test_whatever_is_declared_keeps_every_rule(plan: NodePlan) -> None:
    assert faults(server_properties(plan)) == []
