"""Builds the test plugin from its one Java source and the AWS SDK's jars, once."""

import tempfile
from pathlib import Path

from e2e.stand import cached, java, kafka_image, packages
from e2e.stand.shell import digest, run, step

CLASS = "dev.agentmemory.stand.S3Segments"

_HERE = Path(__file__).resolve().parent
# Its class path goes before Kafka's own: a second slf4j-api would hide Kafka's logging from it, or not link at all.
_KAFKAS = ("slf4j-api-*.jar",)


def plugin() -> Path:
    """The folder with `s3-segments.jar` and all it needs beside Kafka's jars: `<folder>/*` is its class path."""
    return cached.folder(
        "tiered-plugin",
        digest(_HERE / "src", _HERE / "pom.xml", Path(__file__), java.version(), kafka_image.version()),
        _build,
    )


def _build(folder: Path) -> None:
    packages.ensure(packages.MAVEN)
    with step("fetching the AWS SDK's jars by Maven"):
        run(
            [
                "mvn",
                "-q",
                "-B",
                "-f",
                _HERE / "pom.xml",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={folder}",
            ]
        )
    for jar in (jar for pattern in _KAFKAS for jar in folder.glob(pattern)):
        jar.unlink()
    with tempfile.TemporaryDirectory() as classes:
        jdk, libraries = java.home() / "bin", f"{folder}/*:{kafka_image.home()}/libs/*"
        sources = sorted((_HERE / "src").glob("*.java"))
        run([jdk / "javac", "-Xlint:all,-classfile,-processing", "-cp", libraries, "-d", classes, *sources])
        run([jdk / "jar", "--create", "--file", folder / "s3-segments.jar", "-C", classes, "."])
