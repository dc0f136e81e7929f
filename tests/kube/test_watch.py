"""What each role watches."""

import pytest

from agentmemory.core.key import Key
from agentmemory.kube.resources import RESOURCES, path, path_of
from agentmemory.kube.watch import CHILDREN_SELECTOR, Target, targets

OWN_PLATFORM = {"MemoryCluster", "BrokerPool", "MemoryBucket", "MemoryTenant"}
CHILDREN = {"Pod", "Service", "PersistentVolumeClaim", "ConfigMap", "PodDisruptionBudget", "RoleBinding"}


def kinds(role: str) -> set[str]:
    return {target.kind for target in targets(role)}


def test_the_platform_role_watches_its_kinds_and_children() -> None:
    assert kinds("platform") == OWN_PLATFORM | CHILDREN


def test_the_tenant_role_watches_no_children() -> None:
    assert kinds("tenant") == {"MemoryCluster", "MemoryTenant", "TopicFamily", "MemoryClient"}


def test_all_is_both_without_doubles() -> None:
    assert kinds("all") == kinds("platform") | kinds("tenant")
    assert len(targets("all")) == len(kinds("all"))


@pytest.mark.parametrize("role", ["platform", "tenant", "all"])
def test_nobody_watches_secrets(role: str) -> None:
    assert "Secret" not in kinds(role)


def test_children_are_labelled_and_may_be_bound_to_namespaces() -> None:
    bound = targets("platform", ["a", "b"])
    assert Target("Pod", "a", CHILDREN_SELECTOR) in bound
    assert Target("Pod", "b", CHILDREN_SELECTOR) in bound
    assert Target("Pod", None, CHILDREN_SELECTOR) not in bound
    assert Target("MemoryCluster") in bound
    # Role bindings are made in the tenants' namespaces, which such a list does not name.
    assert Target("RoleBinding", None, CHILDREN_SELECTOR) in bound


def test_paths() -> None:
    assert path("Pod") == "/api/v1/pods"
    assert path("Pod", "n", "a", "status") == "/api/v1/namespaces/n/pods/a/status"
    assert path("Namespace", "ignored", "a") == "/api/v1/namespaces/a"
    assert path_of(Key("BrokerPool", "n", "a")) == "/apis/agentmemory.dev/v1alpha1/namespaces/n/brokerpools/a"
    with pytest.raises(KeyError):
        path("Unknown")


def test_groups_and_versions() -> None:
    assert (RESOURCES["Pod"].group, RESOURCES["Pod"].version) == ("", "v1")
    assert (RESOURCES["Lease"].group, RESOURCES["Lease"].version) == ("coordination.k8s.io", "v1")
    assert RESOURCES["BrokerPool"].custom
    assert not RESOURCES["Pod"].custom
