"""Names, ports and paths of what the engine makes; docs/image-contract.md has them too."""

CONTROLLER_PORT = 9093
REPLICATION_PORT = 9091
CLIENTS_PORT = 9092

DATA = "/var/lib/kafka/data"
# Not the mount itself: a file system's root may hold lost+found, which Kafka takes for a broken partition.
LOG_DIR = f"{DATA}/log"
CONFIG = "/opt/agentmemory/config"
TLS = "/opt/agentmemory/tls"
QUORUM = "/opt/agentmemory/quorum"

NODE_PRINCIPAL = "node"
PLATFORM_PRINCIPAL = "platform-operator"
TENANT_PRINCIPAL = "tenant-operator"


def authority_secret(cluster: str) -> str:
    """Secret with the cluster's authority: ca.crt and ca.key."""
    return f"{cluster}-ca"


def authority_map(cluster: str) -> str:
    """ConfigMap with the authority's certificate alone, for anyone in the namespace."""
    return f"{cluster}-ca-public"


def bootstrap_service(cluster: str) -> str:
    """Service over all brokers."""
    return f"{cluster}-bootstrap"


def quorum_map(cluster: str) -> str:
    """ConfigMap that tells controllers how an empty volume may be formatted."""
    return f"{cluster}-quorum"


def client_bootstrap(cluster: str, namespace: str) -> str:
    """Where clients connect (SCRAM over TLS)."""
    return f"{bootstrap_service(cluster)}.{namespace}.svc:{CLIENTS_PORT}"


def admin_bootstrap(cluster: str, namespace: str) -> str:
    """Where the operator connects (mutual TLS)."""
    return f"{bootstrap_service(cluster)}.{namespace}.svc:{REPLICATION_PORT}"


def principal_rules(cluster: str) -> tuple[str, ...]:
    """ssl.principal.mapping.rules: all nodes are one principal, so that a growing pool restarts nobody."""
    return (
        f"RULE:^CN=[^,]+,OU=node,O={cluster}$/{NODE_PRINCIPAL}/",
        f"RULE:^CN=({PLATFORM_PRINCIPAL}|{TENANT_PRINCIPAL}),OU=operator,O={cluster}$/$1/",
    )
