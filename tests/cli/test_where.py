"""`kubectl memory where`: each place, what verified it, and what a person without all rights is told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from agentmemory.cli import whereabouts
from agentmemory.cli.options import Output
from agentmemory.cli.reach import Flags
from agentmemory.cli.where import VIOLATED, seek, where
from agentmemory.core.errors import Denied, Invalid
from tests import teams
from tests.fakekube.fixture import World
from tests.teams import CLUSTER_KEY, FAMILY_KEY, PLATFORM, TEAM, TENANT_KEY

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
EU, US = "eu-central-1", "us-east-1"


def place(name: str, region: str | None, state: str, by: str) -> dict[str, str]:
    return {"name": name, "state": state, "by": by} | ({"region": region} if region else {})


DATA = place("Bucket/data", EU, "Verified", "GetBucketLocation")
NODE = place("Node/n1", EU, "Verified", "label topology.kubernetes.io/region")
VOLUME = place("Volume/agents-0", None, "Declared", "nothing tells")
ELSEWHERE = place("Bucket/data", US, "Violated", "GetBucketLocation")
PROMISE = {"residency": {"regions": [EU]}}


def fill(world: World, *places: Object, **spec: Any) -> None:
    """A cluster with these places, its tenant, and a family that allows eu-central-1."""
    world.put(teams.cluster(**spec), teams.tenant(), teams.family(**PROMISE))
    world.cluster.set_status(CLUSTER_KEY, {**teams.running(), "places": list(places)})


async def only(world: World, kind: str, namespace: str, name: str) -> whereabouts.Whereabouts:
    (found,) = await whereabouts.Seeker(world.ctx.kube).find(kind, namespace, name)
    return found


@pytest.mark.parametrize(
    ("places", "state", "message"),
    [
        ((DATA, NODE), "Verified", ""),
        ((DATA, VOLUME), "Declared", ""),
        ((), "Declared", "the operator has not looked at the places of MemoryCluster memory-system/agents yet"),
        ((ELSEWHERE, NODE), "Violated", f"its Bucket/data rests in {US} (GetBucketLocation)"),
    ],
)
async def test_a_family_stands_on_its_clusters_places(
    world: World, places: tuple[Object, ...], state: str, message: str
) -> None:
    fill(world, *places)
    found = await only(world, "TopicFamily", TEAM, "trail")
    assert (found.object, found.state, found.message) == (FAMILY_KEY, state, message)
    assert [(link.object, link.says, link.regions) for link in found.chain] == [
        (f"TopicFamily {TEAM}/trail", "allows", (EU,)),
        (f"MemoryTenant {PLATFORM}/support", "allows", ()),
        (f"MemoryCluster {PLATFORM}/agents", "declares", (EU,)),
    ]
    assert found.places == places


async def test_a_chain_that_breaks_by_what_is_declared(world: World) -> None:
    fill(world, DATA)
    world.edit(TENANT_KEY, {"spec": {"regions": [EU, US]}})
    world.edit(FAMILY_KEY, {"spec": {"residency": {"regions": [US, "ap-south-1"]}}})
    found = await only(world, "TopicFamily", TEAM, "trail")
    assert found.state == "Violated"
    assert found.message.split("; ") == [
        f"MemoryTenant {PLATFORM}/support allows {US}, where its cluster is not",
        f"TopicFamily {TEAM}/trail allows ap-south-1, which its tenant does not",
        f"MemoryCluster {PLATFORM}/agents declares {EU}, which TopicFamily {TEAM}/trail does not",
    ]


async def test_a_cluster_without_a_region(world: World) -> None:
    fill(world, region=None)
    found = await only(world, "MemoryCluster", PLATFORM, "agents")
    assert (found.state, found.places) == ("Declared", ())
    assert found.message.endswith("declares no region, so nothing is looked at; add spec.region")
    family = await only(world, "TopicFamily", TEAM, "trail")
    assert "declares no region, which TopicFamily" in family.message


async def test_what_is_missing_on_the_way(world: World) -> None:
    world.put(teams.tenant(), teams.family())
    found = await only(world, "TopicFamily", TEAM, "trail")
    assert (found.state, found.places) == ("Unknown", ())
    assert found.message == f"MemoryCluster {PLATFORM}/agents does not exist"
    with pytest.raises(Invalid, match=f"TopicFamily {TEAM}/none does not exist; correct the name, or give -n"):
        await only(world, "TopicFamily", TEAM, "none")


def forbid(world: World, kind: str) -> None:
    world.fake.faults.before.append(lambda request: 403 if request.kind == kind else None)


async def test_who_may_not_read_the_cluster_is_told_what_the_operator_says(world: World) -> None:
    fill(world, DATA)
    world.put(teams.family("second"))
    said = {"path": "spec.residency.regions", "state": "Enforced", "mechanism": "its cluster declares eu-central-1"}
    world.cluster.set_status(FAMILY_KEY, {"observedGeneration": 1, "conditions": [], "enforcement": [said]})
    forbid(world, "MemoryTenant")
    world.fake.requests.clear()
    second, trail = await whereabouts.Seeker(world.ctx.kube).find("TopicFamily", TEAM, None)
    assert (trail.state, trail.places) == ("Unknown", ())
    assert trail.message.endswith(
        "; the operator says of spec.residency.regions: Enforced; its cluster declares eu-central-1"
    )
    assert "the operator says" not in second.message
    assert len(world.fake.requests.of("get", "MemoryTenant")) == 1, "asked once for both"
    with pytest.raises(Denied):
        await whereabouts.Seeker(world.ctx.kube).find("MemoryTenant", PLATFORM, None)


async def test_many_in_order_and_each_tenant_read_once(world: World) -> None:
    fill(world, DATA)
    world.put(*(teams.family(f"f{number}") for number in range(5)))
    world.fake.requests.clear()
    found = await whereabouts.Seeker(world.ctx.kube).find("TopicFamily", None, None)
    assert [one.object.name for one in found] == ["f0", "f1", "f2", "f3", "f4", "trail"]
    assert [str(request) for request in world.fake.requests.writes()] == []
    assert len(world.fake.requests.of("get", "MemoryCluster")) == 1


@pytest.mark.parametrize(
    ("word", "kind"),
    [("cluster", "MemoryCluster"), ("mt", "MemoryTenant"), ("TopicFamily", "TopicFamily"), ("families", "TopicFamily")],
)
def test_kinds_as_a_person_writes_them(word: str, kind: str) -> None:
    assert whereabouts.kind_of(word) == kind


# The command itself


@pytest.fixture
def flags(world: World, tmp_path: Path) -> Flags:
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(world.fake.kubeconfig()))
    return Flags(PLATFORM, str(file))


async def test_for_programs(world: World, flags: Flags, capsys: pytest.CaptureFixture[str]) -> None:
    fill(world, DATA, VOLUME)
    assert await seek(flags, "cluster", None, Output.JSON, {}, everywhere=False) == 0
    assert json.loads(capsys.readouterr().out) == {
        "items": [
            {
                "kind": "MemoryCluster",
                "namespace": PLATFORM,
                "name": "agents",
                "state": "Declared",
                "message": "",
                "chain": [{"object": f"MemoryCluster {PLATFORM}/agents", "says": "declares", "regions": [EU]}],
                "places": [DATA, VOLUME],
            }
        ]
    }


async def test_for_people(
    world: World, flags: Flags, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    fill(world, ELSEWHERE, NODE)
    assert await seek(flags, "family", None, Output.TEXT, {}, everywhere=True) == VIOLATED
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        f"TopicFamily {TEAM}/trail: Violated",
        f"  TopicFamily {TEAM}/trail allows {EU}",
        f"  MemoryTenant {PLATFORM}/support allows its cluster's region",
        f"  MemoryCluster {PLATFORM}/agents declares {EU}",
        f"  its Bucket/data rests in {US} (GetBucketLocation)",
        "PLACE        REGION        STATE     BY",
        "Bucket/data  us-east-1     Violated  GetBucketLocation",
        "Node/n1      eu-central-1  Verified  label topology.kubernetes.io/region",
        "",
    ]
    assert await seek(flags, "mt", None, Output.TEXT, {}, everywhere=False) == VIOLATED
    assert capsys.readouterr().out.startswith(f"MemoryTenant {PLATFORM}/support: Violated")


async def test_nothing_there_is_no_error(world: World, flags: Flags, capsys: pytest.CaptureFixture[str]) -> None:
    assert await seek(flags, "tenant", None, Output.TEXT, {}, everywhere=False) == 0
    assert await seek(flags, "tenant", None, Output.TEXT, {}, everywhere=True) == 0
    assert capsys.readouterr().out == f"no MemoryTenant in namespace {PLATFORM}\nno MemoryTenant in any namespace\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["where", "topic"], 2, "'topic' has no whereabouts; ask for a cluster, a tenant or a family (UnknownKind)"),
        (["where", "family/trail", "--kubeconfig", "/no/such"], 2, "file /no/such does not exist"),
        (["where", "--help"], 0, "Where does the data rest"),
    ],
)
def test_what_is_wrong_is_told_without_a_trace(arguments: list[str], code: int, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from agentmemory.cli import kubectl; kubectl()", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator"), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_arguments_that_exclude_each_other() -> None:
    with pytest.raises(typer.BadParameter, match="family/trail has its name already; leave other out"):
        where("family/trail", "other")
    with pytest.raises(typer.BadParameter, match="trail is in one namespace; give -n instead of -A"):
        where("family", "trail", everywhere=True)
