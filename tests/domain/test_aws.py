"""Where AWS says that something is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmemory.domain import aws
from agentmemory.domain.aws import GLOBAL

HOSTS = {
    "s3.eu-central-1.amazonaws.com": "eu-central-1",
    "S3.EU-CENTRAL-1.AmazonAWS.com.": "eu-central-1",
    "s3.dualstack.eu-central-1.amazonaws.com": "eu-central-1",
    "s3-fips.us-gov-west-1.amazonaws.com": "us-gov-west-1",
    "s3-fips.dualstack.us-east-2.amazonaws.com": "us-east-2",
    "s3-eu-west-1.amazonaws.com": "eu-west-1",
    "s3-website-eu-west-1.amazonaws.com": "eu-west-1",
    "s3-fips-us-gov-west-1.amazonaws.com": "us-gov-west-1",
    "s3.cn-north-1.amazonaws.com.cn": "cn-north-1",
    "s3.dualstack.cn-northwest-1.amazonaws.com.cn": "cn-northwest-1",
    "s3.eusc-de-east-1.amazonaws.eu": "eusc-de-east-1",
    "s3.us-iso-east-1.c2s.ic.gov": "us-iso-east-1",
    "s3.us-isob-east-1.sc2s.sgov.gov": "us-isob-east-1",
    "s3express-euc1-az1.eu-central-1.amazonaws.com": "eu-central-1",
    "s3-accesspoint.ap-southeast-2.amazonaws.com": "ap-southeast-2",
    "memory.s3.eu-central-1.amazonaws.com": "eu-central-1",
    "memory.s3-eu-west-1.amazonaws.com": "eu-west-1",
    "bucket.vpce-0a1b-2c3d.s3.us-west-2.vpce.amazonaws.com": "us-west-2",
    "b-1.demo.abc.c2.kafka.eu-north-1.amazonaws.com": "eu-north-1",
    "ec2-1-2-3-4.eu-central-1.compute.amazonaws.com": "eu-central-1",
    "ec2-1-2-3-4.compute-1.amazonaws.com": "us-east-1",
    "lb-1.elb.eu-central-1.amazonaws.com": "eu-central-1",
    "lb-1.eu-central-1.elb.amazonaws.com": "eu-central-1",
    "kafka.eu-central-1.api.aws": "eu-central-1",
    # The global endpoint, whatever stands in front of it.
    "s3.amazonaws.com": "us-east-1",
    "memory.s3.amazonaws.com": "us-east-1",
    "eu-central-1.s3.amazonaws.com": "us-east-1",
    "eu-central-1.s3.us-east-1.amazonaws.com": "us-east-1",
    "s3-external-1.amazonaws.com": "us-east-1",
    # No region at all.
    "s3-accelerate.amazonaws.com": GLOBAL,
    "s3-accelerate.dualstack.amazonaws.com": GLOBAL,
    "x.mrap.accesspoint.s3-global.amazonaws.com": GLOBAL,
    "sts.amazonaws.com": GLOBAL,
    "compute.amazonaws.com": GLOBAL,
    # Not AWS's.
    "amazonaws.com": None,
    "s3.eu-central-1.amazonaws.com.example.org": None,
    "s3.eu-central-1.notamazonaws.com": None,
    "s3.eu-central-1.wasabisys.com": None,
    "s3.storage.svc": None,
    "": None,
}


@pytest.mark.parametrize("host", HOSTS)
def test_the_region_of_a_host(host: str) -> None:
    assert aws.host_region(host) == HOSTS[host]


REGIONS = st.sampled_from(["eu-central-1", "us-east-1", "us-gov-west-1", "ap-southeast-4", "cn-north-1"])
LABELS = st.lists(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True), max_size=3)


@given(REGIONS, LABELS)
def test_what_a_customer_chooses_changes_nothing(region: str, front: list[str]) -> None:
    host = ".".join([*front, "s3", region, "amazonaws.com"])
    assert aws.host_region(host) == region
    assert aws.host_region(f"{host}.") == aws.host_region(host.upper()) == region
    assert aws.host_region(f"{host}.example.org") is None


@pytest.mark.parametrize(
    ("location", "region"),
    [
        ("eu-central-1", "eu-central-1"),
        ("EU", "eu-west-1"),
        ("US", "us-east-1"),
        ("", "us-east-1"),
        ("garage", "garage"),
        ("RegionOne", "regionone"),
    ],
)
def test_old_names_of_locations(location: str, region: str) -> None:
    assert aws.location_region(location) == region


@pytest.mark.parametrize(
    ("provider_id", "region"),
    [
        ("aws:///eu-central-1a/i-0123", "eu-central-1"),
        ("aws:///us-gov-west-1b/i-0123", "us-gov-west-1"),
        ("aws:///us-east-1-bos-1a/i-0123", "us-east-1"),
        ("aws:///eu-central-1/i-0123", None),
        ("gce://project/europe-west3-a/vm", "europe-west3"),
        ("gce://project", None),
        ("azure:///subscriptions/x/resourceGroups/y", None),
        ("kind://docker/kind/kind-worker", None),
        ("", None),
    ],
)
def test_the_region_of_a_machine(provider_id: str, region: str | None) -> None:
    assert aws.machine_region(provider_id) == region


KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234-ab"
ALIAS = "arn:aws:kms:eu-central-1:111122223333:alias/memory"


@pytest.mark.parametrize(
    ("key", "region"),
    [
        (KEY, "eu-central-1"),
        (ALIAS, "eu-central-1"),
        (KEY.replace("arn:aws:", "arn:aws-cn:").replace("eu-central-1", "cn-north-1"), "cn-north-1"),
        ("1234-ab", None),
        ("alias/memory", None),
        ("arn:aws:s3:eu-central-1:1:key/x", None),
    ],
)
def test_the_region_of_a_key(key: str, region: str | None) -> None:
    assert aws.key_region(key) == region


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (KEY, KEY, True),
        (KEY, "1234-ab", True),
        ("1234-ab", KEY, True),
        (ALIAS, "alias/memory", True),
        (KEY, ALIAS, False),
        (KEY, KEY.replace("eu-central-1", "us-east-1"), False),
        (KEY, "1234", False),
        ("a", "b", False),
    ],
)
def test_one_key_by_two_names(one: str, other: str, same: bool) -> None:
    assert aws.same_key(one, other) is same
