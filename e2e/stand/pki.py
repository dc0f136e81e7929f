"""The cluster's certificate authority, certificates and kubeconfigs (ECDSA P-256, a year)."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = datetime.timedelta(days=365)
MARGIN = datetime.timedelta(days=30)  # what is left of a stored authority for it to be used again


@dataclass(frozen=True)
class Pki:
    """A folder of keys and certificates; what is missing is made when asked for."""

    folder: Path

    def prepare(self) -> None:
        """Makes the authority and the service accounts' key; an authority about to expire is made anew, with all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if self.ca.exists() and _certificate(self.ca).not_valid_after_utc - _now() < MARGIN:
            for old in self.folder.iterdir():
                old.unlink()
        if not self.ca.exists():
            key = self._key("ca")
            name = _name("agent-memory-stand", "")
            constraint = x509.BasicConstraints(ca=True, path_length=None)
            built = _builder(name, name, key).add_extension(constraint, critical=True).sign(key, hashes.SHA256())
            self.ca.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        if not self.file("sa.pub").exists():
            public = self._key("sa").public_key()
            self.file("sa.pub").write_bytes(
                public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            )

    @property
    def ca(self) -> Path:
        return self.file("ca.crt")

    def file(self, name: str) -> Path:
        return self.folder / name

    def certificate(self, name: str, user: str, group: str = "", addresses: tuple[str, ...] = ()) -> Path:
        """The certificate file of a user or server, its key beside it as `<name>.key`."""
        file = self.file(f"{name}.crt")
        if not file.exists():
            key = self._key(name)
            builder = _builder(_name(user, group), _certificate(self.ca).subject, key)
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(usage, critical=False)
            if addresses:
                builder = builder.add_extension(_alternatives(addresses), critical=False)
            authority = serialization.load_pem_private_key(self.file("ca.key").read_bytes(), password=None)
            assert isinstance(authority, ec.EllipticCurvePrivateKey)
            signed = builder.sign(authority, hashes.SHA256())
            file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return file

    def kubeconfig(self, name: str, server: str, user: str, group: str = "") -> Path:
        """A kubeconfig with everything in it, for a user of the cluster at `server` (a URL)."""
        certificate = self.certificate(name, user, group)
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "stand",
            "contexts": [{"name": "stand", "context": {"cluster": "stand", "user": name}}],
            "clusters": [{"name": "stand", "cluster": {"server": server, "certificate-authority": str(self.ca)}}],
            "users": [
                {
                    "name": name,
                    "user": {"client-certificate": str(certificate), "client-key": str(self.file(f"{name}.key"))},
                }
            ],
        }
        file = self.file(f"{name}.kubeconfig")
        file.write_text(yaml.safe_dump(content))
        return file

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey:
        key = ec.generate_private_key(ec.SECP256R1())
        file = self.file(f"{name}.key")
        file.touch(mode=0o600)
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return key


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    begin = _now() - datetime.timedelta(minutes=5)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(begin + LIFE)


def _name(user: str, group: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _alternatives(addresses: tuple[str, ...]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general_name(address) for address in addresses])


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
