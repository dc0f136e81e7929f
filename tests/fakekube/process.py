"""The fake apiserver in a process of its own: for tests and benchmarks of real operator processes."""

import json
import subprocess
import sys
import urllib.request
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .counts import Counts
from .server import kubeconfig

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 10.0


class FakeKubeProcess(AbstractContextManager["FakeKubeProcess"]):
    """`with FakeKubeProcess() as fake:` serves at `fake.url` until the block ends, or this process does.

    `schemas`: whether it defaults and refuses as our CRDs say (without CEL). `events`: how many it keeps of each kind.
    """

    def __init__(
        self, port: int = 0, *, schemas: bool = True, events: int | None = None, bookmark_seconds: float = 60.0
    ) -> None:
        self.url = ""
        self._command = [sys.executable, "-m", "tests.fakekube", "--with-parent", f"--port={port}"]
        self._command += [f"--bookmark-seconds={bookmark_seconds}"]
        self._command += [] if schemas else ["--no-schemas"]
        self._command += [] if events is None else [f"--events={events}"]
        self._process: subprocess.Popen[str] | None = None
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self) -> "FakeKubeProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process's id. Raises RuntimeError when it does not run."""
        if self._process is None:
            raise RuntimeError("the fake apiserver does not run")
        return self._process.pid

    def start(self) -> "FakeKubeProcess":
        """Returns once it listens. Raises RuntimeError when it ends instead; its errors are on our stderr."""
        # Its standard input is our end of a pipe: when we die, however, it ends.
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=None
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            code = self._process.wait()
            self._close()
            raise RuntimeError(f"the fake apiserver ended with code {code} before it listened")
        self.url = json.loads(said)["url"]
        return self

    def stop(self) -> None:
        """End it, gently first."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()

    def counts(self) -> Counts:
        """Requests since the start or the last `reset`."""
        return Counts.of_json(self._call("GET", "/__counts")["counts"])

    def state(self) -> Object:
        """`objects`, open `watches`, the `resource_version`."""
        return {name: value for name, value in self._call("GET", "/__counts").items() if name != "counts"}

    def reset(self) -> None:
        """Count from zero."""
        self._call("POST", "/__reset")

    def compact(self) -> None:
        """Forget all events and pages, as etcd does: older watches and continue tokens get 410."""
        self._call("POST", "/__compact")

    def kubeconfig(self, path: Path) -> Path:
        """Write one that leads there."""
        path.write_text(json.dumps(kubeconfig(self.url)))
        return path

    def _call(self, method: str, path: str) -> Any:
        request = urllib.request.Request(self.url + path, method=method)
        with self._opener.open(request, timeout=30) as found:
            return json.loads(found.read())

    def _close(self) -> None:
        if self._process is None:
            return
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
