"""Fixtures of the end-to-end tests: the operator installed by its chart, the five example files applied and ready."""

from __future__ import annotations

import pytest
from rich.console import Console

from e2e.clusters import Cluster
from e2e.demo.recorder import Recorder
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import Kubectl
from e2e.release import Release
from e2e.setup import kubectl_of, release_on


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    return kubectl_of(cluster)


@pytest.fixture(scope="session")
def release(cluster: Cluster) -> Release:
    installed = release_on(cluster)
    installed.install()
    return installed


@pytest.fixture(scope="session")
def story(release: Release, kubectl: Kubectl) -> Story:
    """The five files applied and ready; the story tells the rest."""
    told = Story(kubectl, release.operator_image, Recorder(Console(force_terminal=False, width=120)))
    told.platform()
    told.team()
    return told


@pytest.fixture
def platform_namespace(story: Story) -> str:
    return PLATFORM


@pytest.fixture
def team_namespace(story: Story) -> str:
    return TEAM
