"""Odd answers of servers on the wire, through boto3: what they become, and what is never repeated or followed."""

from collections.abc import Callable

import pytest

from agentmemory.core.errors import Conflict, Denied, Invalid, OperatorError, Transient
from agentmemory.objectstore.errors import Unsupported, WrongRegion
from agentmemory.objectstore.pool import StorePool
from tests.objectstore.answering import KEYS, Reply, answering, error

NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def location(constraint: str) -> Reply:
    return Reply(200, f"<LocationConstraint {NS}>{constraint}</LocationConstraint>")


def bucket(constraint: str) -> Callable[[str], Reply]:
    """A server with nothing but a bucket."""

    def reply(asked: str) -> Reply:
        if asked.endswith("?location"):
            return location(constraint)
        if "?versions" in asked:
            return Reply(200, f"<ListVersionsResult {NS}><IsTruncated>false</IsTruncated></ListVersionsResult>")
        if asked.endswith("?tagging"):
            return error(404, "NoSuchTagSet")
        return error(501, "NotImplemented")

    return reply


@pytest.mark.parametrize(
    ("constraint", "region"), [("", "us-east-1"), ("EU", "eu-west-1"), ("eu-central-1", "eu-central-1")]
)
async def test_old_location_constraints_are_regions(pool: StorePool, constraint: str, region: str) -> None:
    with answering(bucket(constraint)) as server:
        view = await pool.get(server.location(region)).describe("some-bucket")
    assert view is not None
    assert view.region == region


async def test_us_east_1_is_named_by_saying_nothing(pool: StorePool) -> None:
    bodies: list[str] = []
    with answering(lambda asked: bodies.append(asked) or Reply(200)) as server:  # type: ignore[func-returns-value]
        await pool.get(server.location("us-east-1")).create("some-bucket", "us-east-1")
    assert bodies == ["PUT /some-bucket"]


@pytest.mark.parametrize(
    "reply",
    [
        error(301, "PermanentRedirect", x_amz_bucket_region="ap-south-1"),
        error(307, "TemporaryRedirect", x_amz_bucket_region="ap-south-1"),
        error(400, "AuthorizationHeaderMalformed", more="<Region>ap-south-1</Region>"),
        error(
            400,
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the region 'eu-central-1' is wrong; expecting 'ap-south-1'",
        ),
        error(403, "AccessDenied", x_amz_bucket_region="ap-south-1"),
    ],
    ids=["301", "307", "malformed", "words", "403"],
)
async def test_another_region_is_named_and_not_followed(pool: StorePool, reply: Reply) -> None:
    with answering(lambda asked: reply) as server:
        with pytest.raises(WrongRegion) as raised:
            await pool.get(server.location()).describe("some-bucket")
        assert server.requests == ["GET /some-bucket?location"]
    assert raised.value.region == "ap-south-1"
    assert "ap-south-1" in raised.value.message
    assert "eu-central-1" in raised.value.message


async def test_a_redirect_that_names_no_region(pool: StorePool) -> None:
    with (
        answering(lambda asked: Reply(301, headers={"Location": "http://169.254.169.254/"})) as server,
        pytest.raises(WrongRegion) as raised,
    ):
        await pool.get(server.location()).put_tags("some-bucket", {})
    assert raised.value.region is None


REFUSALS: list[tuple[Reply, type[OperatorError], str]] = [
    (error(400, "ExpiredToken"), Denied, "CredentialsExpired"),
    (error(400, "TokenRefreshRequired"), Denied, "CredentialsExpired"),
    (error(400, "InvalidToken"), Denied, "CredentialsInvalid"),
    (error(403, "InvalidAccessKeyId"), Denied, "CredentialsInvalid"),
    (error(403, "SignatureDoesNotMatch"), Denied, "CredentialsInvalid"),
    (error(403, "RequestTimeTooSkewed"), Denied, "ClockSkewed"),
    (error(403, "AccessDenied"), Denied, "AccessDenied"),
    (error(403, "Novel"), Denied, "AccessDenied"),
    (error(404, "NoSuchBucket"), Transient, "BucketMissing"),
    (error(409, "OperationAborted"), Transient, "OperationAborted"),
    (error(409, "BucketAlreadyExists"), Conflict, "BucketOwnedBySomebodyElse"),
    (error(501, "NotImplemented"), Unsupported, "NotImplemented"),
    (error(405, "MethodNotAllowed"), Unsupported, "NotImplemented"),
    (error(400, "KMS.NotFoundException"), Invalid, "KmsKeyUnusable"),
    (error(400, "InvalidTag"), Invalid, "InvalidTag"),
    (error(418, "Novel"), Transient, "Unexpected"),
    (error(500, "InternalError"), Transient, "ServerFailed"),
    (error(503, "SlowDown"), Transient, "SlowDown"),
    (Reply(429), Transient, "SlowDown"),
    (Reply(502, "<html>bad gateway</html>"), Transient, "ServerFailed"),
]


@pytest.mark.parametrize(
    ("reply", "kind", "reason"), REFUSALS, ids=[f"{row[0].status}-{row[2]}-{i}" for i, row in enumerate(REFUSALS)]
)
async def test_a_refusal_is_read(
    pool: StorePool, reply: Reply, kind: type[OperatorError], reason: str, no_pause: None
) -> None:
    with answering(lambda asked: reply) as server, pytest.raises(kind) as raised:
        await pool.get(server.location()).put_tags("some-bucket", {"a": "b"})
    assert (type(raised.value), raised.value.reason) == (kind, reason)
    assert raised.value.message.startswith("PutBucketTagging on bucket some-bucket: ")


async def test_the_library_tries_twice_and_no_more(pool: StorePool, no_pause: None) -> None:
    with answering(lambda asked: error(503, "SlowDown")) as server:
        with pytest.raises(Transient) as raised:
            await pool.get(server.location()).put_tags("some-bucket", {})
        assert len(server.requests) == 2
    assert raised.value.retry_after == 5.0


async def test_no_message_repeats_a_key(pool: StorePool) -> None:
    words = f"key {KEYS.access_key_id} with {KEYS.secret_access_key} and {KEYS.session_token} is unknown"
    with answering(lambda asked: error(403, "InvalidAccessKeyId", words)) as server:
        store = pool.get(server.location())
        with pytest.raises(Denied) as raised:
            await store.put_tags("some-bucket", {})
        shown = f"{raised.value}{raised.value!r}{server.location()!r}{store!r}"
    assert not [secret for secret in KEYS.secrets() if secret in shown]
    assert "***" in raised.value.message


async def test_what_is_no_s3_is_told(pool: StorePool) -> None:
    with answering(lambda asked: Reply(200, "<<<")) as server, pytest.raises(Transient) as raised:
        await pool.get(server.location()).describe("some-bucket")
    assert raised.value.reason == "NoS3"


async def test_somebody_elses_bucket_and_a_missing_right_differ(pool: StorePool) -> None:
    def listed(*names: str) -> Callable[[str], Reply]:
        buckets = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in names)
        answer = Reply(200, f"<ListAllMyBucketsResult {NS}><Buckets>{buckets}</Buckets></ListAllMyBucketsResult>")
        return lambda asked: error(403, "AccessDenied") if "location" in asked else answer

    with answering(listed("some-bucket")) as server, pytest.raises(Denied) as denied:
        await pool.get(server.location()).describe("some-bucket")
    assert "s3:GetBucketLocation" in denied.value.message
    with answering(listed("some-bucket-2")) as server, pytest.raises(Conflict) as conflict:
        await pool.get(server.location()).describe("some-bucket")
    assert conflict.value.reason == "BucketOwnedBySomebodyElse"
    with answering(lambda asked: error(403, "AccessDenied")) as server, pytest.raises(Conflict):
        await pool.get(server.location()).describe("some-bucket")


async def test_a_server_without_locations_and_versions_is_described(pool: StorePool) -> None:
    def reply(asked: str) -> Reply:
        if asked.startswith("HEAD"):
            return Reply(200)
        if "list-type=2" in asked:
            return Reply(200, f"<ListBucketResult {NS}><Contents><Key>a</Key></Contents></ListBucketResult>")
        return error(501, "NotImplemented")

    with answering(reply) as server:
        view = await pool.get(server.location("garage")).describe("some-bucket")
    assert view is not None
    assert (view.region, view.is_empty) == ("garage", False)


async def test_a_policy_goes_without_the_writer_where_its_principal_is_unknown(pool: StorePool) -> None:
    refused = iter([error(400, "MalformedPolicy", "Invalid principal in policy"), Reply(204)])
    policy = {"Version": "2012-10-17", "Statement": []}
    with answering(lambda asked: next(refused)) as server:
        await pool.get(server.location()).put_policy("some-bucket", policy)
        assert server.requests == ["PUT /some-bucket?policy"] * 2


async def test_of_two_refusals_of_a_policy_the_second_tells(pool: StorePool) -> None:
    refused = iter(
        [error(400, "MalformedPolicy", "Invalid principal"), error(400, "MalformedPolicy", "Invalid condition key")]
    )
    with answering(lambda asked: next(refused)) as server, pytest.raises(Unsupported) as raised:
        await pool.get(server.location()).put_policy("some-bucket", {"Version": "2012-10-17", "Statement": []})
    assert (raised.value.reason, "Invalid condition key" in raised.value.message) == ("PolicyRefused", True)


async def test_a_failed_delete_of_objects_names_the_reason(pool: StorePool) -> None:
    versions = "<Version><Key>a</Key><VersionId>null</VersionId></Version>"
    failed = "<Error><Key>a</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"

    def reply(asked: str) -> Reply:
        if "?versions" in asked:
            return Reply(200, f"<ListVersionsResult {NS}>{versions}</ListVersionsResult>")
        if asked.startswith("POST"):
            return Reply(200, f"<DeleteResult {NS}>{failed}</DeleteResult>")
        return error(501, "NotImplemented")

    with answering(reply) as server, pytest.raises(Denied) as raised:
        await pool.get(server.location()).delete_some("some-bucket")
    assert raised.value.reason == "AccessDenied"
    assert "s3:DeleteObjectVersion" in raised.value.message


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        (error(403, "InvalidAccessKeyId"), Denied, "CredentialsInvalid"),
        (error(400, "InvalidArgument"), Invalid, "InvalidArgument"),
        (error(404, "NoSuchBucket"), Transient, "BucketMissing"),
    ],
)
async def test_a_look_that_tells_nothing_of_the_object(
    pool: StorePool, reply: Reply, kind: type[OperatorError], reason: str
) -> None:
    with answering(lambda asked: reply) as server, pytest.raises(kind) as raised:
        await pool.get(server.location()).look("some-bucket", "key")
    assert raised.value.reason == reason


async def test_an_empty_object_is_found(pool: StorePool) -> None:
    with answering(lambda asked: error(416, "InvalidRange")) as server:
        assert await pool.get(server.location()).look("some-bucket", "key") == "Found"


async def test_a_name_that_cannot_be_asked_for(pool: StorePool) -> None:
    with answering(lambda asked: Reply(200)) as server:
        with pytest.raises(Invalid) as raised:
            await pool.get(server.location()).put_tags("no bucket!", {})
        assert server.requests == []
    assert raised.value.reason == "RequestInvalid"


async def test_emptying_where_there_are_no_versions_and_no_uploads(pool: StorePool) -> None:
    deleted: list[str] = []

    def reply(asked: str) -> Reply:
        if "list-type=2" in asked:
            return Reply(200, f"<ListBucketResult {NS}><Contents><Key>a</Key></Contents></ListBucketResult>")
        if asked.startswith("POST"):
            deleted.append(asked)
            return Reply(200, f"<DeleteResult {NS}></DeleteResult>")
        return error(501, "NotImplemented")

    with answering(reply) as server:
        assert not await pool.get(server.location()).delete_some("some-bucket", 10)
    assert len(deleted) == 1
