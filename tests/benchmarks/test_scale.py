"""The benchmarks of ten thousand families, with fifty: whole results, and no more calls than promised. No timings."""

import json
from pathlib import Path
from typing import Any

import orjson

from benchmarks.scale import objects, procfs, run, traffic
from benchmarks.scale.figures import COMMON, Figures, percentile
from benchmarks.scale.options import Options
from benchmarks.scale.traffic import Call, Traffic

N = 50


def result(options: Options, folder: Path) -> dict[str, Any]:
    run.measure(options, folder)
    found: dict[str, Any] = json.loads((folder / f"{options.name}.json").read_text())
    return found


def test_new_families_cost_one_write_and_no_read(tmp_path: Path) -> None:
    found = result(Options("W1", N, roles="all"), tmp_path)
    assert found["kube_writes_per_family"] == 1
    assert found["family_gets"] == 0
    assert found["object_bytes"] >= objects.LEAST_BYTES
    assert [field for field in COMMON if found[field] is None] == []
    assert all(bar["met"] for bar in found["bars"])


def test_those_that_delete_cost_two_and_a_restart_none(tmp_path: Path) -> None:
    found = result(Options("W8", N, policy="Delete", roles="all"), tmp_path)
    assert found["writes_per_new_family"] == 2
    assert found["writes"] == 0
    assert not [call for call in found["operator_calls"] if call.startswith("get ") and "Secret" not in call]
    assert found["replayed_s"] >= found["ready_s"] > 0


def test_calls_are_told_apart() -> None:
    found = Traffic(
        {
            Call("agent-memory-operator-tenant/1", "patch", "TopicFamily", "status"): 3,
            Call("agent-memory-operator-tenant/1", "update", "Lease", ""): 5,
            Call("agent-memory-operator-tenant/1", "get", "Secret", ""): 1,
            Call("benchmark-driver/1", "create", "TopicFamily", ""): 3,
        }
    )
    own = found.of_operator()
    assert (own.writes(), own.number("get"), own.number("get", kind="TopicFamily")) == (3, 1, 0)
    assert own.by_name() == {"patch TopicFamily/status": 3, "get Secret": 1}


def test_the_audit_log_is_read_from_an_offset(tmp_path: Path) -> None:
    def line(stage: str, verb: str, resource: str) -> bytes:
        about = {"resource": resource, "subresource": "status"} if verb == "patch" else {"resource": resource}
        return orjson.dumps({"stage": stage, "verb": verb, "userAgent": "a", "objectRef": about}) + b"\n"

    file = tmp_path / "audit"
    first = line("ResponseComplete", "get", "leases")
    watched = line("ResponseStarted", "watch", "topicfamilies") + line("ResponseComplete", "watch", "topicfamilies")
    watched += orjson.dumps({"stage": "ResponseComplete", "verb": "get", "userAgent": "a"}) + b"\n"
    file.write_bytes(first + watched + line("ResponseComplete", "patch", "topicfamilies") + b'{"half')
    assert traffic.of_audit(file, len(first)) == {
        Call("a", "discover", "", ""): 1,
        Call("a", "watch", "TopicFamily", ""): 1,
        Call("a", "patch", "TopicFamily", "status"): 1,
    }


def test_percentiles_are_nearest_ranks() -> None:
    assert [percentile(range(1, 101), share) for share in (50, 95, 99)] == [50, 95, 99]
    assert percentile([7.0], 99) == 7.0


def test_a_missed_bar_is_told(tmp_path: Path) -> None:
    figures = Figures()
    figures.at_least("fast", 2, 1)
    assert figures.met
    figures.at_most("few", 2, 1)
    assert not figures.met
    file = figures.write(Options("W1"), tmp_path)
    assert [bar["met"] for bar in json.loads(file.read_text())["bars"]] == [True, False]


def test_processes_that_are_gone_cost_nothing() -> None:
    assert procfs.usage(2**22 + 1) == procfs.Usage(0.0, 0, 0)
