"""Certificates: what is issued passes, and every way to differ is told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from agentmemory.engines.kafka import pki
from agentmemory.engines.kafka.pki import Pair, Subject
from tests.engines.builders import NOW

CA = pki.new_authority("mem", NOW)
OTHER = pki.new_authority("mem", NOW)
NODE = Subject("mem", "node", "mem-0", ("mem-0", "mem-0.data.svc", "localhost"))
GOOD = pki.issue(CA, NODE, NOW)
YEAR = timedelta(days=365)


def test_what_is_issued_is_good() -> None:
    assert pki.fault(GOOD, CA.cert, NODE, NOW) is None
    assert pki.authority_fault(CA, NOW) is None


def test_kafka_sees_the_name_in_this_order() -> None:
    cert = x509.load_pem_x509_certificate(GOOD.cert.encode())
    assert cert.subject.rfc4514_string() == "CN=mem-0,OU=node,O=mem"


def test_nodes_are_servers_and_operators_are_not() -> None:
    def usages(pair: Pair) -> list[x509.ObjectIdentifier]:
        cert = x509.load_pem_x509_certificate(pair.cert.encode())
        return [*cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value]

    client = pki.issue(CA, Subject("mem", "operator", "tenant-operator"), NOW)
    assert usages(GOOD) == [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    assert usages(client) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_the_authority_may_sign_and_a_node_may_not() -> None:
    for pair, may in ((CA, True), (GOOD, False)):
        cert = x509.load_pem_x509_certificate(pair.cert.encode())
        assert cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is may
        assert cert.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is may


@pytest.mark.parametrize(
    ("pair", "authority", "subject", "later", "said"),
    [
        (Pair("?", GOOD.key), CA, NODE, timedelta(0), "cannot be read"),
        (Pair(GOOD.cert, "?"), CA, NODE, timedelta(0), "cannot be read"),
        (Pair(GOOD.cert, CA.key), CA, NODE, timedelta(0), "its key is another's"),
        (GOOD, OTHER, NODE, timedelta(0), "another authority"),
        (GOOD, CA, replace(NODE, name="mem-1"), timedelta(0), "somebody else"),
        (GOOD, CA, replace(NODE, unit="operator"), timedelta(0), "somebody else"),
        (GOOD, CA, replace(NODE, cluster="other"), timedelta(0), "somebody else"),
        (GOOD, CA, replace(NODE, hosts=("mem-0",)), timedelta(0), "host names"),
        (GOOD, CA, replace(NODE, hosts=(*NODE.hosts, "more")), timedelta(0), "host names"),
        (GOOD, CA, NODE, YEAR * 2 / 3, "two thirds"),
        (GOOD, CA, NODE, YEAR * 2, "two thirds"),
    ],
)
def test_every_way_to_differ(pair: Pair, authority: Pair, subject: Subject, later: timedelta, said: str) -> None:
    found = pki.fault(pair, authority.cert, subject, NOW + later)
    assert found is not None
    assert said in found


def test_renewed_at_two_thirds_not_before() -> None:
    assert pki.fault(GOOD, CA.cert, NODE, NOW + YEAR * 2 / 3 - timedelta(days=1)) is None


def test_a_certificate_never_outlives_its_authority() -> None:
    late = NOW + pki.AUTHORITY_LIFE - timedelta(days=10)
    pair = pki.issue(CA, NODE, late)
    assert x509.load_pem_x509_certificate(pair.cert.encode()).not_valid_after_utc == NOW + pki.AUTHORITY_LIFE


def test_hold_for_a_clock_that_is_behind() -> None:
    cert = x509.load_pem_x509_certificate(GOOD.cert.encode())
    assert cert.not_valid_before_utc == NOW - pki.BACKDATED


@pytest.mark.parametrize(
    ("pair", "later", "said"),
    [
        (Pair("", ""), timedelta(0), "cannot be read"),
        (Pair(CA.cert, OTHER.key), timedelta(0), "do not belong together"),
        (GOOD, timedelta(0), "not an authority's"),
        (CA, pki.AUTHORITY_LIFE, "expired"),
    ],
)
def test_an_authority_that_cannot_sign(pair: Pair, later: timedelta, said: str) -> None:
    found = pki.authority_fault(pair, NOW + later)
    assert found is not None
    assert said in found


def test_a_key_of_another_kind_cannot_be_read() -> None:
    key = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert pki.fault(Pair(GOOD.cert, key.decode()), CA.cert, NODE, NOW) == "it cannot be read"


def test_an_operators_certificate_without_hosts_is_good() -> None:
    who = Subject("mem", "operator", "platform-operator")
    pair = pki.issue(CA, who, NOW, timedelta(days=30))
    assert pki.fault(pair, CA.cert, who, NOW) is None
    assert pki.fault(pair, CA.cert, who, NOW + timedelta(days=21)) is not None


def test_keys_stay_out_of_logs() -> None:
    assert "PRIVATE" not in repr(GOOD)
