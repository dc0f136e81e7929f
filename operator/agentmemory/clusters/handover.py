"""Hands the tenant role its way into a cluster: one key of one Secret in the operator's own namespace."""

import base64
from collections.abc import Callable
from typing import Any

import structlog

from agentmemory.api.labels import MANAGED_BY, MANAGER
from agentmemory.context import Context
from agentmemory.core.errors import Invalid, OperatorError
from agentmemory.core.key import Key
from agentmemory.core.store import Store
from agentmemory.engines.apply import Tools
from agentmemory.engines.handover import SECRET, cluster_in, key_in_secret, pack, unpack
from agentmemory.engines.kafka import certificates, names, pki
from agentmemory.engines.shared import text_of
from agentmemory.kafka.credentials import Credentials
from agentmemory.kube.errors import AlreadyExists, Stale

Object = dict[str, Any]
log = structlog.get_logger(__name__)


async def hand_over(ctx: Context, tools: Tools, cluster: Key) -> None:
    """Sees to the tenant role's certificate for a cluster that the operator makes; renewed in time."""
    await withdraw(ctx, tools)
    secret = await tools.shared.secrets.get(ctx.kube, certificates.authority_key(cluster))
    if secret is None:
        return
    authority, now = certificates.authority_of(secret), ctx.clock.now()
    who = pki.Subject(cluster.name, "operator", names.TENANT_PRINCIPAL)
    bootstrap = names.admin_bootstrap(cluster.name, cluster.namespace)

    def good(found: Credentials) -> bool:
        if found.bootstrap != bootstrap or found.ca_pem != authority.cert or not found.cert_pem or not found.key_pem:
            return False
        return pki.fault(pki.Pair(found.cert_pem, found.key_pem), authority.cert, who, now) is None

    found = await _read(ctx, tools, cluster)
    if found is None or not good(found):
        pair = pki.issue(authority, who, now)
        await _write(ctx, tools, cluster, Credentials(bootstrap, authority.cert, pair.cert, pair.key))


async def hand_over_as_is(ctx: Context, tools: Tools, cluster: Key, credentials: Credentials) -> None:
    """The same for brokers of somebody else, where the credentials that were given are all there is."""
    await withdraw(ctx, tools)
    if await _read(ctx, tools, cluster) != credentials:
        await _write(ctx, tools, cluster, credentials)


async def withdraw(ctx: Context, tools: Tools, *, fresh: bool = False) -> None:
    """Takes back what was handed over for clusters that are not there, so nobody need have seen them go.

    `fresh` reads the Secret anew: another process may have written it while it led.
    """
    withdrawn = await _patch(ctx, tools, lambda data: dict.fromkeys(_of_gone(ctx.store, data)), fresh=fresh)
    if withdrawn:
        log.info("withdrawn", keys=sorted(withdrawn))


def _of_gone(store: Store, data: Object) -> list[str]:
    """The keys of clusters that do not exist; none while not all clusters are known."""
    if not store.synced("MemoryCluster"):
        return []
    return [name for name in data if (cluster := cluster_in(name)) is not None and store.get(cluster) is None]


async def _read(ctx: Context, tools: Tools, cluster: Key) -> Credentials | None:
    secret = await tools.shared.secrets.get(ctx.kube, _key(ctx))
    text = text_of(secret or {}).get(key_in_secret(cluster))
    if text is None:
        return None
    try:
        return unpack(text)
    except Invalid:
        return None


async def _write(ctx: Context, tools: Tools, cluster: Key, credentials: Credentials) -> None:
    """Our key alone: other clusters' keys are other reconciles'."""
    packed = base64.b64encode(pack(credentials).encode()).decode()
    await _patch(ctx, tools, lambda _: {key_in_secret(cluster): packed})
    log.info("handed over", cluster=str(cluster))


async def _patch(ctx: Context, tools: Tools, wanted: Callable[[Object], Object], *, fresh: bool = False) -> Object:
    """Writes what is `wanted` on the data that is there, and returns it; nothing when that is nothing.

    Onto the Secret that was looked at: a write that was held up must not undo what came after it. Raises Stale.
    """
    key, secrets = _key(ctx), tools.shared.secrets
    async with tools.shared.turns[key]:  # reconciles of many clusters share this one Secret
        known = await secrets.get(ctx.kube, key, fresh=fresh)
        data = wanted((known or {}).get("data") or {})
        if not data:
            return data
        try:
            secrets.put(await (_create(ctx, data) if known is None else _change(ctx, known, data)))
        except OperatorError:  # it may have been written all the same
            secrets.forget(key)
            raise
        return data


async def _change(ctx: Context, known: Object, data: Object) -> Object:
    metadata = known["metadata"]
    written = await ctx.kube.merge_patch(
        _key(ctx), {"data": data}, resource_version=metadata["resourceVersion"], uid=metadata["uid"]
    )
    if written is None:
        raise Stale("Gone", f"{_key(ctx)} was deleted a moment ago")
    return written


async def _create(ctx: Context, data: Object) -> Object:
    """The chart makes the Secret; without a chart nobody has."""
    key = _key(ctx)
    metadata = {"name": key.name, "namespace": key.namespace, "labels": {MANAGED_BY: MANAGER}}
    try:
        return await ctx.kube.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
        )
    except AlreadyExists as error:
        raise Stale("Changed", f"{key} came a moment ago") from error


def _key(ctx: Context) -> Key:
    return Key("Secret", ctx.settings.namespace, SECRET)
