"""Installs the operator with its chart, and takes it away again."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.kubectl import Kubectl

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "agent-memory-operator"
NAME = "agent-memory-operator"
NAMESPACE = "agent-memory-operator"
ROLES = ("platform", "tenant")


class HelmError(RuntimeError):
    """helm ended with an error; the text is what it printed."""


@dataclass(frozen=True)
class Release:
    """The operator on one cluster: its image and Kafka's, and the namespaces where MemoryClusters may live."""

    helm: Path
    kubectl: Kubectl
    operator_image: str
    kafka_image: str
    cluster_namespaces: tuple[str, ...]
    operator_digest: str = ""

    def _helm(self, *args: str) -> str:
        done = subprocess.run(
            [str(self.helm), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, "KUBECONFIG": str(self.kubectl.kubeconfig)},
        )
        if done.returncode:
            raise HelmError(f"helm {' '.join(args)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def install(self, *extra: str) -> None:
        """Install or upgrade, and wait until both roles are ready."""
        for namespace in (NAMESPACE, *self.cluster_namespaces):
            self.kubectl.ensure_namespace(namespace)
        repository, _, tag = self.operator_image.rpartition(":")
        self._helm(
            *("upgrade", "--install", NAME, str(CHART), "--namespace", NAMESPACE, "--wait", "--timeout", "120s"),
            *("--set", f"image.repository={repository}", "--set-string", f"image.tag={tag}"),
            *("--set", f"kafkaImage={self.kafka_image}"),
            *("--set-string", f"podAnnotations.image-digest={self.operator_digest or repository}"),
            *("--set", f"clusterNamespaces={{{','.join(self.cluster_namespaces)}}}"),
            *extra,
        )

    def uninstall(self) -> None:
        self._helm("uninstall", NAME, "--namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout", "120s")

    def pods(self, role: str) -> list[str]:
        """Names of a role's running pods."""
        selector = f"app.kubernetes.io/name={NAME},app.kubernetes.io/component={role}"
        return [
            pod["metadata"]["name"]
            for pod in self.kubectl.list("pod", NAMESPACE, selector)
            if "deletionTimestamp" not in pod["metadata"]
        ]
