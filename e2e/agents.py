"""Runs examples/agent_client.py as pods with a MemoryClient's Secret, as a team would run its own application.

e2e/history.py and e2e/leaders.py are beside it in the pods."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.kubectl import GaveUpError, Kubectl, until

HERE = Path(__file__).resolve().parent
PROGRAM = HERE.parent / "examples" / "agent_client.py"
HISTORY = HERE / "history.py"
LEADERS = HERE / "leaders.py"
CONFIG_MAP = "agent-client"


@dataclass(frozen=True)
class AgentPod:
    """One run of the agent program: a pod that ends, with a JSON result."""

    kubectl: Kubectl
    namespace: str
    name: str

    def phase(self) -> str:
        pod = self.kubectl.get("pod", self.name, self.namespace)
        return str(pod["status"].get("phase", "")) if pod else "Gone"

    def log(self) -> str:
        return self.kubectl("-n", self.namespace, "logs", self.name, "--tail=30")

    def running(self, seconds: float = 60.0) -> None:
        until(lambda: self.phase() in ("Running", "Succeeded"), seconds, lambda: f"pod {self.name} is {self.phase()}")

    def result(self, seconds: float = 180.0) -> dict[str, Any]:
        """What the program says that it did; an error carries its log."""
        until(
            lambda: self.phase() in ("Succeeded", "Failed"),
            seconds,
            lambda: f"pod {self.name} is {self.phase()}: {self.log()}",
        )
        log = self.log()
        if self.phase() == "Failed":
            raise GaveUpError(f"pod {self.name} failed: {log}")
        return dict(json.loads(log.strip().splitlines()[-1]))

    def remove(self) -> None:
        self.kubectl.delete("pod", self.name, self.namespace, "--now")


def install_program(kubectl: Kubectl, namespace: str) -> None:
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CONFIG_MAP, "namespace": namespace},
            "data": {program.name: program.read_text() for program in (PROGRAM, HISTORY, LEADERS)},
        }
    )


def start(
    kubectl: Kubectl, namespace: str, name: str, image: str, secret: str, *args: str, program: Path = PROGRAM
) -> AgentPod:
    """Start a program with `args`; the pod is as strict as a restricted namespace wants it."""
    kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": "support-agent"}},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 2,
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65532,
                    "runAsGroup": 65532,
                    "fsGroup": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "agent",
                        "image": image,
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python3", f"/program/{program.name}", *args],
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
                        "volumeMounts": [
                            {"name": "program", "mountPath": "/program"},
                            {"name": "credentials", "mountPath": "/etc/agent-memory", "readOnly": True},
                        ],
                    }
                ],
                "volumes": [
                    {"name": "program", "configMap": {"name": CONFIG_MAP}},
                    {"name": "credentials", "secret": {"secretName": secret, "defaultMode": 0o440}},
                ],
            },
        }
    )
    return AgentPod(kubectl, namespace, name)
