"""Fixtures of the end-to-end tests: the operator installed by its chart, the five example files applied and ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from rich.console import Console

from e2e import automq_image as automq
from e2e.clusters import Cluster, UnavailableError
from e2e.demo.recorder import Recorder
from e2e.demo.story import PLATFORM, TEAM, Story
from e2e.kubectl import Kubectl
from e2e.objectstore import Keys, ObjectStoreServer
from e2e.release import Release
from e2e.setup import kubectl_of, release_on
from e2e.tansu import TansuBrokers
from e2e.tiered_cluster import Tiered


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


@pytest.fixture(scope="session")
def objectstore(cluster: Cluster, kubectl: Kubectl) -> Iterator[ObjectStoreServer]:
    """The S3 server, started for the first test that asks for it."""
    server = ObjectStoreServer(cluster, kubectl)
    try:
        server.start()
    except UnavailableError as reason:
        pytest.skip(str(reason))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def tansu(objectstore: ObjectStoreServer) -> Iterator[TansuBrokers]:
    """Three stateless brokers on a bucket, started for the first test that asks for them."""
    started = TansuBrokers(objectstore.cluster, objectstore.kubectl, objectstore)
    keys = started.start()
    yield started
    started.stop()
    objectstore.wipe(started.bucket)
    objectstore.remove_user(keys.access)


@pytest.fixture(scope="session")
def tiered(release: Release, objectstore: ObjectStoreServer) -> Iterator[Tiered]:
    """A cluster of engine kafka-tiered with a team on it, started for the first test that asks for it."""
    started = Tiered(objectstore.cluster, objectstore.kubectl, objectstore)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def s3_credentials(objectstore: ObjectStoreServer, kubectl: Kubectl) -> Iterator[Callable[[str, str], Keys]]:
    """Makes a user of the S3 server for this test alone, and a Secret with its keys: `(namespace, name) -> Keys`."""
    made: list[tuple[str, str, Keys]] = []

    def make(namespace: str, name: str) -> Keys:
        keys = objectstore.new_user(name)
        kubectl.ensure_namespace(namespace)
        kubectl.put_secret(namespace, name, keys.secret_data())
        made.append((namespace, name, keys))
        return keys

    yield make
    for namespace, name, keys in made:
        kubectl.delete("secret", name, namespace)
        objectstore.remove_user(keys.access)


@pytest.fixture(scope="session")
def automq_image(cluster: Cluster, kubectl: Kubectl) -> str:
    """The name of AutoMQ's image, which every node has; skips with the reason where there is none that can be used."""
    try:
        return automq.provide(cluster, kubectl)
    except UnavailableError as reason:
        pytest.skip(str(reason))
