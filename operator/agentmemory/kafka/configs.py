"""Topics' configurations: named keys only, and of these only what was set on the topic itself. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kafka.protocol.admin import DescribeConfigsRequest, IncrementalAlterConfigsRequest

from agentmemory.core.errors import OperatorError
from agentmemory.kafka.errors import from_code
from agentmemory.kafka.topics import UNKNOWN_TOPIC

_TOPIC = 2  # org.apache.kafka.common.config.ConfigResource.Type.TOPIC
_DYNAMIC_TOPIC_CONFIG = 1  # DescribeConfigsResponse.ConfigSource.TOPIC_CONFIG
_SET, _DELETE = 0, 1  # org.apache.kafka.clients.admin.AlterConfigOp.OpType (KIP-339)


def describe_request(names: Iterable[str], keys: Sequence[str]) -> Any:
    """Asks for these keys of these topics; an empty `keys` would ask for all and is refused."""
    if not keys:
        raise ValueError("name the configuration keys: asking for all of them is slow and shows nothing we manage")
    kind = DescribeConfigsRequest.DescribeConfigsResource
    resources = [kind(resource_type=_TOPIC, resource_name=name, configuration_keys=list(keys)) for name in names]
    return DescribeConfigsRequest(resources=resources, include_synonyms=False, include_documentation=False)


def overrides(answer: Any) -> dict[str, dict[str, str] | OperatorError]:
    """Per topic the keys that are set on it, with their values; a topic that does not exist is left out."""
    return _described(answer, only_dynamic=True)


def effective(answer: Any) -> dict[str, dict[str, str] | OperatorError]:
    """Per topic the values that hold, whether set on it or inherited."""
    return _described(answer, only_dynamic=False)


def _described(answer: Any, only_dynamic: bool) -> dict[str, dict[str, str] | OperatorError]:
    results: dict[str, dict[str, str] | OperatorError] = {}
    for item in answer.results:
        if item.error_code == UNKNOWN_TOPIC:
            continue
        error = from_code(item.error_code, item.error_message, f"configuration of topic {item.resource_name}")
        results[item.resource_name] = error or {
            entry.name: entry.value
            for entry in item.configs
            if not only_dynamic or entry.config_source == _DYNAMIC_TOPIC_CONFIG
        }
    return results


def alter_request(changes: Mapping[str, Mapping[str, str | None]]) -> Any:
    """Sets each key to its value, or takes the topic's own setting away where the value is None."""
    kind = IncrementalAlterConfigsRequest.AlterConfigsResource
    resources = [
        kind(resource_type=_TOPIC, resource_name=name, configs=[_change(kind, *item) for item in configs.items()])
        for name, configs in changes.items()
    ]
    return IncrementalAlterConfigsRequest(resources=resources, validate_only=False)


def _change(kind: Any, key: str, value: str | None) -> Any:
    return kind.AlterableConfig(name=key, config_operation=_DELETE if value is None else _SET, value=value)


def altered(answer: Any) -> dict[str, OperatorError | None]:
    return {
        item.resource_name: from_code(
            item.error_code, item.error_message, f"configuration of topic {item.resource_name}"
        )
        for item in answer.responses
    }
