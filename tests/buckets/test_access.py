"""Bucket policies: what is written, what stays, and what counts as the same."""

from typing import Any

import pytest

from agentmemory.buckets import access

from .worlds import bucket

THEIRS = {"Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "x"}, "Action": "s3:GetObject", "Resource": "r"}
CIDRS = {"sourceCidrs": ["10.0.0.0/8", "192.0.2.0/24"], "breakGlassPrincipals": ["arn:aws:iam::1:role/rescue", "root"]}


def test_nobody_may_undo_the_purpose() -> None:
    actions = {purpose: access.never(bucket(purpose=purpose))["Action"] for purpose in ("Data", "Ops", "Audit")}
    assert actions == {
        "Data": ["s3:PutBucketObjectLockConfiguration", "s3:PutReplicationConfiguration"],
        "Ops": ["s3:PutReplicationConfiguration"],
        "Audit": ["s3:BypassGovernanceRetention"],
    }
    statement = access.never(bucket())
    assert "Condition" not in statement
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_resources_are_of_the_regions_partition(region: str, partition: str) -> None:
    arns = [f"arn:{partition}:s3:::agents-data", f"arn:{partition}:s3:::agents-data/*"]
    assert access.tls(bucket(region=region))["Resource"] == arns


def test_sources_and_break_glass_stand_in_one_statement() -> None:
    found = access.sources(bucket(policy=CIDRS | {"sourceVpcEndpoints": ["vpce-2", "vpce-1"]}))
    assert found is not None
    assert found["Condition"] == {
        "StringNotEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]},
        "NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"]},
        "StringNotLike": {"aws:PrincipalArn": ["arn:aws:iam::1:role/rescue"], "aws:username": ["root"]},
    }
    assert access.sources(bucket()) is None


def test_the_policy_itself_can_be_mended_from_anywhere() -> None:
    found = access.sources(bucket(policy=CIDRS))
    assert found is not None
    assert not [action for action in found["Action"] if "Bucket" in action]
    assert found["Resource"] == ["arn:aws:s3:::agents-data/*"]


@pytest.mark.parametrize(("over_tls", "bites"), [(True, "true"), (False, "false")])
def test_a_trial_speaks_of_its_own_keys_only(over_tls: bool, bites: str) -> None:
    tried = access.sources(bucket(policy=CIDRS))
    assert tried is not None
    found = {one["Sid"]: one for one in access.trial(bucket(), tried, over_tls=over_tls)}
    assert [one["Resource"] for one in found.values()] == [
        [f"arn:aws:s3:::agents-data/{access.PROBE}/{name}"] for name in ("bites", "passes", "spares")
    ]
    assert found["AgentMemoryTrialBites"]["Condition"] == {"Bool": {"aws:SecureTransport": bites}}
    assert found["AgentMemoryTrialPasses"]["Condition"] != found["AgentMemoryTrialBites"]["Condition"]
    assert found["AgentMemoryTrialSpares"]["Condition"] == tried["Condition"]


def test_others_statements_stay_and_old_ones_of_ours_go() -> None:
    found = {"Version": "2008-10-17", "Id": "p", "Statement": [THEIRS, {"Sid": "AgentMemoryOld"}]}
    ours = [access.never(bucket())]
    assert access.document(found, ours) == {"Version": "2008-10-17", "Id": "p", "Statement": [THEIRS, *ours]}
    assert access.ours(found) == [{"Sid": "AgentMemoryOld"}]
    assert access.document(None, []) is None
    assert access.document({"Statement": {"Sid": "AgentMemoryOld"}}, []) is None
    assert access.document({"Statement": THEIRS}, []) == {"Version": access.VERSION, "Statement": [THEIRS]}


def one(**fields: Any) -> dict[str, Any]:
    return {"Statement": [THEIRS | fields]}


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        (None, None, True),
        (None, {"Statement": []}, True),
        (one(), {"Statement": THEIRS}, True),
        (one(Action=["s3:GetObject"]), one(), True),
        (one(Action=["b", "a"]), one(Action=["a", "b"]), True),
        (one(Principal={"AWS": "*"}), one(Principal="*"), True),
        (one(Principal={"AWS": ["*"]}), one(Principal="*"), True),
        (one(Condition={"Bool": {"k": "false"}}), one(Condition={"Bool": {"k": ["false"]}}), True),
        (one(Condition={"Bool": {"k": "false"}}), one(), False),
        (one(Condition={"Bool": {"k": "false"}}), one(Condition={"Bool": {"k": "true"}}), False),
        (one(), None, False),
        (one(Effect="Deny"), one(), False),
    ],
)
def test_what_counts_as_the_same(found: Any, wanted: Any, same: bool) -> None:
    assert access.same(found, wanted) is same
    assert access.same(wanted, found) is same
