"""The way to a bucket's server: endpoint, certificate authority, keys. Read by name in the object's own namespace."""

from typing import Any

from agentmemory.api.conditions import Phase, stalled
from agentmemory.api.memorybucket import MemoryBucket
from agentmemory.core.errors import Invalid
from agentmemory.core.key import Key
from agentmemory.engines.shared import Secrets
from agentmemory.kube.client import KubeClient
from agentmemory.objectstore.credentials import ACCESS_KEY, SECRET_KEY, keys_from
from agentmemory.objectstore.model import Keys, Location

Object = dict[str, Any]

CA = "ca.crt"


async def location(kube: KubeClient, secrets: Secrets, bucket: MemoryBucket) -> Location | Phase:
    """Where the server is and who asks, or what is missing for that. Read anew: a changed Secret counts at once, here
    and, through `secrets`, for the cluster on the bucket at its own next look.

    Raises Denied when Kubernetes does not let us read.
    """
    s3 = bucket.spec.s3
    keys, ca = await _keys(kube, secrets, bucket), await _ca(kube, bucket)
    if isinstance(keys, Phase):
        return keys
    if isinstance(ca, Phase):
        return ca
    return Location(s3.endpoint, bucket.spec.region, s3.path_style, ca, keys)


async def _keys(kube: KubeClient, secrets: Secrets, bucket: MemoryBucket) -> Keys | Phase | None:
    reference = bucket.spec.s3.credentials_secret_ref
    if reference is None:
        return None
    namespace = bucket.metadata.namespace
    where = f"Secret {namespace}/{reference.name}"
    found = await secrets.get(kube, Key("Secret", namespace, reference.name), fresh=True)
    if found is None:
        return stalled(
            "CredentialsNotFound",
            f"{where} (spec.s3.credentialsSecretRef) does not exist; create it with {ACCESS_KEY} and {SECRET_KEY}",
        )
    try:
        return keys_from(found.get("data") or {}, where)
    except Invalid as error:
        return stalled(error.reason, error.message)  # the Secret is to be mended, not this object


async def _ca(kube: KubeClient, bucket: MemoryBucket) -> str | Phase | None:
    reference = bucket.spec.s3.ca_config_map_ref
    if reference is None:
        return None
    namespace = bucket.metadata.namespace
    found = await kube.get(Key("ConfigMap", namespace, reference.name))
    text = ((found or {}).get("data") or {}).get(CA)
    if not text:
        return stalled(
            "AuthorityNotFound",
            f"ConfigMap {namespace}/{reference.name} (spec.s3.caConfigMapRef) has no key {CA}; create it with the PEM "
            "of the authority that signed the server's certificate",
        )
    return str(text)
