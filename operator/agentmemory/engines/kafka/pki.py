"""A cluster's own certificate authority and what it signs.

ECDSA P-256 throughout. The authority lasts 10 years, a node's certificate one, renewed at two thirds of its life.
Nothing here looks at a clock: `now` is passed in. Making keys is random by nature; judging certificates is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
NODE_LIFE = timedelta(days=365)
# Clocks differ: a certificate of this moment must hold on a node whose clock is behind.
BACKDATED = timedelta(hours=1)

Unit = Literal["node", "operator"]


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM text."""

    cert: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Subject:
    """Whom a certificate speaks for: CN=name, OU=unit, O=cluster (ssl.principal.mapping.rules reads these)."""

    cluster: str
    unit: Unit
    name: str
    hosts: tuple[str, ...] = ()

    def x509(self) -> x509.Name:
        """RFC 2253 prints a name backwards, so what Kafka's rules see first is written last."""
        return _name(self.cluster, self.unit, self.name)


def new_authority(cluster: str, now: datetime) -> Pair:
    """A new self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(cluster, "authority", f"{cluster} authority")
    builder = (
        _builder(name, name, key.public_key(), now, now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Pair, subject: Subject, now: datetime, life: timedelta = NODE_LIFE) -> Pair:
    """A new key with a certificate from `authority`, which it never outlives."""
    ca, ca_key = _load(authority.cert), _load_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if subject.unit == "node":
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    until = min(now + life, ca.not_valid_after_utc)
    builder = (
        _builder(subject.x509(), ca.subject, key.public_key(), now, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if subject.hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in subject.hosts])
        builder = builder.add_extension(names, critical=False)
    return _pair(builder.sign(ca_key, hashes.SHA256()), key)


def fault(pair: Pair, authority_cert: str, subject: Subject, now: datetime) -> str | None:
    """Why a certificate has to be issued anew, or None while it is good."""
    try:
        cert, key, ca = _load(pair.cert), _load_key(pair.key), _load(authority_cert)
    except ValueError:
        return "it cannot be read"
    if cert.public_key() != key.public_key():
        return "its key is another's"
    try:
        cert.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError):
        return "another authority signed it"
    if cert.subject != subject.x509():
        return "it speaks for somebody else"
    if set(_hosts(cert)) != set(subject.hosts):
        return "its host names differ"
    if now >= renew_at(pair.cert):
        return "it is past two thirds of its life"
    return None


def renew_at(cert_pem: str) -> datetime:
    """When two thirds of a certificate's life have passed."""
    cert = _load(cert_pem)
    return cert.not_valid_before_utc + (cert.not_valid_after_utc - cert.not_valid_before_utc) * 2 / 3


def expires_at(cert_pem: str) -> datetime:
    """The end of a certificate's life."""
    return _load(cert_pem).not_valid_after_utc


def authority_fault(pair: Pair, now: datetime) -> str | None:
    """Why an authority cannot sign, or None."""
    try:
        cert, key = _load(pair.cert), _load_key(pair.key)
    except ValueError:
        return "its certificate or key cannot be read"
    if cert.public_key() != key.public_key():
        return "its certificate and key do not belong together"
    if not _may_sign(cert):
        return "its certificate is not an authority's"
    if now >= cert.not_valid_after_utc:
        return "it has expired"
    return None


def fingerprint(text: str) -> str:
    """A short SHA-256 of some PEM, for hashes that show a change."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(text.encode())
    return digest.finalize().hex()[:16]


def _name(organization: str, unit: str, common: str) -> x509.Name:
    pairs = (
        (NameOID.ORGANIZATION_NAME, organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        (NameOID.COMMON_NAME, common),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(cert.public_bytes(serialization.Encoding.PEM).decode(), key_pem.decode())


def _load(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _load_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic-curve key")
    return key


def _may_sign(cert: x509.Certificate) -> bool:
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _hosts(cert: x509.Certificate) -> Sequence[str]:
    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return names.value.get_values_for_type(x509.DNSName)
