"""A warning for an object's author that no condition can carry: an Event.

Because the next look would wipe the condition off, or because the API server does not take the object's status.
"""

import hashlib
from datetime import datetime
from typing import Any

import structlog

from agentmemory.api.conditions import timestamp
from agentmemory.core.errors import OperatorError, Transient
from agentmemory.core.key import key_of
from agentmemory.kube.client import KubeClient
from agentmemory.kube.errors import AlreadyExists

log = structlog.get_logger(__name__)

Object = dict[str, Any]
MANAGER = "agent-memory-operator"


def event(obj: Object, reason: str, message: str, stamp: str) -> Object:
    """A Warning about `obj`. Its name is drawn from what it says: the same words are one Event."""
    key, metadata = key_of(obj), obj["metadata"]
    digest = hashlib.sha256("\n".join((metadata["uid"], reason, message)).encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{key.name}.{digest}", "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": obj["apiVersion"],
            "kind": key.kind,
            "namespace": key.namespace,
            "name": key.name,
            "uid": metadata["uid"],
        },
        "type": "Warning",
        "reason": reason,
        "message": message,
        "source": {"component": MANAGER},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


async def warn(kube: KubeClient, obj: Object, reason: str, message: str, now: datetime) -> None:
    """Log it and post it. Raises Transient when it could not be posted now; what forbids it is only logged."""
    await post(kube, obj, reason, message, timestamp(now))


async def post(kube: KubeClient, obj: Object, reason: str, message: str, stamp: str) -> None:
    """As `warn`, with the time as Kubernetes writes it."""
    log.warning(message, key=str(key_of(obj)), reason=reason)
    try:
        await kube.create(event(obj, reason, message, stamp))
    except Transient:
        raise  # the caller's status would say that all is told
    except AlreadyExists:
        log.debug("the same event is there", key=str(key_of(obj)), reason=reason)
    except OperatorError as error:
        log.warning("no event could be posted", key=str(key_of(obj)), why=str(error))
