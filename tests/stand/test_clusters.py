"""Which cluster is chosen."""

import os

import pytest

from e2e import clusters
from e2e.stand.shell import StandError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTMEMORY_CLUSTER", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def with_docker() -> bool:
    return True


def without_docker() -> bool:
    return False


def test_without_docker_it_is_the_stand() -> None:
    assert clusters.choose(docker=without_docker).name == "stand"


def test_with_docker_it_is_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters.KindCluster, "__init__", lambda self: None)
    assert clusters.choose(docker=with_docker).name == "kind"


def test_kind_without_docker_says_why_not() -> None:
    with pytest.raises(clusters.UnavailableError, match="docker info"):
        clusters.choose("kind", docker=without_docker)


def test_a_kubeconfig_is_used_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/somewhere/config")
    assert clusters.choose(docker=without_docker).name == "stand"
    assert str(clusters.choose("current", docker=with_docker).kubeconfig) == "/somewhere/config"


def test_the_environment_can_ask_too_and_the_command_line_goes_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTMEMORY_CLUSTER", "current")
    assert clusters.choose(docker=without_docker).name == "current"
    assert clusters.choose("stand", docker=with_docker).name == "stand"


def test_a_cluster_that_does_not_exist_is_an_error_that_lists_the_ones_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTMEMORY_CLUSTER", "minikube")
    with pytest.raises(StandError, match="stand, kind, current"):
        clusters.choose(docker=without_docker)


def test_the_stand_without_root_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(clusters.UnavailableError, match="root"):
        clusters.choose("stand", docker=without_docker)


def test_a_missing_kubeconfig_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/absent/config")
    with pytest.raises(clusters.UnavailableError, match="/absent/config"):
        clusters.choose("current").up()
