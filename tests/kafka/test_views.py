"""Values, and how they are read from answers; the answers are made by kafka-python's own message classes."""

import uuid

import pytest
from kafka.protocol.admin import (
    CreateTopicsResponse,
    DeleteTopicsResponse,
    DescribeAclsResponse,
    DescribeClusterResponse,
    DescribeConfigsResponse,
    DescribeQuorumResponse,
    DescribeUserScramCredentialsResponse,
)
from kafka.protocol.metadata import MetadataResponse

from agentmemory.core.errors import Denied, Invalid
from agentmemory.kafka import acls, cluster, configs, scram, topics
from agentmemory.kafka.admin import _chunks
from agentmemory.kafka.model import (
    Acl,
    BrokerView,
    ClusterView,
    CreatedTopic,
    PartitionRef,
    PartitionView,
    TopicView,
    id_text,
    id_uuid,
    or_raise,
)

ID = uuid.UUID("e4c1bdab-0046-4e9b-ba7c-7301db1d974b")


def test_ids_as_kafka_prints_them() -> None:
    assert id_text(ID) == "5MG9qwBGTpu6fHMB2x2XSw"
    assert id_uuid(id_text(ID)) == ID
    assert id_text(None) == "AAAAAAAAAAAAAAAAAAAAAA"


def test_or_raise() -> None:
    assert or_raise({"a": 1, "b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(Invalid, match="bad"):
        or_raise({"a": 1, "b": Invalid("X", "bad")})


def test_fenced_brokers_are_not_in_service() -> None:
    view = ClusterView("c", 1, {1: BrokerView("h", 1, None, False), 2: BrokerView("h", 1, None, True)})
    assert view.in_service() == {1}


@pytest.mark.parametrize(("version", "fenced"), [(1, None), (2, True)])
def test_an_old_broker_cannot_tell_who_is_fenced(version: int, fenced: bool | None) -> None:
    broker = DescribeClusterResponse.DescribeClusterBroker(broker_id=5, host="h", port=1, rack=None, is_fenced=True)
    answer = DescribeClusterResponse[version](error_code=0, cluster_id="c", controller_id=5, brokers=[broker])
    assert cluster.cluster_view(answer).brokers[5].fenced is fenced


def _quorum(*voters: tuple[int, int]) -> object:
    topic = DescribeQuorumResponse.TopicData
    kind = topic.PartitionData
    replicas = [
        kind.ReplicaState(
            replica_id=node,
            replica_directory_id=ID,
            log_end_offset=end,
            last_fetch_timestamp=-1,
            last_caught_up_timestamp=7,
        )
        for node, end in voters
    ]
    state = kind(
        partition_index=0,
        error_code=0,
        error_message=None,
        leader_id=0,
        leader_epoch=3,
        high_watermark=10,
        current_voters=replicas,
        observers=[],
    )
    return DescribeQuorumResponse(
        error_code=0, error_message=None, topics=[topic(topic_name="t", partitions=[state])], nodes=[]
    )


def test_lag_counts_from_the_furthest_voter() -> None:
    view = cluster.quorum_view(_quorum((0, 12), (1, 9), (2, -1)))
    assert [voter.lag for voter in view.voters] == [0, 3, None]
    assert view.voters[0].last_fetch_ms is None
    assert view.voters[0].last_caught_up_ms == 7
    assert view.voter(1) == view.voters[1]
    assert view.voter(9) is None


def _topic(name: str, *parts: tuple[tuple[int, ...], tuple[int, ...]], leader: int = 1) -> TopicView:
    views = tuple(PartitionView(n, leader, replicas, isr) for n, (replicas, isr) in enumerate(parts))
    return TopicView(name, id_text(ID), views)


def test_sync_view() -> None:
    healthy = _topic("a", ((1, 2), (1, 2)))
    behind = _topic("b", ((1, 2), (1, 2)), ((1, 2), (2,)))
    dead = _topic("c", ((1,), (1,)), leader=-1)
    assert cluster.sync_view([healthy]).in_sync
    view = cluster.sync_view([healthy, behind, dead])
    assert view.under_replicated == (PartitionRef("b", 1),)
    assert view.offline == (PartitionRef("c", 0),)
    assert not view.in_sync


@pytest.mark.parametrize(
    ("replicas", "isr", "needed", "outcome"),
    [
        ((1, 2, 3), (1, 2, 3), 2, "fine"),
        ((1, 2, 3), (1, 2), 2, "blocked"),
        ((1, 2, 3), (2, 3), 2, "fine"),  # it is not in sync itself: nothing is lost by stopping it
        ((1, 2, 3), (2,), 2, "blocked"),
        ((1, 2, 3), (1, 2, 3), 3, "unavoidable"),
        ((1, 2), (1, 2), 2, "unavoidable"),
        ((1,), (1,), 1, "unavoidable"),
        ((2, 3), (2,), 2, "fine"),  # not on this broker
    ],
)
def test_stopping_a_broker(replicas: tuple[int, ...], isr: tuple[int, ...], needed: int, outcome: str) -> None:
    check = cluster.stop_check([_topic("t", (replicas, isr))], 1, {"t": needed})
    assert (bool(check.blocked_by), bool(check.unavoidable)) == (outcome == "blocked", outcome == "unavoidable")
    assert check.safe is (outcome != "blocked")


def test_topics_that_fail_alone() -> None:
    kind = MetadataResponse.MetadataResponseTopic
    answer = MetadataResponse(
        topics=[
            kind(error_code=0, name="good", topic_id=ID, is_internal=False, partitions=[]),
            kind(error_code=3, name="absent", topic_id=None, partitions=[]),
            kind(error_code=29, name="secret", topic_id=None, partitions=[]),
        ]
    )
    views = topics.topic_views(answer)
    assert views["good"] == TopicView("good", id_text(ID), ())
    assert isinstance(views["secret"], Denied)
    assert set(views) == {"good", "secret"}


def test_created_topics_have_their_id_at_once() -> None:
    kind = CreateTopicsResponse.CreatableTopicResult
    answer = CreateTopicsResponse(
        topics=[
            kind(name="good", topic_id=ID, error_code=0, error_message=None),
            kind(name="bad", topic_id=None, error_code=40, error_message="Invalid value x"),
        ]
    )
    results = topics.created(answer)
    assert results["good"] == CreatedTopic("good", id_text(ID))
    assert isinstance(results["bad"], Invalid)


def test_a_deleted_topic_is_fine_to_delete() -> None:
    kind = DeleteTopicsResponse.DeletableTopicResult
    answer = DeleteTopicsResponse(
        responses=[
            kind(name=None, topic_id=ID, error_code=100, error_message=None),
            kind(name="absent", topic_id=None, error_code=3, error_message=None),
            kind(name="kept", topic_id=None, error_code=73, error_message="Topic deletion is disabled."),
        ]
    )
    results = topics.deleted([id_text(ID)], answer)
    assert results[id_text(ID)] is None
    assert results["absent"] is None
    assert isinstance(results["kept"], Invalid)


def test_only_what_is_set_on_the_topic_is_an_override() -> None:
    result = DescribeConfigsResponse.DescribeConfigsResult
    entry = result.DescribeConfigsResourceResult
    values = [
        entry(name="retention.ms", value="5", config_source=1),
        entry(name="cleanup.policy", value="delete", config_source=5),
    ]
    answer = DescribeConfigsResponse(
        results=[
            result(error_code=0, resource_type=2, resource_name="t", configs=values),
            result(error_code=3, resource_type=2, resource_name="absent", configs=[]),
        ]
    )
    assert configs.overrides(answer) == {"t": {"retention.ms": "5"}}
    assert configs.effective(answer) == {"t": {"retention.ms": "5", "cleanup.policy": "delete"}}


def test_all_keys_are_never_asked_for() -> None:
    with pytest.raises(ValueError, match="name the configuration keys"):
        configs.describe_request(["t"], [])


def test_rules_of_unknown_kinds_are_left_out() -> None:
    resource = DescribeAclsResponse.DescribeAclsResource
    entry = resource.AclDescription
    rules = [
        entry(principal="User:a", host="*", operation=3, permission_type=3),
        entry(principal="User:a", host="*", operation=99, permission_type=3),
    ]
    answer = DescribeAclsResponse(
        error_code=0,
        error_message=None,
        resources=[resource(resource_type=2, resource_name="t.", pattern_type=4, acls=rules)],
    )
    assert acls.described(answer, "User:a") == {Acl("User:a", "TOPIC", "t.", "PREFIXED", "READ")}


def test_users_without_credentials_are_left_out() -> None:
    result = DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult
    info = result.CredentialInfo
    answer = DescribeUserScramCredentialsResponse(
        error_code=0,
        error_message=None,
        results=[
            result(user="a", error_code=0, credential_infos=[info(mechanism=2, iterations=4096)]),
            result(user="b", error_code=91, credential_infos=[]),
        ],
    )
    assert scram.described(answer) == {"a": {"SCRAM-SHA-512": 4096}}


def test_chunks_by_number_and_by_weight() -> None:
    assert [len(piece) for piece in _chunks(range(1001))] == [500, 500, 1]
    assert list(_chunks([4, 4, 4, 20, 1], weigh=lambda n: n, most=10)) == [[4, 4], [4], [20], [1]]
    assert list(_chunks([])) == []
