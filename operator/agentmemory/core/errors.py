"""Every error that a reconcile may end with.

    OperatorError          reason (CamelCase, for a condition) and message (what, where, the way out)
    ├── Invalid            the user's to mend: a condition, no retry until the object changes
    ├── Transient          it goes away by itself: backoff
    │   ├── kube.Stale            our view was old (409 on an update): read again, retry at once
    │   ├── kube.NotInstalled     the kind is unknown to the apiserver: its CRD is missing
    │   ├── kube.NamespaceEnding  the namespace is being deleted and takes no new objects
    │   └── kube.NotLeading       this process does not hold its Lease (any more), so it must not write
    ├── Denied             a right is missing (RBAC, Kafka ACL, cloud): a condition, slow retry
    ├── Conflict           someone else owns it: a condition, slow retry
    │   └── kube.AlreadyExists    a create met an object of that name
    └── Bug                our own mistake: logged with its trace, backoff

The `kube.` ones live in `agentmemory.kube.errors`. An error that is none of these counts as a Bug.
"""


class OperatorError(Exception):
    """A failure with a name. `reason` fits a condition's reason, `message` is for the user's eyes."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class Invalid(OperatorError):  # noqa: N818
    """The declaration cannot be kept as written."""


class Transient(OperatorError):  # noqa: N818
    """Worth another try. `retry_after` in seconds is a floor for the backoff (from a Retry-After header)."""

    def __init__(self, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


class Denied(OperatorError):  # noqa: N818
    """The operator lacks a right."""


class Conflict(OperatorError):  # noqa: N818
    """The thing exists and belongs to someone else."""


class Bug(OperatorError):  # noqa: N818
    """An assumption of ours that did not hold."""
