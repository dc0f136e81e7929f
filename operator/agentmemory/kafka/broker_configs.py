"""Settings that hold for all nodes and can change while they run (resource BROKER without a name). No I/O."""

from collections.abc import Iterable, Sequence
from typing import Any

from kafka.protocol.admin import DescribeConfigsRequest, IncrementalAlterConfigsRequest

from agentmemory.kafka.errors import raise_for

EXCLUDED = "autobalancer.controller.exclude.broker.ids"
"""AutoMQ's AutoBalancer gives these brokers no partitions (LIST)."""
BROKER = 4  # org.apache.kafka.common.config.ConfigResource.Type.BROKER
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3  # org.apache.kafka.clients.admin.AlterConfigOp.OpType (KIP-339)
ALL_NODES = ""


def describe_request(keys: Sequence[str]) -> Any:
    kind = DescribeConfigsRequest.DescribeConfigsResource
    resource = kind(resource_type=BROKER, resource_name=ALL_NODES, configuration_keys=list(keys))
    return DescribeConfigsRequest(resources=[resource], include_synonyms=False, include_documentation=False)


def described(answer: Any) -> dict[str, str | None]:
    """Those of the keys that are set; None for a value that Kafka hides, as it does with settings it does not know."""
    (result,) = answer.results
    raise_for(result.error_code, result.error_message, "reading settings of all nodes")
    return {entry.name: entry.value for entry in result.configs}


def change_list_request(key: str, add: Iterable[str], remove: Iterable[str]) -> Any:
    """Values of a LIST; those of others stay, and what is there or gone already is fine."""
    kind = IncrementalAlterConfigsRequest.AlterConfigsResource
    wanted = ((APPEND, ",".join(add)), (SUBTRACT, ",".join(remove)))
    changes = [kind.AlterableConfig(name=key, config_operation=what, value=value) for what, value in wanted if value]
    resource = kind(resource_type=BROKER, resource_name=ALL_NODES, configs=changes)
    return IncrementalAlterConfigsRequest(resources=[resource], validate_only=False)


def set_request(key: str, value: str) -> Any:
    """The whole list; an empty one is taken away."""
    kind = IncrementalAlterConfigsRequest.AlterConfigsResource
    change = kind.AlterableConfig(name=key, config_operation=SET if value else DELETE, value=value or None)
    resource = kind(resource_type=BROKER, resource_name=ALL_NODES, configs=[change])
    return IncrementalAlterConfigsRequest(resources=[resource], validate_only=False)


def raise_unless_changed(answer: Any, key: str) -> None:
    (result,) = answer.responses
    raise_for(result.error_code, result.error_message, f"setting {key}")


def members(text: str | None) -> frozenset[int]:
    """The ids in a list of brokers; what is no number is no broker."""
    return frozenset(int(part) for part in entries(text) if part.isdigit())


def entries(text: str | None) -> list[str]:
    """What is in a LIST, in its order."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
