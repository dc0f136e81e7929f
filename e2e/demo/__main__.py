"""`python -m e2e.demo up [--cluster stand|kind|current] [--engine kafka|automq]` and `python -m e2e.demo down`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from e2e import clusters
from e2e.demo import engine as engines
from e2e.demo import screen
from e2e.demo.recorder import Recorder
from e2e.demo.removal import remove
from e2e.demo.story import PLATFORM, Story
from e2e.kubectl import GaveUpError, KubectlError
from e2e.release import HelmError
from e2e.setup import kubectl_of, release_on
from e2e.stand import gotools, stand
from e2e.stand.shell import StandError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
FACTS = Path(__file__).resolve().parent.parent.parent / "build" / "demo.json"
Which = Annotated[str, typer.Option("--cluster", help="stand, kind or current; by default what this machine has.")]
Engine = Annotated[str, typer.Option("--engine", help="kafka, or automq where AGENTMEMORY_AUTOMQ_IMAGE names one.")]
EXPECTED = (StandError, HelmError, KubectlError, GaveUpError, RuntimeError)


@app.command()
def up(cluster: Which = "", engine: Engine = "kafka") -> None:
    """Run the main job on real parts and leave it running."""
    chosen = choose(cluster)
    engines.check(engine, chosen.name)
    recorder = Recorder(Console(width=None))
    ok = False
    try:
        with stand.in_use(chosen.name):
            tell(chosen, recorder, engine)
        ok = True
    finally:
        recorder.write(FACTS, ok)


def tell(cluster: clusters.Cluster, recorder: Recorder, engine: str) -> None:
    recorder.facts["cluster"] = cluster.name
    with recorder.step("build what is missing: Kubernetes, images, helm"):
        if cluster.name == "stand":
            stand.build()
        gotools.helm()
    with recorder.step(f"start a Kubernetes cluster ({cluster.name})"):
        recorder.facts["startedCluster"] = cluster.up()
        recorder.facts["nodes"] = cluster.nodes()
        recorder.say(f"nodes: {', '.join(cluster.nodes())}")
    release = release_on(cluster, (PLATFORM,))
    with recorder.step("install the operator with helm"):
        release.install()
    kubectl = kubectl_of(cluster)
    if engine == "automq":
        with recorder.step("give every node AutoMQ's image"):
            under = engines.choose(engine, cluster, kubectl)
            recorder.say(under.image)
    else:
        under = engines.choose(engine, cluster, kubectl)
    Story(kubectl, cluster.operator_image, recorder, under).tell()
    screen.show(recorder.console, recorder, str(cluster.kubeconfig), str(cluster.kubectl_program))


@app.command()
def down(cluster: Which = "") -> None:
    """Remove all that the demo made; also its cluster, when the demo started that."""
    facts = json.loads(FACTS.read_text()) if FACTS.is_file() else {}
    chosen = choose(cluster or facts.get("cluster", ""))
    console = Console()
    if chosen.name == "current" or not facts.get("startedCluster", True):
        remove(release_on(chosen, (PLATFORM,)), console, facts.get("engine", "kafka"))
        return
    console.print(f"removing the cluster ({chosen.name}) with all that is in it …")
    chosen.down()
    if isinstance(chosen, clusters.StandCluster):
        chosen.stand.down(wipe=True)
    console.print("removed")


def choose(name: str) -> clusters.Cluster:
    if name and name not in clusters.NAMES:
        raise StandError(f"there is no cluster called {name!r}: choose one of {', '.join(clusters.NAMES)}")
    return clusters.choose(name or None)


def main() -> None:
    try:
        app(standalone_mode=True)
    except EXPECTED as error:
        Console(stderr=True).print(f"demo: {error}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
