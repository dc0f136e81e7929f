"""From a cluster that is up to the operator running on it."""

from __future__ import annotations

from e2e.clusters import Cluster
from e2e.kubectl import Kubectl
from e2e.release import Release
from e2e.stand import gotools

# Where MemoryClusters may live: the demo's, and those of the end-to-end tests.
CLUSTER_NAMESPACES = ("memory-system", "memory-killed", "memory-faults", "memory-automq", "memory-tiered")


def kubectl_of(cluster: Cluster) -> Kubectl:
    return Kubectl(cluster.kubectl_program, cluster.kubeconfig)


def release_on(cluster: Cluster, namespaces: tuple[str, ...] = CLUSTER_NAMESPACES) -> Release:
    """The operator on this cluster, not installed yet."""
    return Release(
        helm=gotools.helm(),
        kubectl=kubectl_of(cluster),
        operator_image=cluster.operator_image,
        kafka_image=cluster.kafka_image,
        cluster_namespaces=namespaces,
        operator_digest=cluster.operator_digest,
    )
