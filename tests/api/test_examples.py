"""The example files are what their readers will start from: each must be taken as it stands."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentmemory.api.base import API_VERSION, parse
from tests.api.tables import MODELS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OBJECTS = [obj for path in sorted(EXAMPLES.rglob("*.yaml")) for obj in yaml.safe_load_all(path.read_text())]
OURS = [obj for obj in OBJECTS if obj["apiVersion"] == API_VERSION]


def test_there_is_an_example_of_every_kind() -> None:
    assert {obj["kind"] for obj in OURS} == MODELS.keys()


@pytest.mark.parametrize("obj", OURS, ids=lambda obj: f"{obj['kind']}/{obj['metadata']['name']}")
def test_an_example_is_taken(obj: dict[str, Any]) -> None:
    assert parse(MODELS[obj["kind"]], obj).metadata.name == obj["metadata"]["name"]
