"""The story of a MemoryCluster whose brokers somebody else runs: find them, hand the credentials over, tell."""

from typing import Any

from agentmemory.api.conditions import Phase, progressing, ready, stalled, to_conditions
from agentmemory.api.enforcement import to_list, unverified
from agentmemory.api.memorycluster import External, MemoryCluster
from agentmemory.clusters.handover import hand_over_as_is
from agentmemory.clusters.policy import region_trouble
from agentmemory.clusters.status import places_of, region_entries
from agentmemory.context import Context
from agentmemory.core.errors import Denied, Invalid, OperatorError, Transient
from agentmemory.core.key import Key
from agentmemory.core.outcome import Again, Done, Outcome
from agentmemory.engines import places
from agentmemory.engines.apply import Tools
from agentmemory.engines.shared import text_of
from agentmemory.kafka.credentials import Credentials
from agentmemory.kafka.model import ClusterView
from agentmemory.kube.errors import NotLeading, Stale
from agentmemory.kube.status import write_status

Object = dict[str, Any]

AT_REST = 60.0
"""Seconds between two looks at brokers that answer."""


async def keep_external(ctx: Context, tools: Tools, obj: Object, cluster: MemoryCluster) -> Outcome:
    """One look. The credentials are read again whenever the brokers do not answer or refuse us."""
    external = cluster.spec.external
    if external is None:
        raise Invalid("InvalidSpec", "spec.external is missing; engine external needs bootstrapServers and credentials")
    key = Key("MemoryCluster", cluster.metadata.namespace, cluster.metadata.name)
    secret = Key("Secret", key.namespace, external.credentials_secret_ref.name)
    found: ClusterView | None = None
    elsewhere = region_trouble(cluster)
    if elsewhere is not None:
        await write_status(ctx.kube, ctx.store, obj, status(obj, cluster, external, None, elsewhere, ctx))
        return Done()
    try:
        credentials = read_credentials(external, await tools.shared.secrets.get(ctx.kube, secret))
        found = await (await ctx.kafka.get(key, credentials)).describe_cluster()
        phase = judge(cluster, found)
        if phase.kind == "Ready":
            await hand_over_as_is(ctx, tools, key, credentials)
    except (Stale, NotLeading):
        raise
    except OperatorError as error:
        tools.shared.secrets.forget(secret)
        phase = trouble(error)
    await write_status(ctx.kube, ctx.store, obj, status(obj, cluster, external, found, phase, ctx))
    if phase.kind == "Refused":
        return Done()
    return Again(AT_REST if phase.kind == "Ready" else ctx.settings.engine_poll * 5, phase.message)


def read_credentials(external: External, secret: Object | None) -> Credentials:
    """The Secret's keys as credentials. Raises Transient while there is no Secret, Invalid for one without them."""
    name = external.credentials_secret_ref.name
    if secret is None:
        raise Transient("CredentialsMissing", f"Secret {name} does not exist in this namespace; create it")
    values = text_of(secret)
    made = Credentials(
        bootstrap=external.bootstrap_servers,
        ca_pem=values.get("ca.crt"),
        cert_pem=values.get("tls.crt"),
        key_pem=values.get("tls.key"),
        username=values.get("username"),
        password=values.get("password"),
    )
    if made.cert_pem is None and made.username is None:
        raise Invalid(
            "InvalidCredentials",
            f"Secret {name} has neither tls.crt and tls.key (mutual TLS) nor username and password (SCRAM-SHA-512); "
            "add one of the two, and ca.crt",
        )
    return made


def judge(cluster: MemoryCluster, found: ClusterView) -> Phase:
    """Where it stands once its brokers answer."""
    count, factor = len(found.in_service()), cluster.spec.replication.factor
    known = cluster.status.cluster_id
    if known is not None and known != found.cluster_id:
        return stalled(
            "ClusterChanged",
            f"spec.external.bootstrapServers leads to Kafka cluster {found.cluster_id}, and it was {known}; correct "
            "the address, or make a new MemoryCluster for the other one",
        )
    if count < factor:
        return stalled(
            "FactorExceedsBrokers",
            f"spec.replication.factor is {factor}, and {count} brokers answer: no topic can be made; lower the factor "
            "(and minInSync) or add brokers",
        )
    return ready("the brokers answer")


def trouble(error: OperatorError) -> Phase:
    """What an error says to the cluster's author."""
    if isinstance(error, Transient):
        return progressing(error.reason, error.message)
    if isinstance(error, Denied | Invalid):
        return stalled(error.reason, error.message)
    raise error


def status(
    obj: Object, cluster: MemoryCluster, external: External, found: ClusterView | None, phase: Phase, ctx: Context
) -> Object:
    """The status; what was known stays while nobody answers."""
    previous, generation = obj.get("status") or {}, obj["metadata"]["generation"]
    made_with, theirs = "topics are made with it", "the brokers' own topics are their keeper's"
    entries = [unverified(f"spec.replication.{name}", made_with, theirs) for name in ("factor", "minInSync")]
    view = places.view_of(cluster)
    where = () if view is None else places.find(view)
    entries += region_entries(cluster, where)
    made = {
        **previous,
        "observedGeneration": generation,
        "conditions": to_conditions(phase, previous.get("conditions") or [], generation, ctx.clock.now()),
        "enforcement": to_list(entries),
        **places_of(where),
        "bootstrapServers": external.bootstrap_servers,
        "caSecretName": external.credentials_secret_ref.name,
    }
    if found is None or phase.reason == "ClusterChanged":
        return made
    return {**made, "clusterId": found.cluster_id, "brokers": {"registered": len(found.in_service())}}
