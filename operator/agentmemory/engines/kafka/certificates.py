"""Keeps a cluster's authority and the certificates that it signed. The rules are in `pki`; this reads and writes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from agentmemory.api.conditions import Phase, stalled
from agentmemory.core.errors import Transient
from agentmemory.core.key import Key
from agentmemory.engines.apply import Tools, own
from agentmemory.engines.base import Node, NodePlan, Owner
from agentmemory.engines.kafka import names, objects, pki
from agentmemory.engines.shared import text_of
from agentmemory.kafka.credentials import Credentials
from agentmemory.kube.owned import check_owners, is_owned

Object = dict[str, Any]
log = structlog.get_logger(__name__)

_BEGIN = "-----BEGIN CERTIFICATE-----"


def authority_key(cluster: Key) -> Key:
    """Where the authority's Secret is."""
    return Key("Secret", cluster.namespace, names.authority_secret(cluster.name))


def tls_key(node: Node) -> Key:
    """Where a node's certificate is."""
    return Key("Secret", node.namespace, node.tls_secret)


async def authority_secret(tools: Tools, cluster: Key, uid: str) -> Object | None:
    """The authority's Secret, as read lately; `uid` is the cluster's. One without owners was restored: it is taken.

    One that belongs to a cluster of this name which is gone goes with that one, and the only private key with it: what
    is remembered of it is not believed. Raises Transient until it is gone.
    """
    key, secrets = authority_key(cluster), tools.shared.secrets
    found = await secrets.get(tools.kube, key)
    if found is None or not _is_anothers(found, uid):
        return found
    found = await secrets.get(tools.kube, key, fresh=True)
    if found is None or not _is_anothers(found, uid):
        return found
    raise Transient(
        "AuthorityLeaving",
        f"Secret {key.name} belongs to a cluster of this name that was deleted; an authority is made when the garbage "
        "collector has taken it. Where it is to be kept, take its ownerReferences away",
    )


def _is_anothers(secret: Object, uid: str) -> bool:
    return bool(secret["metadata"].get("ownerReferences")) and not is_owned(secret, uid)


def authority_trouble(cluster: str, secret: Object | None, *, nodes_run: bool, now: datetime) -> Phase | None:
    """Why there is no authority to sign with and none may be made; None when there is one or one may be made.

    A new authority under running nodes would part them: each side would refuse the other's certificates.
    """
    name = names.authority_secret(cluster)
    if secret is None:
        if not nodes_run:
            return None
        return stalled(
            "AuthorityLost",
            f"Secret {name} with the cluster's certificate authority is gone while its nodes run on certificates from "
            "it; restore it from a backup, or delete all pods of the cluster to have a new one made",
        )
    fault = pki.authority_fault(authority_of(secret), now)
    if fault is None:
        return None
    return stalled(
        "AuthorityUnusable",
        f"Secret {name} is no certificate authority to sign with: {fault}; restore it from a backup, or delete it and "
        "all pods of the cluster to have a new one made",
    )


def authority_of(secret: Object) -> pki.Pair:
    """The authority in its Secret."""
    values = text_of(secret)
    return pki.Pair(values.get("ca.crt", ""), values.get("ca.key", ""))


async def make_authority(tools: Tools, cluster: Key, owner: Owner, now: datetime) -> pki.Pair:
    """Makes the authority, by POST: two never replace each other. Only when `authority_trouble` has nothing to say."""
    made = pki.new_authority(cluster.name, now)
    values = {"ca.crt": made.cert, "ca.key": made.key}
    key = authority_key(cluster)
    marks = objects.common_labels(cluster.name)
    wanted = objects.secret(key.name, key.namespace, marks, owner, values)
    await check_owners(tools.kube, tools.store, wanted)
    tools.shared.secrets.put(await tools.kube.create(wanted))
    log.info("made", object=str(key))
    return made


def hosts(node: Node) -> tuple[str, ...]:
    """Every name under which a node is reached, with and without the usual cluster domain."""
    found = [node.name, *_service_names(node.name, node.namespace)]
    if node.role == "broker":
        service = names.bootstrap_service(node.cluster)
        found += [service, *_service_names(service, node.namespace)]
    return (*found, "localhost")


def subject(node: Node) -> pki.Subject:
    """Whom a node's certificate speaks for."""
    return pki.Subject(node.cluster, "node", node.name, hosts(node))


@dataclass(frozen=True)
class Certified:
    """A node's certificate as it is, or as it is to be written (`secret`)."""

    fingerprint: str
    secret: Object | None = None


async def prepare(tools: Tools, plan: NodePlan, authority: pki.Pair, *, fresh: bool) -> Certified:
    """Judges the node's certificate and issues another where it must. Writes nothing; `fresh` reads the Secret anew."""
    node, now = plan.node, tools.clock.now()
    key = tls_key(node)
    secret = await tools.shared.secrets.get(tools.kube, key, fresh=fresh)
    fault = "there is none"
    if secret is not None and is_owned(secret, plan.owner.uid):
        values = text_of(secret)
        found = certificate_fault(node, values, authority.cert, now)
        if found is None:
            return Certified(_fingerprint(values))
        fault = found
    log.info("issue certificate", node=f"{node.namespace}/{node.name}", why=fault)
    pair = pki.issue(authority, subject(node), now)
    values = {"tls.pem": pair.key + pair.cert, "ca.crt": authority.cert}
    marks = objects.node_labels(node)
    return Certified(_fingerprint(values), objects.secret(key.name, key.namespace, marks, plan.owner, values))


async def write(tools: Tools, certified: Certified, owner_uid: str) -> None:
    """Writes what `prepare` issued; nothing when the certificate was good."""
    if certified.secret is not None:
        tools.shared.secrets.put(await own(tools, certified.secret, owner_uid))


def certificate_fault(node: Node, values: dict[str, str], authority_cert: str, now: datetime) -> str | None:
    """Why what is in a node's Secret has to be replaced, or None."""
    if values.get("ca.crt") != authority_cert:
        return "the authority is another"
    key, begin, cert = values.get("tls.pem", "").partition(_BEGIN)
    return pki.fault(pki.Pair(begin + cert, key), authority_cert, subject(node), now)


def operator_credentials(tools: Tools, cluster: Key, authority: pki.Pair) -> Credentials:
    """The platform role's way in. Its certificate is in no Secret: whoever may read the authority can make one."""
    who = pki.Subject(cluster.name, "operator", names.PLATFORM_PRINCIPAL)
    pair = tools.shared.client(authority, who, tools.clock.now())
    return Credentials(
        bootstrap=names.admin_bootstrap(cluster.name, cluster.namespace),
        ca_pem=authority.cert,
        cert_pem=pair.cert,
        key_pem=pair.key,
    )


def _fingerprint(values: dict[str, str]) -> str:
    return pki.fingerprint(values["tls.pem"] + values["ca.crt"])


def _service_names(name: str, namespace: str) -> list[str]:
    return [f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"]
