"""No credential is anywhere but in its Secret, after the main job with keys of a bucket and of an application."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from e2e.buckets import memory_bucket
from e2e.clusters import Cluster, StandCluster
from e2e.demo.story import PLATFORM, Story
from e2e.kubectl import Kubectl, until
from e2e.leaks import Leaks, Needle, in_base64, needles
from e2e.objectstore import ObjectStoreServer
from e2e.stand import base_image
from e2e.tiered_cluster import Tiered

NAMESPACE = "leaks"


@pytest.fixture
def leaks(cluster: Cluster, kubectl: Kubectl) -> Iterator[Leaks]:
    if not isinstance(cluster, StandCluster):
        pytest.skip(f"looks into the stand's own files and processes; the cluster is {cluster.name}")
    search = Leaks(cluster.stand, kubectl)
    search.watch_argv()
    yield search
    search.stop()


def test_the_scan_finds_what_is_planted(leaks: Leaks, kubectl: Kubectl) -> None:
    """In an object, base64 in an annotation, a log, an Event, argv and a file that a pod has written."""
    planted = secrets.token_hex(20)
    encoded = in_base64(planted.encode())[0].decode()
    kubectl.ensure_namespace(NAMESPACE)
    try:
        kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "plain", "namespace": NAMESPACE},
                "data": {"a": f"s3://k:{planted}@b"},
            },
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "encoded", "namespace": NAMESPACE, "annotations": {"a": encoded}},
            },
            event(planted),
            talker(planted),
        )
        places = {
            "ConfigMap leaks/plain",
            "ConfigMap leaks/encoded",
            "Event leaks/told",
            "pod-logs/leaks_talker",
            "empty-dir/scratch/settings",
            "argv",
        }
        seen: list[str] = []

        def all_found() -> bool:
            seen[:] = leaks.found([Needle.of("planted", planted)])
            return all(any(place in line for line in seen) for place in places)

        until(all_found, 60, lambda: f"of {sorted(places)} only these were found: {seen}", every=1.0)
        assert not any(planted in line for line in seen), "the finding itself shows the credential"
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_no_credential_is_anywhere(
    leaks: Leaks, kubectl: Kubectl, story: Story, objectstore: ObjectStoreServer, tiered: Tiered
) -> None:
    """Keys of a bucket that work, then keys that are refused; brokers that have such keys; an application with a
    password; all Secrets' contents."""
    story.install_agent()
    story.agent("scanned", "produce", "--topic", story.topic, "--run", "scanned", "--events", "100").result()
    with memory_bucket(kubectl, objectstore, PLATFORM, "scanned") as bucket:
        bucket.ready()
        bucket.change_secret_at_the_server()
        bucket.ask_now()
        bucket.not_ready("CredentialsInvalid")
        wanted = needles(leaks.secrets())
        names = {needle.name for needle in wanted}
        assert {
            f"{PLATFORM}/{bucket.secret} AWS_SECRET_ACCESS_KEY",
            f"{tiered.bucket.namespace}/{tiered.bucket.secret} AWS_SECRET_ACCESS_KEY",
            "support-agents/support-bot-kafka password",
        } <= names
        found = leaks.found(wanted)
    assert not found, f"{len(found)} leaks:\n" + "\n".join(found)


def event(text: str) -> dict[str, object]:
    about = {"kind": "ConfigMap", "apiVersion": "v1", "name": "plain", "namespace": NAMESPACE}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "told", "namespace": NAMESPACE},
        "involvedObject": about,
        "type": "Warning",
        "reason": "Refused",
        "message": f"the key {text} was refused",
    }


def talker(text: str) -> dict[str, object]:
    script = 'echo "connecting as $0"; echo "password=$0" >/scratch/settings; while :; do sleep 1; done'
    container = {
        "name": "talker",
        "image": base_image.BASE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script, text],
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "talker", "namespace": NAMESPACE},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        },
    }
