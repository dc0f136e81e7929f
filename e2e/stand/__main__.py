"""`python -m e2e.stand up --nodes 3 | down [--wipe] | build | images | status`."""

from typing import Annotated

import typer
from rich.console import Console

from e2e.stand import cached, gotools, images, kafka_image, leftovers, stand
from e2e.stand.shell import StandError, step

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
Name = Annotated[str, typer.Option(help="Which stand; one runs at a time on a machine.")]


@app.command()
def up(
    nodes: Annotated[int, typer.Option(help="How many nodes, 1 to 3.")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Without what an earlier life has left in it.")] = False,
    name: Name = "default",
) -> None:
    """Bring the cluster up, building what is missing; prints the kubeconfig's path. Safe to run again."""
    print(stand.Stand(name).up(nodes, fresh))


@app.command()
def down(
    wipe: Annotated[bool, typer.Option("--wipe", help="Also forget objects, volumes, logs, certificates.")] = False,
    name: Name = "default",
) -> None:
    """End the cluster and check that nothing of it is left on the machine."""
    with step("stopping the stand"):
        stand.Stand(name).down(wipe)


@app.command()
def build() -> None:
    """Build all that the stand and the tests need, into the cache: Kubernetes, helm, Kafka, images."""
    stand.build()
    gotools.helm()
    kafka_image.home()
    kafka_image.automq_base()
    cached.prune()


@app.command(name="images")
def show_images(archives: Annotated[bool, typer.Option(help="Also write them as OCI archives.")] = False) -> None:
    """Make the images where needed and list them (with the archives' paths: `kind load image-archive` takes them)."""
    for image in images.all_images():
        print(image.name, f"sha256:{image.manifest}", image.archive() if archives else "")


@app.command()
def status(name: Name = "default") -> None:
    """Tell what runs, and what of a stand is on this machine."""
    chosen = stand.Stand(name)
    print("up" if chosen.healthy(1) else "not up", chosen.kubeconfig)
    for line in leftovers.found(chosen.folder):
        print(" ", line)


def main() -> None:
    try:
        app(standalone_mode=True)
    except StandError as error:
        Console(stderr=True).print(f"stand: {error}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
