"""Which endpoints pass as text, and which addresses at connection time."""

import pytest

from agentmemory.core.errors import Invalid
from agentmemory.objectstore.endpoints import Rules, kubernetes_addresses

RULES = Rules(refuse=frozenset({"10.96.0.1", "api.example.com"}))
PLANTED = "AKIAPLANTEDACCESSKEY"

GOOD = {
    "https://s3.example.com": "https://s3.example.com",
    "https://S3.Example.com:9000": "https://s3.example.com:9000",
    "https://s3.example.com/": "https://s3.example.com",
    "https://s3.example.com.": "https://s3.example.com",
    "https://10.1.2.3:9000": "https://10.1.2.3:9000",
    "https://[2001:db8::1]:9000": "https://[2001:db8::1]:9000",
    "http://s3.storage.svc:7070": "http://s3.storage.svc:7070",
    "http://s3.storage.svc.cluster.local": "http://s3.storage.svc.cluster.local",
    "https://s3.storage.svc": "https://s3.storage.svc",
    "https://localhost.example.com": "https://localhost.example.com",
}


@pytest.mark.parametrize("endpoint", GOOD)
def test_good(endpoint: str) -> None:
    assert RULES.check(endpoint) == GOOD[endpoint]


BAD = {
    "http://s3.example.com": "needs https",
    "http://s3.storage.svc.attacker.example": "needs https",
    "http://svc": "needs https",
    "http://10.1.2.3": "needs https",
    "https://localhost": "this machine",
    "https://LOCALHOST.:9000": "this machine",
    "https://a.localhost": "this machine",
    "https://127.0.0.1": "loopback",
    "https://127.9.9.9:7070": "loopback",
    "https://2130706433": "unusual form",
    "https://0x7f000001": "unusual form",
    "https://0177.0.0.1": "unusual form",
    "https://127.1": "unusual form",
    "https://0xa9.0xfe.0xa9.0xfe": "unusual form",
    "https://169.254.169.254": "a metadata service",
    "https://169.254.170.2": "link-local",
    "https://100.100.100.200": "a metadata service",
    "https://168.63.129.16": "a metadata service",
    "https://192.0.0.192": "a metadata service",
    "https://0.0.0.0": "unspecified",
    "https://0.1.2.3": "unspecified",
    "https://224.0.0.1": "multicast",
    "https://255.255.255.255": "reserved",
    "https://[::1]": "loopback",
    "https://[::]": "unspecified",
    "https://[fe80::1]": "link-local",
    "https://[ff02::1]": "multicast",
    "https://[fd00:ec2::254]": "a metadata service",
    "https://[::ffff:127.0.0.1]": "loopback",
    "https://[::ffff:a9fe:a9fe]": "a metadata service",
    "https://[::127.0.0.1]": "loopback",
    "https://[64:ff9b::a9fe:a9fe]": "a metadata service",
    "https://[2002:7f00:1::]": "loopback",
    "https://metadata.google.internal": "a metadata service",
    "https://kubernetes.default.svc": "the Kubernetes API",
    "https://kubernetes.default.svc.cluster.local": "the Kubernetes API",
    "https://kubernetes": "the Kubernetes API",
    "https://10.96.0.1": "the Kubernetes API",
    "https://api.example.com": "the Kubernetes API",
    "ftp://s3.example.com": "http(s)://host[:port]",
    "s3.example.com": "http(s)://host[:port]",
    "https://": "no valid host",
    "https://s3.example.com/bucket": "nothing after it",
    "https://s3.example.com:0": "nothing after it",
    "https://s3.example.com:99999": "no URL",
    "https://s3_x.example.com": "no valid host",
    "https://%6cocalhost": "no valid host",
    "https://[::1": "no URL",
    "https://[::zz]": "no URL",
    "https://[fe80::1%25eth0]": "link-local",
    "https://-s3.example.com": "no valid host",
    "https://s3.example.com\nx": "no valid host",
    f"https://{PLANTED}:secret@s3.example.com": "more than a host",
    f"https://s3.example.com?accessKey={PLANTED}": "more than a host",
    f"https://s3.example.com/accessKey={PLANTED}": "more than a host",
    f"https://s3.example.com#{PLANTED}": "more than a host",
    f"https://s3.example.com/x-amz-credential={PLANTED}": "more than a host",
}


@pytest.mark.parametrize("endpoint", BAD)
def test_bad(endpoint: str) -> None:
    with pytest.raises(Invalid) as raised:
        RULES.check(endpoint)
    assert raised.value.reason == "EndpointNotAllowed"
    assert BAD[endpoint] in raised.value.message
    assert PLANTED not in str(raised.value)
    assert PLANTED not in repr(raised.value.__context__)


ADDRESSES = {
    "10.1.2.3": "",
    "192.168.1.1": "",
    "93.184.216.34": "",
    "2001:db8::1": "",
    "fd12:3456::1": "",
    "127.0.0.1": "loopback",
    "::1": "loopback",
    "169.254.169.254": "a metadata service",
    "fe80::1%eth0": "link-local",
    "::ffff:169.254.169.254": "a metadata service",
    "10.96.0.1": "the Kubernetes API",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_a_name_leads_to(address: str) -> None:
    if not ADDRESSES[address]:
        RULES.check_address("s3.example.com", address)
        return
    with pytest.raises(Invalid) as raised:
        RULES.check_address("s3.example.com", address)
    assert "s3.example.com" in raised.value.message
    assert ADDRESSES[address] in raised.value.message


def test_allowed_hosts_pass_both_checks() -> None:
    rules = Rules(allow=frozenset({"127.0.0.1"}))
    assert rules.check("http://127.0.0.1:7070") == "http://127.0.0.1:7070"
    rules.check_address("127.0.0.1", "127.0.0.1")
    with pytest.raises(Invalid):
        rules.check("http://127.0.0.2:7070")
    with pytest.raises(Invalid):
        rules.check_address("s3.example.com", "127.0.0.1")


def test_another_cluster_domain() -> None:
    rules = Rules(cluster_domain="k8s.example")
    assert rules.check("http://s3.storage.svc.k8s.example") == "http://s3.storage.svc.k8s.example"
    with pytest.raises(Invalid):
        rules.check("http://s3.storage.svc.cluster.local")
    with pytest.raises(Invalid):
        rules.check("https://kubernetes.default.svc.k8s.example")


def test_the_api_is_known_from_the_pods_environment() -> None:
    assert kubernetes_addresses([("KUBERNETES_SERVICE_HOST", "FD00::1"), ("X", "y")]) == {"fd00::1"}
    assert kubernetes_addresses([]) == frozenset()
