"""A JDK for Kafka: what is on the machine when it is new enough, else Debian's."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from e2e.stand import packages
from e2e.stand.shell import StandError

MINIMUM = 17


def home() -> Path:
    """The folder of a JDK of at least 17 that has jlink; installed where there is none (needs root)."""
    found = _find()
    if found is None:
        packages.ensure({"a JDK with jlink": "default-jdk-headless"})
        found = _find()
    if found is None:
        raise StandError(f"Kafka needs a JDK of at least {MINIMUM} with jlink, and Debian's default one is older")
    return found


def version() -> str:
    """What the JDK says it is: builds are keyed by it."""
    return _printed(home())


def environment() -> dict[str, str]:
    """For Kafka's scripts on this machine: the JDK goes before PATH's java."""
    return {**os.environ, "JAVA_HOME": str(home())}


def _find() -> Path | None:
    on_path = shutil.which("jlink")
    candidates = [Path(on_path).resolve().parent.parent] if on_path else []
    candidates += sorted(Path("/usr/lib/jvm").glob("*/"))
    return next((jdk for jdk in candidates if (jdk / "bin/jlink").is_file() and _major(jdk) >= MINIMUM), None)


def _major(jdk: Path) -> int:
    match = re.search(r'version "(\d+)', _printed(jdk))
    return int(match[1]) if match else 0


def _printed(jdk: Path) -> str:
    return subprocess.run([jdk / "bin/java", "-version"], capture_output=True, text=True).stderr
