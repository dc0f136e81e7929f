"""How the operator proves who it is to a Kafka cluster."""

from dataclasses import dataclass, field

from agentmemory.core.errors import Invalid
from agentmemory.kafka.model import ScramMechanism


@dataclass(frozen=True)
class Credentials:
    """Address and identity: mutual TLS with `cert_pem` and `key_pem`, or SCRAM over TLS with user and password.

    All PEM is text. `ca_pem` None trusts the system's authorities. Secrets stay out of repr, and so out of logs.
    """

    bootstrap: str
    ca_pem: str | None
    cert_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: ScramMechanism = "SCRAM-SHA-512"

    def __post_init__(self) -> None:
        if (self.cert_pem is None) != (self.key_pem is None):
            raise Invalid("InvalidCredentials", "a client certificate needs its key: give tls.crt and tls.key")
        if (self.username is None) != (self.password is None):
            raise Invalid("InvalidCredentials", "SCRAM needs both username and password")
        if not self.servers():
            raise Invalid("InvalidCredentials", "no bootstrap server is given: give host:port, several by commas")

    @property
    def security_protocol(self) -> str:
        """Kafka's name of the listener's protocol; there is no way to speak in the clear."""
        return "SSL" if self.username is None else "SASL_SSL"

    def servers(self) -> list[str]:
        return [server.strip() for server in self.bootstrap.split(",") if server.strip()]
