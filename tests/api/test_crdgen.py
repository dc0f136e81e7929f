"""The command: what is generated is what lies in the tree, and a difference is named."""

from pathlib import Path

import pytest
import yaml

from agentmemory.api import crdgen
from agentmemory.api.kinds import KINDS
from agentmemory.api.structural import rules
from tests.api.tables import RULES

ROOT = Path(__file__).resolve().parents[2]
FILES = (
    "crds/agentmemory.dev_brokerpools.yaml",
    "crds/agentmemory.dev_memorybuckets.yaml",
    "crds/agentmemory.dev_memoryclients.yaml",
    "crds/agentmemory.dev_memoryclusters.yaml",
    "crds/agentmemory.dev_memorytenants.yaml",
    "crds/agentmemory.dev_topicfamilies.yaml",
    "docs/reference/api.md",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def test_the_tree_holds_what_the_models_say() -> None:
    assert crdgen.differing(ROOT, crdgen.files()) == []


def test_the_command_writes_all_files_and_then_finds_no_difference(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crdgen.main(["--check"], tree) == 1
    assert capsys.readouterr().err.count("differs from what the models say: run `make generate`") == len(FILES)
    assert crdgen.main([], tree) == 0
    assert all((tree / name).is_file() for name in FILES)
    assert crdgen.main(["--check"], tree) == 0
    assert capsys.readouterr().err == ""


def test_a_difference_and_a_left_over_file_are_named_and_mended(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crdgen.main([], tree)
    (tree / "crds/agentmemory.dev_gone.yaml").touch()
    (tree / FILES[0]).write_text("changed by hand")
    assert crdgen.main(["--check"], tree) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == [FILES[0], "crds/agentmemory.dev_gone.yaml"]
    assert crdgen.main([], tree) == 0
    assert not (tree / "crds/agentmemory.dev_gone.yaml").exists()
    assert crdgen.main(["--check"], tree) == 0


def test_wrong_use_is_told(tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert crdgen.main(["--chek"], tree) == 2
    assert "usage: python -m agentmemory.api.crdgen [--check]" in capsys.readouterr().err
    (tree / "pyproject.toml").unlink()
    assert crdgen.main([], tmp_path) == 2
    assert "is not the source tree" in capsys.readouterr().err


def test_the_root_is_found_from_the_source_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert crdgen.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".yaml")])
def test_a_file_is_one_crd_of_its_name(name: str) -> None:
    text = crdgen.files()[name]
    assert text.startswith("# Written by `python -m agentmemory.api.crdgen`")
    crd = yaml.safe_load(text)
    assert name == f"crds/{crd['spec']['group']}_{crd['spec']['names']['plural']}.yaml"
    version = crd["spec"]["versions"][0]
    assert version["subresources"]["status"] == {}
    assert ("scale" in version["subresources"]) == (crd["spec"]["names"]["kind"] == "BrokerPool")
    assert version["schema"]["openAPIV3Schema"]["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_every_rule_has_its_line_in_the_table_and_in_the_reference() -> None:
    reference = crdgen.files()["docs/reference/api.md"]
    found = [(model.INFO.kind, path, entry) for model in KINDS for path, entry in rules(crdgen.object_schema(model))]
    assert len(found) == len(RULES)
    for kind, path, entry in found:
        cases = [case for case in RULES if (case.kind, case.path) == (kind, path)]
        assert sum(entry["message"].startswith(case.message) for case in cases) == 1, (
            f"{kind}{path}: {entry['message']}"
        )
        assert entry["message"] in reference


def test_the_reference_tells_types_bounds_and_defaults() -> None:
    lines = crdgen.files()["docs/reference/api.md"].splitlines()
    assert "## TopicFamily" in lines
    starts = (
        "| `spec.topics[].partitions` | integer, 1 to 1000 | `6` | ",
        "| `spec.retention.time` | duration |  | ",
        "| `spec.retention.bytes` | quantity |  | ",
        "| `spec.priority` | `critical` &#124; `standard` &#124; `deferrable` | `standard` | ",
        "| `spec.tenantRef` | object | required | ",
        "| `spec.replication` | object |  | ",
        "| `spec.namespaces[]` | map by name of object, 1 to 200 | required | ",
        "| `status.conditions[].lastTransitionTime` | time | required | ",
        "| `status.bootstrapped` | boolean |  | ",
        "| `spec.regions[]` | set of string, 0 to 16 |  | ",
    )
    for start in starts:
        assert any(line.startswith(start) for line in lines), start
