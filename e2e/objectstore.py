"""An S3 server in the cluster: versitygw as a pod with a volume that outlives it, and users made for each test.

It checks credentials, enforces bucket policies with SourceIp and SecureTransport, has versioning and Object Lock; it
answers 501 to lifecycle, encryption and public access block. Its image is made here: no cluster of others can have it.
"""

from __future__ import annotations

import base64
import http.client
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from e2e.clusters import Cluster
from e2e.kubectl import Kubectl, until
from e2e.stand import s3_image

NAMESPACE = "storage"
NAME = "s3"
PORT = 7070
REGION = "eu-central-1"
ROOT = "s3-root"
ENDPOINT = f"http://{NAME}.{NAMESPACE}.svc:{PORT}"
HEALTH = "/health"


class ObjectStoreError(RuntimeError):
    """The server refused an administrative call; the text is its answer."""


@dataclass(frozen=True)
class Keys:
    """An access key and its secret, which no representation shows."""

    access: str
    secret: str = field(repr=False)

    def secret_data(self) -> dict[str, str]:
        """The keys of a Secret that `credentialsSecretRef` names."""
        return {"AWS_ACCESS_KEY_ID": self.access, "AWS_SECRET_ACCESS_KEY": self.secret}


@dataclass(frozen=True)
class ObjectStoreServer:
    """The server of one cluster; `start` before anything else."""

    cluster: Cluster
    kubectl: Kubectl
    region: str = REGION
    endpoint: str = ENDPOINT

    def start(self) -> None:
        """Bring it up unless it is; UnavailableError where the cluster cannot have its image."""
        self.cluster.provide(s3_image.image())
        self.kubectl.ensure_namespace(NAMESPACE)
        if not self.kubectl.get("secret", ROOT, NAMESPACE):
            drawn = {
                "ROOT_ACCESS_KEY_ID": "root" + secrets.token_hex(8),
                "ROOT_SECRET_ACCESS_KEY": secrets.token_hex(20),
            }
            self.kubectl.put_secret(NAMESPACE, ROOT, drawn)
        until(self._no_old_volume, 60, lambda: f"the volume {NAMESPACE}/{NAME} of an earlier server does not go away")
        self.kubectl.apply(claim(), deployment(), service())
        self.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{NAME}", "--timeout=90s", timeout=100)
        until(self.answers, 30, lambda: f"{self.url} does not answer")

    def stop(self) -> None:
        """Remove it with all that is in it; the volume goes a moment after the pod."""
        parts = (f"deployment/{NAME}", f"service/{NAME}", f"persistentvolumeclaim/{NAME}", f"secret/{ROOT}")
        self.kubectl("-n", NAMESPACE, "delete", *parts, "--wait=false")

    def _no_old_volume(self) -> bool:
        found = self.kubectl.get("persistentvolumeclaim", NAME, NAMESPACE)
        return found is None or "deletionTimestamp" not in found["metadata"]

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        found = self.kubectl.get("service", NAME, NAMESPACE)
        assert found, f"service {NAMESPACE}/{NAME} is not there: start the server first"
        return f"http://{self.cluster.address(found, PORT)}"

    @property
    def pod(self) -> str:
        """The name of the pod that serves."""
        living = [
            p for p in self.kubectl.list("pod", NAMESPACE, f"app={NAME}") if "deletionTimestamp" not in p["metadata"]
        ]
        return str(living[0]["metadata"]["name"])

    def answers(self) -> bool:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
        try:
            connection.request("GET", HEALTH)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def root(self) -> Keys:
        found = self.kubectl.get("secret", ROOT, NAMESPACE)
        assert found, f"secret {NAMESPACE}/{ROOT} is not there: start the server first"
        data = {name: base64.b64decode(value).decode() for name, value in found["data"].items()}
        return Keys(data["ROOT_ACCESS_KEY_ID"], data["ROOT_SECRET_ACCESS_KEY"])

    def new_user(self, name: str) -> Keys:
        """A user who may make buckets; `name` shows in the access key."""
        keys = Keys(f"{name}{secrets.token_hex(6)}", secrets.token_hex(20))
        fields = {"Access": keys.access, "Secret": keys.secret, "Role": "userplus"}
        self._admin("/create-user", "Account", fields)
        return keys

    def change_secret(self, access: str) -> Keys:
        """Give the user a new secret: the old one is refused from now on."""
        keys = Keys(access, secrets.token_hex(20))
        self._admin(f"/update-user?access={quote(access)}", "MutableProps", {"Secret": keys.secret})
        return keys

    def remove_user(self, access: str) -> None:
        self._admin(f"/delete-user?access={quote(access)}", "", {})

    def client(self, keys: Keys | None = None) -> Any:
        """A boto3 client, root's unless keys are given."""
        used = keys or self.root()
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.region,
            aws_access_key_id=used.access,
            aws_secret_access_key=used.secret,
            config=Config(
                s3={"addressing_style": "path"}, retries={"max_attempts": 2}, connect_timeout=5, read_timeout=20
            ),
        )

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server stands still: connections are taken by the kernel and never answered."""
        pod = self.pod
        self.cluster.signal_pod_process(NAMESPACE, pod, "SIGSTOP")
        try:
            yield
        finally:
            self.cluster.signal_pod_process(NAMESPACE, pod, "SIGCONT")

    def wipe(self, bucket: str) -> None:
        """Delete a bucket with all that is in it, as a person's hand would."""
        client = self.client()
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            names = [{"Key": item["Key"]} for item in page.get("Contents", [])]
            if names:
                client.delete_objects(Bucket=bucket, Delete={"Objects": names, "Quiet": True})
        client.delete_bucket(Bucket=bucket)

    def buckets(self) -> list[str]:
        return [bucket["Name"] for bucket in self.client().list_buckets()["Buckets"]]

    def _admin(self, path: str, element: str, fields: dict[str, str]) -> None:
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
        body = f"<{element}>{inner}</{element}>".encode() if element else b""
        root = self.root()
        request = AWSRequest("PATCH", f"{self.url}{path}", data=body, headers={"Content-Type": "application/xml"})
        S3SigV4Auth(Credentials(root.access, root.secret), "s3", self.region).add_auth(request)
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            connection.request("PATCH", path, body, dict(request.headers.items()))
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        if answer.status >= 300:
            raise ObjectStoreError(f"{path.partition('?')[0]}: {answer.status} {text}")


def claim() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "4Gi"}}},
    }


def service() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"selector": {"app": NAME}, "ports": [{"name": "s3", "port": PORT, "targetPort": PORT}]},
    }


def deployment() -> dict[str, Any]:
    """One pod at a time. Users are read anew for each request, so that a changed secret holds at once."""
    data = [{"name": "data", "mountPath": f"/data/{part}", "subPath": part} for part in ("buckets", "versions", "iam")]
    command = ["--port", f":{PORT}", "--region", REGION, "--health", HEALTH, "--quiet", "--iam-dir", "/data/iam"]
    container = {
        "name": NAME,
        "image": s3_image.NAME,
        "imagePullPolicy": "IfNotPresent",
        "args": [*command, "--iam-cache-disable", "posix", "--versioning-dir", "/data/versions", "/data/buckets"],
        "envFrom": [{"secretRef": {"name": ROOT}}],
        "ports": [{"name": "s3", "containerPort": PORT}],
        # A frozen server stays the Service's endpoint: what asks it gets no answer, not a refusal.
        "readinessProbe": {"httpGet": {"path": HEALTH, "port": PORT}, "periodSeconds": 1, "failureThreshold": 600},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
        "volumeMounts": data,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": NAME}},
            "template": {
                "metadata": {"labels": {"app": NAME}},
                "spec": {
                    "terminationGracePeriodSeconds": 2,
                    "automountServiceAccountToken": False,
                    "securityContext": {
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "runAsNonRoot": True,
                    },
                    "containers": [container],
                    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": NAME}}],
                },
            },
        },
    }
