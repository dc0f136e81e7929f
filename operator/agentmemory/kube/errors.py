"""What the apiserver's refusals mean to us; mapped once, in `agentmemory.kube.answers`."""

from agentmemory.core.errors import Conflict, Transient


class Stale(Transient):
    """409: the object changed since we read it, or it is another incarnation. Read again."""


class AlreadyExists(Conflict):
    """409 on a create: an object of that name is there. Look whose it is."""


class NotInstalled(Transient):
    """404 on a whole kind: its CustomResourceDefinition is not installed."""


class NamespaceEnding(Transient):
    """403 or 404 on a create: the namespace is terminating, or gone."""


class NotLeading(Transient):
    """A write was held back because this process does not hold its Lease."""
