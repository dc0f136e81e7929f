"""Brokers that are really stateless: Tansu pods on one bucket, behind one Service address.

Every broker says that it is node 111 and advertises the Service, so that a client that loses one finds another. Latest
offsets, ACLs, quotas and reassignment are not to be had from it: it is here for what becomes of acknowledged records
when brokers die, and for nothing else.
"""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from e2e.clusters import Cluster
from e2e.kubectl import Kubectl, until
from e2e.objectstore import Keys, ObjectStoreServer
from e2e.stand import tansu_image

NAME = "tansu"
PORT = 9092
REPLICAS = 3


@dataclass(frozen=True)
class TansuBrokers:
    """Three brokers in a namespace of their own; their bucket and its user are made by `start`."""

    cluster: Cluster
    kubectl: Kubectl
    store: ObjectStoreServer
    namespace: str = "stateless"
    bucket: str = "stateless"

    def start(self) -> Keys:
        """Bucket, user and brokers; the user's keys."""
        self.cluster.provide(tansu_image.image())
        keys = self.store.new_user(self.bucket)
        where = {"LocationConstraint": self.store.region}
        self.store.client(keys).create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)
        self.kubectl.ensure_namespace(self.namespace)
        self.kubectl.put_secret(self.namespace, NAME, keys.secret_data())
        self.kubectl.apply(self._service())
        self.kubectl.apply(self._deployment())
        self.ready()
        return keys

    def stop(self) -> None:
        """Remove the brokers; the namespace stays, empty."""
        self.kubectl("-n", self.namespace, "delete", f"deployment/{NAME}", f"service/{NAME}", f"secret/{NAME}")

    @property
    def keys(self) -> Keys:
        """Those that the brokers' Secret holds."""
        found = self.kubectl.get("secret", NAME, self.namespace)
        assert found, f"secret {self.namespace}/{NAME} is not there: start the brokers first"
        data = {name: base64.b64decode(value).decode() for name, value in found["data"].items()}
        return Keys(data["AWS_ACCESS_KEY_ID"], data["AWS_SECRET_ACCESS_KEY"])

    def restart_with(self, keys: Keys) -> None:
        """Other keys in the Secret, and brokers that have them: they read them when they start."""
        self.kubectl.put_secret(self.namespace, NAME, keys.secret_data())
        self.kubectl("-n", self.namespace, "rollout", "restart", f"deployment/{NAME}")
        self.ready()

    def scale(self, replicas: int) -> None:
        """To none and back; the broker's processes are gone, or ready, when it returns."""
        self.kubectl("-n", self.namespace, "scale", f"deployment/{NAME}", f"--replicas={replicas}")
        if replicas:
            self.ready()
        else:
            self.kubectl("-n", self.namespace, "wait", "--for=delete", "pod", "-l", f"app={NAME}", "--timeout=50s")

    def ready(self, seconds: float = 60) -> None:
        rollout = ("rollout", "status", f"deployment/{NAME}", f"--timeout={seconds:.0f}s")
        self.kubectl("-n", self.namespace, *rollout, timeout=seconds + 10)

    @property
    def address(self) -> str:
        found = self.kubectl.get("service", NAME, self.namespace)
        assert found, f"service {self.namespace}/{NAME} is not there: start the brokers first"
        return f"{found['spec']['clusterIP']}:{PORT}"

    def pods(self) -> dict[str, str]:
        """The living pods, each with its node."""
        return {
            pod["metadata"]["name"]: pod["spec"].get("nodeName", "")
            for pod in self.kubectl.list("pod", self.namespace, f"app={NAME}")
            if "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] == "Running"
        }

    def told(self) -> str:
        """Each pod with its restarts and why its container ended last: where a wait was too long."""
        return "; ".join(
            f"{pod['metadata']['name']} {pod['status']['phase']} {status['restartCount']}x {status['lastState']}"
            for pod in self.kubectl.list("pod", self.namespace, f"app={NAME}")
            for status in pod["status"].get("containerStatuses", ())
        )

    def kill(self, *pods: str) -> None:
        """Kill the pods' processes, with nothing told or flushed, and delete the pods: others come in their place."""
        self.kill_processes(*pods)
        self.delete(*pods)

    def kill_processes(self, *pods: str) -> None:
        """Kill them side by side: the first one's container must not be back before the last one is killed."""
        with ThreadPoolExecutor(len(pods)) as pool:
            list(pool.map(lambda pod: self.cluster.kill_pod_process(self.namespace, pod), pods))

    def delete(self, *pods: str) -> None:
        self.kubectl("-n", self.namespace, "delete", "pod", *pods, "--grace-period=0", "--force", "--wait=false")
        until(lambda: not set(pods) & set(self.pods()), 30, lambda: f"{pods} are still there")

    def _service(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": NAME, "namespace": self.namespace},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": PORT, "targetPort": PORT}]},
        }

    def _deployment(self) -> dict[str, Any]:
        settings = {
            "CLUSTER_ID": "stateless",
            "LISTENER_URL": f"tcp://0.0.0.0:{PORT}",
            "ADVERTISED_LISTENER_URL": f"tcp://{self.address}",
            "STORAGE_ENGINE": f"s3://{self.bucket}/",
            "AWS_ENDPOINT": self.store.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": self.store.region,
        }
        container = {
            "name": NAME,
            "image": tansu_image.NAME,
            "imagePullPolicy": "IfNotPresent",
            "args": ["broker"],
            "env": [{"name": name, "value": value} for name, value in settings.items()],
            "envFrom": [{"secretRef": {"name": NAME}}],
            "ports": [{"containerPort": PORT}],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
            "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "512Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
        }
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
        pod = {
            "terminationGracePeriodSeconds": 2,
            "automountServiceAccountToken": False,
            "topologySpreadConstraints": [{**spread, "labelSelector": {"matchLabels": {"app": NAME}}}],
            "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": True},
            "containers": [container],
        }
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": NAME, "namespace": self.namespace},
            "spec": {
                "replicas": REPLICAS,
                "selector": {"matchLabels": {"app": NAME}},
                "template": {"metadata": {"labels": {"app": NAME}}, "spec": pod},
            },
        }
