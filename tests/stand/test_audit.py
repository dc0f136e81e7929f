"""Requests are counted from the audit log."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from e2e.stand.audit import AuditLog, Kind, service_account

USER = service_account("ops", "platform")


def line(second: int, verb: str, resource: str, stage: str = "ResponseComplete", **about: Any) -> str:
    event = {
        "stage": stage,
        "verb": verb,
        "user": {"username": about.pop("user", USER)},
        "objectRef": {"resource": resource, **about},
        "requestReceivedTimestamp": f"2026-01-01T00:00:{second:02}.500000Z",
        "responseStatus": {"code": 200},
    }
    return json.dumps(event) + "\n"


def at(second: int) -> datetime.datetime:
    return datetime.datetime(2026, 1, 1, 0, 0, second, tzinfo=datetime.UTC)


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    file = tmp_path / "audit.jsonl"
    health = {
        "stage": "ResponseComplete",
        "verb": "get",
        "user": {"username": "system:anonymous"},
        "requestReceivedTimestamp": "2026-01-01T00:00:01.000000Z",
    }
    file.write_text(
        json.dumps(health)
        + "\n"
        + line(1, "get", "pods", namespace="team", name="a")
        + line(2, "patch", "brokerpools", subresource="status")
        + line(3, "watch", "pods", stage="ResponseStarted")
        + line(4, "watch", "pods", stage="ResponseComplete")
        + line(5, "update", "leases")
        + line(6, "create", "pods", user="somebody")
        + line(7, "create", "pods").rstrip("\n")
    )
    return AuditLog(file)


def test_requests_are_counted_by_user_verb_resource_and_subresource(log: AuditLog) -> None:
    assert log.count(user=USER) == {
        Kind(USER, "get", "pods", ""): 1,
        Kind(USER, "patch", "brokerpools", "status"): 1,
        Kind(USER, "watch", "pods", ""): 1,
        Kind(USER, "update", "leases", ""): 1,
    }


def test_writes_leave_reads_out_and_an_unfinished_line_waits(log: AuditLog) -> None:
    assert [(write.verb, write.user) for write in log.writes()] == [
        ("patch", USER),
        ("update", USER),
        ("create", "somebody"),
    ]


def test_the_span_includes_its_beginning_and_not_its_end(log: AuditLog) -> None:
    begin = at(2) + datetime.timedelta(milliseconds=500)
    assert [r.verb for r in log.requests(begin, begin + datetime.timedelta(seconds=3))] == ["patch", "watch"]
