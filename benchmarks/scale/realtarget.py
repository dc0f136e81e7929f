"""A real etcd, kube-apiserver and Apache Kafka as processes on this machine."""

from __future__ import annotations

import asyncio
import signal
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import yaml

from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.credentials import Credentials
from benchmarks.scale.objects import OPERATOR
from benchmarks.scale.options import Options
from benchmarks.scale.process import Operator
from benchmarks.scale.targets import Target
from benchmarks.scale.traffic import Traffic, of_audit
from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane
from e2e.stand.kubeapi import Api
from tests.kafka.realkafka import RealKafka

CONTROLLER, BROKER = 0, 1000
HEAP = "1g"
ACCOUNTS = "system:serviceaccounts"
ADMIN_LIMIT = 60.0


class RealTarget(Target):
    """A control plane without nodes, a controller and one broker."""

    def __init__(self, options: Options, folder: Path) -> None:
        super().__init__(options, folder)
        for name in ("control", "kafka"):
            (folder / name).mkdir(parents=True)
        self._control = ControlPlane(folder / "control")
        self._kafka = RealKafka(folder / "kafka", heap=HEAP)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if not gotools.kubernetes_is_built():
            raise RuntimeError("Kubernetes is not built yet, which takes minutes: run `make setup` first")
        try:
            self._stack.callback(self._control.stop)
            self._control.start()
            self._stack.enter_context(self._kafka)
            self.url = self._control.url
            self.context = _context(self._user("driver", "benchmark-driver"))
            self.make_operators()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.operators.kill()
        self._stack.close()

    @property
    def credentials(self) -> Credentials:
        return self._kafka.credentials()

    def operator(self, role: str) -> Operator:
        """The very command that is shipped, unless it shall be profiled."""
        kubeconfig = self._user(f"operator-{role}", f"operator-{role}")
        shipped = ("-m", "agentmemory", "run", "--role", role)
        own = ("-m", "benchmarks.operator_process", role)
        env = {"KUBECONFIG": str(kubeconfig)} | self.profile(role)
        return Operator(role, own if self.options.profile else shipped, env, self.log(role))

    def others(self) -> Mapping[str, int]:
        nodes, processes = self._kafka.nodes, self._control.processes
        found = {"apiserver": processes.pid("kube-apiserver"), "etcd": processes.pid("etcd")}
        for name, node in (("kafka broker", nodes[BROKER]), ("kafka controller", nodes[CONTROLLER])):
            found[name] = node.process.pid if node.process else None
        return {name: pid for name, pid in found.items() if pid is not None}

    async def mark(self) -> int:
        return self._control.audit_log.stat().st_size

    async def traffic_since(self, mark: Any) -> Traffic:
        return await asyncio.to_thread(of_audit, self._control.audit_log, mark)

    async def kafka_down(self) -> None:
        await asyncio.to_thread(self._kafka.nodes[BROKER].stop, signal.SIGKILL)

    async def kafka_up(self) -> None:
        await asyncio.to_thread(self._kafka.start_broker, BROKER)

    def admin(self) -> KafkaAdmin:
        return KafkaAdmin(self.credentials, limit=ADMIN_LIMIT)

    async def topics(self) -> set[str]:
        admin = self.admin()
        try:
            return set(await admin.list_topics())
        finally:
            await admin.close()

    def _user(self, name: str, account: str) -> Path:
        """A kubeconfig for a ServiceAccount's name with all rights: its requests queue as those of pods do.

        Not the chart's whole names of accounts: a certificate's name has at most 64 characters.
        """
        user = f"system:serviceaccount:{OPERATOR}:{account}"
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        api = Api.of(self._control.kubeconfig)
        api.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        return self._control.pki.kubeconfig(name, self._control.url, user, ACCOUNTS)


def _context(kubeconfig: Path) -> ssl.SSLContext:
    content = yaml.safe_load(kubeconfig.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context
