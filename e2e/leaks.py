"""Looks for credentials where none may be: objects, logs, Events, argument vectors, rendered files of the whole stand.

What is looked for is what the cluster's Secrets hold (passwords, secret keys, private keys), in clear, as base64 at any
alignment, and as a URL writes it. Secrets' own data is left out, and so is what the S3 server keeps of its users.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from e2e import objectstore
from e2e.kubectl import Kubectl
from e2e.stand.stand import Stand

LEAST = 12  # characters: anything shorter would be found by chance
SENSITIVE = re.compile(r"password|secret|token|ACCESS_KEY", re.IGNORECASE)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)
VOLUMES = (
    "kubernetes.io~configmap",
    "kubernetes.io~empty-dir",
    "kubernetes.io~projected",
    "kubernetes.io~downward-api",
)
SPARSE = {".index", ".timeindex", ".txnindex"}  # Kafka's own numbers, 10 MiB of zeros each
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Needle:
    """One credential by the name of what holds it; its forms are never shown."""

    name: str
    forms: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, name: str, value: str) -> Needle:
        return cls(name, tuple(dict.fromkeys([value.encode(), quote_plus(value).encode(), *in_base64(value.encode())])))


def in_base64(value: bytes) -> list[bytes]:
    """How base64 writes it wherever it stands in a text: three alignments, without what its neighbours colour."""
    found = []
    for before in range(3):
        text = base64.b64encode(b"\0" * before + value)
        first = -(-before * 4 // 3)
        last = (before + len(value)) * 8 // 6
        found.append(text[first:last])
    return found


def needles(secrets: Iterable[Mapping[str, Any]]) -> list[Needle]:
    """What the Secrets' data holds that nobody else may know; helm's own record of a release is no credential."""
    found = []
    for secret in secrets:
        if secret.get("type") == "helm.sh/release.v1":
            continue
        name = f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
        for key, value in (secret.get("data") or {}).items():
            text = base64.b64decode(value).decode(errors="replace")
            found += [Needle.of(f"{name} {key}", part) for part in confidential(key, text)]
    return found


def confidential(key: str, text: str) -> list[str]:
    """The parts of a Secret's value that must not be seen: all of a password, a line of each private key."""
    lines = (block.replace("\\n", "\n").split() for block in PRIVATE_KEY.findall(text))
    # The first line of a key is the same for all keys of its kind.
    parts = [body[1] for body in lines if len(body) > 1]
    if SENSITIVE.search(key) and len(text) >= LEAST and "\n" not in text:
        parts.append(text)
    return parts


@dataclass
class Leaks:
    """The search over one stand. `watch_argv` before the run catches what only lives for a moment."""

    stand: Stand
    kubectl: Kubectl
    argv: set[bytes] = field(default_factory=set)
    _end: threading.Event = field(default_factory=threading.Event)

    def watch_argv(self) -> None:
        """Note every process' arguments twice a second until `stop`."""
        threading.Thread(target=self._sample, name="argv", daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    def _sample(self) -> None:
        while not self._end.wait(SAMPLE_SECONDS):
            self.argv |= set(command_lines())

    def secrets(self) -> list[dict[str, Any]]:
        return self.kubectl.list("secrets")

    def found(self, wanted: Iterable[Needle]) -> list[str]:
        """One line for each place and credential: `<place>: <whose>`, never the credential."""
        looked_for = list(wanted)
        return sorted(
            {
                f"{place}: {needle.name}"
                for place, content in self.places()
                for needle in looked_for
                if any(form in content for form in needle.forms)
            }
        )

    def places(self) -> Iterator[tuple[str, bytes]]:
        yield from self.objects()
        yield from self.files()
        yield from (("argv", line) for line in {*self.argv, *command_lines()})

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """Every object of every kind that can be listed; of Secrets all but their data."""
        kinds = self.kubectl("api-resources", "--verbs=list", "-o", "name").split()
        for item in self.kubectl.list(",".join(kinds)):
            hidden = ("data", "stringData") if item["kind"] == "Secret" else ()
            shown = {name: value for name, value in item.items() if name not in hidden}
            metadata = item["metadata"]
            place = f"{item['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
            yield place, repr(shown).encode()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Containers' logs, the programs' own logs, what pods have mounted or written, volumes but the S3 server's."""
        kept_users = self._volumes_of(objectstore.NAMESPACE)
        for node in self.stand.nodes():
            pods = node.folder / "kubelet/pods"
            mounted = [folder for kind in VOLUMES for folder in pods.glob(f"*/volumes/{kind}")]
            volumes = [folder for folder in (node.folder / "volumes").glob("*") if folder.name not in kept_users]
            for root in (node.folder / "pod-logs", node.folder / "log", *mounted, *pods.glob("*/containers"), *volumes):
                yield from contents(root)
        yield from contents(self.stand.folder / "log")

    def _volumes_of(self, namespace: str) -> set[str]:
        claims = self.kubectl.list("persistentvolumeclaims", namespace)
        return {claim["spec"].get("volumeName", "") for claim in claims}


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """The files below a folder; those that go away meanwhile, and what is no file, are left out."""
    for file in root.rglob("*"):
        try:
            if file.is_file() and file.suffix not in SPARSE:
                yield f"file {file}", file.read_bytes()
        except FileNotFoundError:
            continue  # a pod ended while we looked


def command_lines() -> Iterator[bytes]:
    """The arguments of every process of this machine, the stand's among them."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        if line:
            yield line
