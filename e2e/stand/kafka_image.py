"""Apache Kafka from its jars: a folder to run on this machine, and an image laid out like apache/kafka."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from e2e.stand import base_image, cached, java, oci, packages, paths
from e2e.stand.ports import free_ports
from e2e.stand.shell import StandError, digest, run, step

SOURCE = paths.SOURCES / "kafka"
AUTOMQ_BASE = paths.SOURCES / "kafka39"
MODULES = (
    "java.base,java.compiler,java.desktop,java.instrument,java.logging,java.management,java.management.rmi,java.naming,"
    "java.net.http,java.rmi,java.scripting,java.security.jgss,java.security.sasl,java.sql,java.xml,jdk.attach,"
    "jdk.charsets,jdk.crypto.ec,jdk.jcmd,jdk.management,jdk.management.agent,jdk.naming.dns,jdk.net,jdk.security.auth,"
    "jdk.security.jgss,jdk.unsupported,jdk.zipfs"
)
DESKTOP = (
    "awt",
    "font",
    "fontmanager",
    "freetype",
    "harfbuzz",
    "jawt",
    "jsound",
    "lcms",
    "javajpeg",
    "mlib_image",
    "splashscreen",
)  # java.desktop is there for java.beans alone
WRAPPER = """#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/kafka-run-class.sh" {main} "$@"
"""


def version(source: Path = SOURCE) -> str:
    pom = source / "pom.xml"
    found = re.search(r"<kafka\.version>(.*?)</kafka\.version>", pom.read_text())
    if not found:
        raise StandError(f"{pom} names no kafka.version")
    return found[1]


def image() -> oci.Image:
    """`local/kafka:<version>`: runs as uid 1000, writes to /var/lib/kafka/data and /tmp only."""
    layer = oci.remembered_layer("kafka", _image_key(), lambda: [(_image_tree(), "/")])
    return oci.Recipe(f"local/kafka:{version()}", [base_image.layer(), layer], user="1000:1000", workdir="/").image()


def home() -> Path:
    """A folder with bin/, libs/ and config/ that runs on this machine's Java."""
    return _with_archive(cached.folder("kafka", _home_key(), _build_home))


def automq_base() -> Path:
    """The Apache Kafka that AutoMQ is built on, to run on this machine: libs/ and config/ of a broker, no tools."""
    key = digest(AUTOMQ_BASE, java.version())
    return _with_archive(cached.folder("kafka", key, _build_automq_base), AUTOMQ_BASE)


def _home_key() -> str:
    return digest(SOURCE, java.version())


def _image_key() -> str:
    return digest(_home_key(), base_image.release(), MODULES)


def _tools() -> dict[str, str]:
    """The scripts beside the hand-written ones, each with the class that it runs."""
    return dict(line.split() for line in (SOURCE / "tools").read_text().splitlines())


def _build_home(folder: Path) -> None:
    _fetch_jars(SOURCE, folder / "libs")
    shutil.copytree(SOURCE / "bin", folder / "bin")
    shutil.copytree(SOURCE / "config", folder / "config")
    for name, main in _tools().items():
        (folder / "bin" / f"{name}.sh").write_text(WRAPPER.format(main=main))
    for script in (folder / "bin").iterdir():
        script.chmod(0o755)


def _build_automq_base(folder: Path) -> None:
    _fetch_jars(AUTOMQ_BASE, folder / "libs")
    shutil.copytree(AUTOMQ_BASE / "config", folder / "config")


def _fetch_jars(source: Path, libs: Path) -> None:
    packages.ensure(packages.MAVEN)
    with step(f"fetching Apache Kafka {version(source)}'s jars by Maven"):
        run(
            [
                "mvn",
                "-q",
                "-B",
                "-f",
                source / "pom.xml",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={libs}",
            ]
        )
    for jar in libs.iterdir():
        os.utime(jar, (1, 1))  # a class archive remembers each jar's time: whole seconds, the same in a layer


def _with_archive(home_folder: Path, source: Path = SOURCE) -> Path:
    """Adds the class archive, which knows the path that it is for: so it is made in place."""
    with cached.lock(home_folder.parent / f".{home_folder.name}.jsa.lock", "training Kafka's class archive"):
        if not (home_folder / "kafka.jsa").exists():
            with step("training Kafka's class archive for this machine"), tempfile.TemporaryDirectory() as work:
                run(["sh", source / "train.sh", home_folder, work, *map(str, free_ports(2))], env=java.environment())
                shutil.copy(Path(work) / "kafka.jsa", home_folder / ".kafka.jsa")
            (home_folder / ".kafka.jsa").rename(home_folder / "kafka.jsa")
    return home_folder


def _image_tree() -> Path:
    return cached.folder("kafka-image", _image_key(), _build_image_tree)


def _build_image_tree(folder: Path) -> None:
    source = cached.folder("kafka", _home_key(), _build_home)
    shutil.copytree(source, folder / "opt/kafka", ignore=shutil.ignore_patterns("*.jsa"))
    with step("linking a Java runtime for the Kafka image"):
        _link_java(folder / "opt/java")
    (folder / "usr/local/bin").mkdir(parents=True)
    (folder / "usr/local/bin/java").symlink_to("/opt/java/bin/java")
    data = folder / "var/lib/kafka/data"
    data.mkdir(parents=True)
    data.chmod(0o777)
    with step("training the Kafka image's class archive"):
        _train_in_image(folder)


def _link_java(target: Path) -> None:
    run(
        [java.home() / "bin/jlink", "--add-modules", MODULES, "--no-header-files", "--no-man-pages", "--output", target]
    )
    for library in (file for name in DESKTOP for file in (target / "lib").glob(f"lib{name}*.so")):
        library.unlink()
    run([target / "bin/java", "-Xshare:dump"])


def _train_in_image(tree: Path) -> None:
    """Runs the training where the image's paths are real: in a mount namespace of its own, gone afterwards."""
    script = """
    set -eu
    work=$1 base=$2 tree=$3 broker=$4 controller=$5
    mkdir "$work/up" "$work/temporary" "$work/root"
    mount -t overlay overlay -o "lowerdir=$tree:$base,upperdir=$work/up,workdir=$work/temporary" "$work/root"
    mount -t proc proc "$work/root/proc"
    mount --bind /dev "$work/root/dev"
    mkdir "$work/root/train"
    exec chroot "$work/root" sh /opt/kafka/train.sh /opt/kafka /train "$broker" "$controller"
    """
    shutil.copy(SOURCE / "train.sh", tree / "opt/kafka/train.sh")
    with tempfile.TemporaryDirectory(dir=paths.cache()) as work:
        run(
            ["unshare", "--mount", "sh", "-c", script, "sh", work, base_image.root(), tree, *map(str, free_ports(2))],
            env={"PATH": packages.path(), "LC_ALL": "C.UTF-8"},
        )
        shutil.copy(Path(work) / "up/train/kafka.jsa", tree / "opt/kafka/kafka.jsa")
    (tree / "opt/kafka/train.sh").unlink()
