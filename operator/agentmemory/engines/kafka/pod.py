"""A node's pod. Pure: compared by the hash of what is asked for here, replaced and never changed."""

from typing import Any

from agentmemory.api.labels import CLUSTER, GROUP, ROLE, SPEC_HASH
from agentmemory.engines.base import Disk, FormatMode, NodePlan, Object
from agentmemory.engines.kafka import jvm, names
from agentmemory.engines.kafka.objects import metadata, node_config, node_labels, node_ports
from agentmemory.engines.kafka.properties import files
from agentmemory.engines.kafka.shape import Shape
from agentmemory.kube.owned import spec_hash

CONFIG_HASH = f"{GROUP}/config-hash"
TLS_HASH = f"{GROUP}/tls-hash"

# The kafka user of the image contract.
UID = 1000
TMP_LIMIT = "256Mi"
_FORMAT_HEAP = "-Xmx128m"

KAFKA = Shape(
    files=files,
    environment=lambda plan: jvm.environment(plan.resources),
    logging=f"-Dlog4j2.configurationFile={names.CONFIG}/log4j2.properties",
    formats=True,
    # A broker hands its leaders over and flushes before it goes. With the controllers gone it would wait for 31 to 90 s
    # in vain (measured on 4.3.1): the kill after this is then as good as any end, since its log is recovered at start.
    grace={"broker": 60, "controller": 30},
)


def pod(plan: NodePlan, shape: Shape = KAFKA) -> Object:
    """The pod as it is to be made. How an empty volume may be formatted is left out of its hash."""
    hashed = _pod(plan, shape, "join")
    made = hashed if plan.mode == "join" else _pod(plan, shape, plan.mode)
    made["metadata"]["annotations"][SPEC_HASH] = spec_hash(hashed)
    return made


def _pod(plan: NodePlan, shape: Shape, mode: FormatMode) -> Object:
    node, more = plan.node, shape.additions(plan)
    made = metadata(node.name, node.namespace, node_labels(node), plan.owner)
    made["annotations"] = {
        CONFIG_HASH: spec_hash(node_config(plan, shape.files(plan))),
        TLS_HASH: plan.tls_hash,
        **more.annotations,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": made,
        "spec": {
            "restartPolicy": "Always",
            **({} if more.service_account is None else {"serviceAccountName": more.service_account}),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": shape.grace[node.role],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": UID,
                "runAsGroup": UID,
                "fsGroup": UID,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **_affinity(plan),
            "topologySpreadConstraints": [_spread(plan, key) for key in _TOPOLOGY],
            **({"initContainers": [_format(plan, shape, mode)]} if shape.formats else {}),
            "containers": [_kafka(plan, shape)],
            "volumes": [*_volumes(plan, shape), *more.volumes],
        },
    }


def _affinity(plan: NodePlan) -> dict[str, Any]:
    """Only machines of the declared region, where it says how to know them."""
    region = plan.cluster.spec.region
    if region is None or not region.node_labels:
        return {}
    wanted = [{"key": key, "operator": "In", "values": [value]} for key, value in sorted(region.node_labels.items())]
    required = {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


_TOPOLOGY = ("kubernetes.io/hostname", "topology.kubernetes.io/zone")


def _spread(plan: NodePlan, key: str) -> dict[str, Any]:
    """Apart where there is room, and together sooner than not at all."""
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {CLUSTER: plan.node.cluster, ROLE: plan.node.role}},
    }


def _container(plan: NodePlan, name: str, script: str, environment: dict[str, str]) -> dict[str, Any]:
    memory = plan.resources.memory.text
    requests = {"memory": memory}
    if plan.resources.cpu is not None:
        requests["cpu"] = plan.resources.cpu.text
    return {
        "name": name,
        "image": plan.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", f"{names.CONFIG}/{script}"],
        "env": [{"name": key, "value": value} for key, value in sorted(environment.items())],
        "resources": {"requests": requests, "limits": {"memory": memory}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(),
    }


def _logging(shape: Shape) -> dict[str, str]:
    return {
        "KAFKA_LOG4J_OPTS": shape.logging,
        # The start script makes this folder, and the root file system is read-only.
        "LOG_DIR": "/tmp/kafka-logs",  # noqa: S108 (an emptyDir of the pod's own)
    }


def _format(plan: NodePlan, shape: Shape, mode: FormatMode) -> dict[str, Any]:
    environment = {
        **_logging(shape),
        "KAFKA_HEAP_OPTS": _FORMAT_HEAP,
        "AGENTMEMORY_CLUSTER_ID": plan.cluster_id,
        "AGENTMEMORY_LOG_DIR": names.LOG_DIR,
        "AGENTMEMORY_FORMAT": mode,
    }
    made = _container(plan, "format", "format.sh", environment)
    if plan.node.role == "controller":
        made["volumeMounts"].append({"name": "quorum", "mountPath": names.QUORUM, "readOnly": True})
    made["volumeMounts"] += shape.additions(plan).mounts  # it reads the same file, with what that refers to
    return made


def _kafka(plan: NodePlan, shape: Shape) -> dict[str, Any]:
    more = shape.additions(plan)
    # No garbage collector's log, for want of a place; the JVM's own metrics tell more.
    environment = {**_logging(shape), **shape.environment(plan), "EXTRA_ARGS": "-name kafkaServer"}
    made = _container(plan, "kafka", "start.sh", environment)
    zone = {"fieldPath": f"metadata.labels['{_TOPOLOGY[1]}']"}
    made["env"] += [{"name": "AGENTMEMORY_ZONE", "valueFrom": {"fieldRef": zone}}, *more.env]
    made["volumeMounts"] += more.mounts
    listeners = node_ports(plan.node)
    made["ports"] = [
        {"name": name, "containerPort": number, "protocol": "TCP"} for name, number in [*listeners, *more.ports]
    ]
    return made | _probes(listeners[0][0])


def _probes(port: str) -> dict[str, Any]:
    """A listener opens once the node has recovered its log and loaded the metadata; no JVM is started to ask.

    Recovery after a crash takes its time: half an hour is allowed, since a restart would only begin it again. The
    liveness probe is there for a process that hangs, and slow to judge. Fencing is known from admin calls.
    """
    socket = {"tcpSocket": {"port": port}}
    return {
        "startupProbe": socket | {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 1800},
        "readinessProbe": socket | {"periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 3},
        "livenessProbe": socket | {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 12},
    }


def _mounts() -> list[dict[str, Any]]:
    return [
        {"name": "data", "mountPath": names.DATA},
        {"name": "config", "mountPath": names.CONFIG, "readOnly": True},
        {"name": "tls", "mountPath": names.TLS, "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (an emptyDir of the pod's own)
    ]


def _volumes(plan: NodePlan, shape: Shape) -> list[dict[str, Any]]:
    node = plan.node
    made: list[dict[str, Any]] = [
        {"name": "data", **_data(node.name, plan.disk)},
        {"name": "config", "configMap": {"name": node.name}},
        {"name": "tls", "secret": {"secretName": node.tls_secret, "defaultMode": 0o440}},
        {"name": "tmp", "emptyDir": {"sizeLimit": TMP_LIMIT}},
    ]
    if node.role == "controller" and shape.formats:
        made.append({"name": "quorum", "configMap": {"name": names.quorum_map(node.cluster)}})
    return made


def _data(name: str, disk: Disk) -> dict[str, Any]:
    if disk.claim:
        return {"persistentVolumeClaim": {"claimName": name}}
    return {"emptyDir": {"sizeLimit": disk.size.text}}
