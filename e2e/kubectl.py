"""kubectl for the demo and the end-to-end tests; errors carry its own words. Objects are read without it, for speed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from e2e.reader import PLURALS, Reader


class KubectlError(RuntimeError):
    """kubectl ended with an error; the text is what it printed."""


class GaveUpError(TimeoutError):
    """Something did not become true in its time; the text says what was seen last."""


@dataclass(frozen=True)
class Kubectl:
    """One cluster's kubectl: `program` run with `kubeconfig`."""

    program: Path
    kubeconfig: Path

    def __call__(self, *args: str, stdin: str | None = None, timeout: float = 60.0) -> str:
        done = subprocess.run(
            [str(self.program), *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
        )
        if done.returncode:
            raise KubectlError(f"kubectl {' '.join(args)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def apply(self, *objects: dict[str, Any] | str | Path) -> str:
        """Apply dicts, YAML text or files, in one call (a JSON stream is YAML)."""
        texts = [o.read_text() if isinstance(o, Path) else o if isinstance(o, str) else json.dumps(o) for o in objects]
        return self("apply", "-f", "-", stdin="\n---\n".join(texts))

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.kubeconfig)

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """One object, or None when there is none of that name."""
        if namespace and kind in PLURALS:
            return self._reader.get(kind, name, namespace)
        scope = ("-n", namespace) if namespace else ()
        text = self("get", kind, name, *scope, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def list(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        if kind in PLURALS:
            return self._reader.list(kind, namespace, selector)
        scope = ("-n", namespace) if namespace else ("-A",)
        chosen = ("-l", selector) if selector else ()
        return list(json.loads(self("get", kind, *scope, *chosen, "-o", "json"))["items"])

    def delete(self, kind: str, name: str, namespace: str = "", *extra: str, timeout: float = 120.0) -> None:
        scope = ("-n", namespace) if namespace else ()
        self("delete", kind, name, *scope, "--ignore-not-found", *extra, timeout=timeout)

    def put_secret(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Write a Secret by the server's own apply: kubectl's would keep the values in an annotation."""
        metadata = {"name": name, "namespace": namespace}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}
        self("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(secret))

    def ensure_namespace(self, name: str) -> None:
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def wait_ready(self, kind: str, name: str, namespace: str, seconds: float) -> dict[str, Any]:
        return self.wait_condition(kind, name, namespace, seconds, "Ready", "True")

    def wait_condition(
        self, kind: str, name: str, namespace: str, seconds: float, condition: str, status: str, reason: str = ""
    ) -> dict[str, Any]:
        """The object once `condition` has `status` (and `reason`) for the object's newest generation."""

        def holds(obj: dict[str, Any] | None) -> bool:
            found = condition_of(obj, condition)
            return (
                found is not None
                and obj is not None
                and found["status"] == status
                and (not reason or found["reason"] == reason)
                and found.get("observedGeneration", -1) >= obj["metadata"]["generation"]
            )

        return self.wait_object(
            kind, name, namespace, seconds, holds, f"condition {condition}={status} {reason}".rstrip()
        )

    def wait_object(
        self,
        kind: str,
        name: str,
        namespace: str,
        seconds: float,
        holds: Callable[[dict[str, Any] | None], bool],
        what: str,
    ) -> dict[str, Any]:
        """Look until `holds(object)`; the error tells the conditions that were seen last."""
        seen: dict[str, Any] | None = None

        def look() -> bool:
            nonlocal seen
            seen = self.get(kind, name, namespace)
            return holds(seen)

        until(look, seconds, lambda: f"{kind} {namespace}/{name} has no {what}: {told(seen)}")
        return seen or {}


def condition_of(obj: dict[str, Any] | None, kind: str) -> dict[str, Any] | None:
    conditions = ((obj or {}).get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), None)


def told(obj: dict[str, Any] | None) -> str:
    if obj is None:
        return "the object does not exist"
    conditions = (obj.get("status") or {}).get("conditions") or []
    return (
        "; ".join(f"{c['type']}={c['status']} {c['reason']}: {c.get('message', '')}" for c in conditions) or "no status"
    )


def until(holds: Callable[[], object], seconds: float, what: Callable[[], str], every: float = 0.25) -> float:
    """Look every `every` seconds until `holds()`; the seconds it took. Raises GaveUpError with `what()`."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise GaveUpError(f"after {seconds:.0f} s: {what()}")
        time.sleep(every)
    return time.monotonic() - began
