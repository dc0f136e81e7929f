"""`make bench`: the bars of the main job, on the chosen cluster. Result: build/bench/main-job.json and a table."""

from __future__ import annotations

import sys

from rich.console import Console

from benchmarks import families, faults, rest
from benchmarks.result import Result
from e2e import clusters
from e2e.demo.recorder import Recorder
from e2e.demo.story import Story
from e2e.setup import kubectl_of, release_on

READY_BAR = 120.0


def main() -> int:
    console = Console()
    cluster = clusters.choose(None)
    result = Result("main-job")
    with clusters.running(cluster):
        release_on(cluster).install()
        recorder = Recorder(console)
        story = Story(kubectl_of(cluster), cluster.operator_image, recorder)
        with recorder.step("apply cluster and pool, wait until Ready"):
            story.platform()
        result.add("cluster applied to Ready (3 controllers, 3 brokers)", recorder.steps[-1]["seconds"], "s", READY_BAR)
        with recorder.step("tenant, family, client"):
            story.team()
            story.install_agent()
        with recorder.step("20 families"):
            families.run(cluster.kubeconfig, result)
        with recorder.step("faults under load"):
            faults.run(cluster, story, result)
        with recorder.step("at rest"):
            rest.run(cluster, result)
    console.print(f"written to {result.write()}")
    result.show(console)
    return 0 if all(figure.met for figure in result.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
