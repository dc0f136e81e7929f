"""Access rules: requests from our values, our values from answers. No I/O."""

from collections.abc import Sequence
from typing import Any, get_args

from kafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from agentmemory.core.errors import OperatorError
from agentmemory.kafka.errors import from_code, raise_for
from agentmemory.kafka.model import Acl, Operation, ResourceType

_ANY = 1
# Codes of org.apache.kafka.common.acl and .resource: the model's names stand in their order, which begins with 2.
_RESOURCES: dict[str, int] = {name: code for code, name in enumerate(get_args(ResourceType), start=2)}
_OPERATIONS: dict[str, int] = {name: code for code, name in enumerate(get_args(Operation), start=2)}
_PERMISSIONS = {"DENY": 2, "ALLOW": 3}
_PATTERNS = {"LITERAL": 3, "PREFIXED": 4}
_RESOURCE_NAMES = {code: name for name, code in _RESOURCES.items()}
_OPERATION_NAMES = {code: name for name, code in _OPERATIONS.items()}
_PERMISSION_NAMES = {code: name for name, code in _PERMISSIONS.items()}
_PATTERN_NAMES = {code: name for name, code in _PATTERNS.items()}


def describe_request(principal: str) -> Any:
    """Asks for all rules of one principal, of any resource and pattern."""
    return DescribeAclsRequest(
        resource_type_filter=_ANY,
        resource_name_filter=None,
        pattern_type_filter=_ANY,
        principal_filter=principal,
        host_filter=None,
        operation=_ANY,
        permission_type=_ANY,
    )


def described(answer: Any, principal: str) -> set[Acl]:
    """The rules, but for any of a kind that this operator's version does not know: those are nobody's that we made."""
    raise_for(answer.error_code, answer.error_message, f"access rules of {principal}")
    return {
        acl for resource in answer.resources for entry in resource.acls if (acl := _acl(resource, entry)) is not None
    }


def _acl(resource: Any, entry: Any) -> Acl | None:
    names: tuple[Any, ...] = (
        _RESOURCE_NAMES.get(resource.resource_type),
        _PATTERN_NAMES.get(resource.pattern_type),
        _OPERATION_NAMES.get(entry.operation),
        _PERMISSION_NAMES.get(entry.permission_type),
    )
    if None in names:
        return None
    resource_type, pattern, operation, permission = names
    return Acl(
        principal=entry.principal,
        resource_type=resource_type,
        name=resource.resource_name,
        pattern=pattern,
        operation=operation,
        permission=permission,
        host=entry.host,
    )


def create_request(acls: Sequence[Acl]) -> Any:
    kind = CreateAclsRequest.AclCreation
    return CreateAclsRequest(
        creations=[
            kind(
                resource_type=_RESOURCES[acl.resource_type],
                resource_name=acl.name,
                resource_pattern_type=_PATTERNS[acl.pattern],
                principal=acl.principal,
                host=acl.host,
                operation=_OPERATIONS[acl.operation],
                permission_type=_PERMISSIONS[acl.permission],
            )
            for acl in acls
        ]
    )


def delete_request(acls: Sequence[Acl]) -> Any:
    """A filter per rule that matches this rule only."""
    kind = DeleteAclsRequest.DeleteAclsFilter
    return DeleteAclsRequest(
        filters=[
            kind(
                resource_type_filter=_RESOURCES[acl.resource_type],
                resource_name_filter=acl.name,
                pattern_type_filter=_PATTERNS[acl.pattern],
                principal_filter=acl.principal,
                host_filter=acl.host,
                operation=_OPERATIONS[acl.operation],
                permission_type=_PERMISSIONS[acl.permission],
            )
            for acl in acls
        ]
    )


def created(acls: Sequence[Acl], answer: Any) -> dict[Acl, OperatorError | None]:
    """`acls` as in the request: Kafka answers in its order."""
    return _per_rule(acls, answer.results)


def deleted(acls: Sequence[Acl], answer: Any) -> dict[Acl, OperatorError | None]:
    """`acls` as in the request. A rule that was not there is fine."""
    return _per_rule(acls, answer.filter_results)


def _per_rule(acls: Sequence[Acl], items: Sequence[Any]) -> dict[Acl, OperatorError | None]:
    return {
        acl: from_code(item.error_code, item.error_message, f"access rule {text(acl)}")
        for acl, item in zip(acls, items, strict=True)
    }


def text(acl: Acl) -> str:
    """For messages: `ALLOW User:a READ on TOPIC support. (PREFIXED)`."""
    return f"{acl.permission} {acl.principal} {acl.operation} on {acl.resource_type} {acl.name} ({acl.pattern})"
