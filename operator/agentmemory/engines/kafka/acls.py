"""What the operator's tenant role may do in Kafka: topics, users and their rules, and nothing with the nodes.

Its certificate is kept in the operator's own namespace. It is no super user: it cannot read or write records, and the
list below is all it has. Managing rules needs Alter on the cluster, with which it could grant itself more; that is why
only this role has the certificate, and why what it grants is shown by `kafka-acls.sh --list`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from agentmemory.engines.kafka.names import TENANT_PRINCIPAL
from agentmemory.kafka.admin import KafkaAdmin
from agentmemory.kafka.model import Acl, Operation, ResourceType, or_raise

_WHO = f"User:{TENANT_PRINCIPAL}"
_TOPIC: tuple[Operation, ...] = (
    "CREATE",
    "DELETE",
    "ALTER",  # partitions
    "DESCRIBE",
    "ALTER_CONFIGS",
    "DESCRIBE_CONFIGS",
)
_CLUSTER: tuple[Operation, ...] = (
    "ALTER",  # SCRAM users and access rules
    "DESCRIBE",  # brokers, users and rules as they are
    "ALTER_CONFIGS",  # client quotas
    "DESCRIBE_CONFIGS",
)


def _all(resource: ResourceType, name: str, operations: tuple[Operation, ...]) -> set[Acl]:
    return {Acl(_WHO, resource, name, "LITERAL", operation) for operation in operations}


TENANT_OPERATOR: frozenset[Acl] = frozenset(_all("TOPIC", "*", _TOPIC) | _all("CLUSTER", "kafka-cluster", _CLUSTER))


async def keep(
    admin: KafkaAdmin,
    leading: Callable[[], bool] = lambda: True,
    others: Mapping[str, frozenset[Acl]] = MappingProxyType({}),
) -> None:
    """Grants what is missing and takes back what is not in the list. Raises the first refusal.

    `others` are principals of the engine's own parts, with all that each may do. Kafka takes a write from whoever sends
    it, so each looks at the Lease first.
    """
    for who, wanted in {_WHO: TENANT_OPERATOR, **others}.items():
        has = await admin.describe_acls(who)
        for call, rules in ((admin.create_acls, wanted - has), (admin.delete_acls, has - wanted)):
            if rules and leading():
                or_raise({str(acl): error for acl, error in (await call(rules)).items()})
