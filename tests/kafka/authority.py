"""A certificate authority for tests; subjects are as the operator makes them, so the brokers' mapping is tested too."""

import datetime
import ipaddress
from dataclasses import dataclass
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = datetime.timedelta(days=2)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    cert: str
    key: str


class Authority:
    """Signs certificates for loopback servers and for clients."""

    def __init__(self, name: str = "test-ca") -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def pem(self) -> str:
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        built = _builder(self._name, self._name, self._key).add_extension(constraint, critical=True)
        return _pem(built.sign(self._key, hashes.SHA256()))

    def node(self, pod: str, cluster: str) -> Pair:
        """A node of a cluster: CN=<pod>,OU=node,O=<cluster>, valid for 127.0.0.1 and localhost."""
        return self.issue(common_name=pod, unit="node", organization=cluster)

    def operator(self, role: str) -> Pair:
        """A role of the operator: CN=<role>,OU=operator."""
        return self.issue(common_name=role, unit="operator")

    def issue(self, common_name: str, unit: str, organization: str | None = None, host: str = "localhost") -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        # Most general part first: Java prints a subject from its end, so the brokers see CN=...,OU=...,O=...
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
        parts += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)]
        parts += [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
        built = (
            _builder(x509.Name(parts), self._name, key)
            .add_extension(usage, critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )
        return Pair(_pem(built.sign(self._key, hashes.SHA256())), _key_pem(key))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFE)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
