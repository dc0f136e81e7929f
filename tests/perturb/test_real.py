"""Driver 2: scenarios on a real apiserver behind the fault proxy. `make test` runs one, `make perturb` all of them.

PERTURB_WATCH=kopf|list|both     which watch the process uses (default: list, as shipped)
PERTURB_REAL=family-create,...   only these scenarios
PERTURB_FROM=whole-platform/crash/40,...   these go on at that place: a run of hours may be broken off
"""

import json
import os
from pathlib import Path

import pytest

from .real import Told, Watching, go
from .scenarios import SCENARIOS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

FULL = os.environ.get("PERTURB_FULL", "") != ""
SMOKE = ("client-create",)
ONLY = tuple(name for name in os.environ.get("PERTURB_REAL", "").split(",") if name)
NAMES = ONLY or (tuple(SCENARIOS) if FULL else SMOKE)
ASKED = os.environ.get("PERTURB_WATCH", "list")
WATCHES: tuple[Watching, ...] = ("kopf", "list") if ASKED == "both" else (("list",) if ASKED == "list" else ("kopf",))
FAULTS = ("crash", "answer-lost", "call-cut", "kafka-timeout") if FULL else ("crash",)
PLACES = range(1, 1_000) if FULL or ONLY else range(2, 3)
FROM = dict(where.rsplit("/", 1) for where in os.environ.get("PERTURB_FROM", "").split(",") if where)


@pytest.mark.parametrize("watching", WATCHES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", FAULTS)
async def test_the_end_is_the_same(name: str, watching: Watching, fault: str, perturbed_api: Path) -> None:
    scenario = SCENARIOS[name]
    wanted = await go(perturbed_api, scenario, watching)
    runs: list[tuple[str, Told]] = [("reference", wanted)]
    for k in PLACES[int(FROM.get(f"{name}/{fault}", 1)) - 1 :]:
        told = await go(perturbed_api, scenario, watching, fault, k, wanted)
        runs.append((f"{name}/{fault}/{k}", told))
        note(f"{name}-{watching}-{fault}", runs)
        assert told.findings == [], f"{name}/{fault}/{k} ({watching}): " + "\n".join(told.findings[:20])
        if not told.struck:
            break
    assert fault == "kafka-timeout" or runs[1][1].struck, "no fault struck"  # not every scenario speaks to Kafka


def note(name: str, runs: list[tuple[str, Told]]) -> None:
    """Times and findings of all runs, at once: build/perturb/<scenario>-<watch>-<fault>.json."""
    folder = Path("build/perturb")
    folder.mkdir(parents=True, exist_ok=True)
    figures = [
        {"run": where, "seconds": round(told.seconds, 2), "cpu": round(told.cpu, 2), "findings": told.findings[:20]}
        for where, told in runs
    ]
    (folder / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
