"""Labels, annotations and the finalizer; whoever reads or writes one takes its name from here."""

GROUP = "agentmemory.dev"

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "agent-memory-operator"

CLUSTER = f"{GROUP}/cluster"
POOL = f"{GROUP}/pool"
ROLE = f"{GROUP}/role"
"""`controller` or `broker`."""
NODE_ID = f"{GROUP}/node-id"

SPEC_HASH = f"{GROUP}/spec-hash"
"""Annotation: hash of what we asked for, since admission may change what is stored."""
CLUSTER_ID = f"{GROUP}/cluster-id"
DIRECTORY_ID = f"{GROUP}/directory-id"
REGION = f"{GROUP}/region"
"""Annotation of a volume claim: the region that its cluster declared when the volume was first used."""

FINALIZER = f"{GROUP}/cleanup"

PAUSED = f"{GROUP}/paused"
"""Annotation a user sets to `true` to have an object left alone."""
RECONCILE_AT = f"{GROUP}/reconcile-at"
"""Annotation a user sets to any new value to have an object reconciled now."""
ADOPT_VOLUMES = f"{GROUP}/adopt-volumes"
"""Annotation a user sets to `true` on a recreated cluster to let it take the volumes of its name."""
