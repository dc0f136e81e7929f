"""What a run measures against: a fresh API server and a fresh Kafka each time, real ones or fakes."""

from __future__ import annotations

import asyncio
import pickle
import signal
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.credentials import Credentials
from benchmarks.result import FOLDER
from benchmarks.scale import fakeserver
from benchmarks.scale.objects import OPERATOR
from benchmarks.scale.operators import Operator, Operators
from benchmarks.scale.options import Options
from benchmarks.scale.traffic import Traffic, of_audit
from e2e.stand import gotools
from e2e.stand.controlplane import ControlPlane
from e2e.stand.kubeapi import Api as StandApi
from tests.fakekafka import FakeAdmin, FakeKafka
from tests.kafka.realkafka import RealKafka

BROKER = 1000
HEAP = "1g"
FAKE_CREDENTIALS = Credentials("fake:9093", "CA", cert_pem="CERT", key_pem="KEY")
ACCOUNTS = "system:serviceaccounts"


@dataclass
class Target:
    """An API server, a Kafka, and how the operator is started on them."""

    options: Options
    folder: Path
    url: str
    context: ssl.SSLContext | None
    credentials: Credentials
    operators: Operators
    # Where the counts of calls begin, and what was called since.
    mark: Callable[[], Awaitable[Any]]
    traffic_since: Callable[[Any], Awaitable[Traffic]]
    kafka_down: Callable[[], Awaitable[None]]
    kafka_up: Callable[[], Awaitable[None]]
    admin: Callable[[], Any]
    # The names of all topics; of a fake Kafka once the operator has ended.
    topics: Callable[[], Awaitable[set[str]]]
    # The other processes by name, for what they cost; a restarted one has another pid.
    others: Callable[[], Mapping[str, int]]

    @property
    def real(self) -> bool:
        return self.options.target == "real"


@contextmanager
def opened(options: Options, folder: Path) -> Iterator[Target]:
    """A fresh target in this folder, gone in the end."""
    folder.mkdir(parents=True)
    with _real(options, folder) if options.target == "real" else _fake(options, folder) as target:
        try:
            yield target
        finally:
            for operator in target.operators.all:
                operator.kill()


@contextmanager
def _real(options: Options, folder: Path) -> Iterator[Target]:
    if not gotools.kubernetes_is_built():
        raise RuntimeError("Kubernetes is not built yet, which takes minutes: run `make setup` first")
    for name in ("control", "kafka"):
        (folder / name).mkdir()
    control = ControlPlane(folder / "control")
    with ExitStack() as stack:
        stack.callback(control.stop)
        control.start()
        kafka = stack.enter_context(RealKafka(folder / "kafka", heap=HEAP))
        broker = kafka.nodes[BROKER]

        async def down() -> None:
            await asyncio.to_thread(broker.stop, signal.SIGKILL)

        async def up() -> None:
            await asyncio.to_thread(kafka.start_broker, BROKER)

        async def topics() -> set[str]:
            admin = KafkaAdmin(kafka.credentials(), limit=60.0)
            try:
                return set(await admin.list_topics())
            finally:
                await admin.close()

        async def mark() -> int:
            return control.audit_log.stat().st_size

        async def traffic(since: int) -> Traffic:
            return await asyncio.to_thread(of_audit, control.audit_log, since)

        yield Target(
            options,
            folder,
            control.url,
            _context(_user(control, "driver", f"system:serviceaccount:{OPERATOR}:benchmark-driver")),
            kafka.credentials(),
            Operators([_real_operator(options, role, control, folder) for role in _roles(options)]),
            mark,
            traffic,
            down,
            up,
            lambda: KafkaAdmin(kafka.credentials(), limit=60.0),
            topics,
            lambda: {
                "apiserver": control.processes.pid("kube-apiserver") or 0,
                "etcd": control.processes.pid("etcd") or 0,
                "kafka broker": _pid(broker),
                "kafka controller": _pid(kafka.nodes[0]),
            },
        )


@contextmanager
def _fake(options: Options, folder: Path) -> Iterator[Target]:
    with fakeserver.running() as server:
        server.kubeconfig(folder / "kubeconfig")
        operators = Operators([_fake_operator(options, role, folder) for role in _roles(options)])

        async def down() -> None:
            operators.send(signal.SIGUSR1)

        async def up() -> None:
            operators.send(signal.SIGUSR2)

        async def topics() -> set[str]:
            found: set[str] = set()
            for file in folder.glob("kafka-*.pickle"):
                found |= set(pickle.loads(file.read_bytes())[0])
            return found

        yield Target(
            options,
            folder,
            server.url,
            None,
            FAKE_CREDENTIALS,
            operators,
            server.mark,
            server.traffic,
            down,
            up,
            lambda: FakeAdmin(FakeKafka(brokers=1), FAKE_CREDENTIALS),
            topics,
            lambda: {"fake apiserver": server.pid},
        )


def _roles(options: Options) -> tuple[str, ...]:
    return ("platform", "tenant") if options.roles == "split" else ("all",)


def _real_operator(options: Options, role: str, control: ControlPlane, folder: Path) -> Operator:
    # Not the chart's whole name of the account: a certificate's name has at most 64 characters.
    account = f"operator-{role}"
    kubeconfig = _user(control, account, f"system:serviceaccount:{OPERATOR}:{account}")
    shipped = ("-m", "agentmemory", "run", "--role", role)
    own = ("-m", "benchmarks.operator_process", role)
    env = {"KUBECONFIG": str(kubeconfig)} | _profile(options, role)
    return Operator(role, own if options.profile else shipped, env, folder / f"operator-{role}.log")


def _fake_operator(options: Options, role: str, folder: Path) -> Operator:
    env = {
        "KUBECONFIG": str(folder / "kubeconfig"),
        "BENCH_KAFKA": str(folder / f"kafka-{role}.pickle"),
        **_profile(options, role),
    }
    return Operator(role, ("-m", "benchmarks.operator_process", role), env, folder / f"operator-{role}.log")


def _profile(options: Options, role: str) -> dict[str, str]:
    if not options.profile:
        return {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    return {"BENCH_PROFILE": str(FOLDER / f"{options.name}-{role}.pstats")}


def _user(control: ControlPlane, name: str, user: str) -> Path:
    """A kubeconfig for a ServiceAccount's name with all rights: requests queue as those of pods do."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    api = StandApi.of(control.kubeconfig)
    api.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    return control.pki.kubeconfig(name, control.url, user, ACCOUNTS)


def _context(kubeconfig: Path) -> ssl.SSLContext:
    content = yaml.safe_load(kubeconfig.read_text())
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context


def _pid(node: Any) -> int:
    return node.process.pid if node.process else 0
