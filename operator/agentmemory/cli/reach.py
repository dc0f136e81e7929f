"""How `kubectl memory` reaches the API server: kubeconfig, context and namespace as kubectl itself takes them.

Order: `--kubeconfig`, the files of KUBECONFIG (merged), ~/.kube/config, the pod's service account.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes.aio import config as library
from kubernetes.aio.client import Configuration

from agentmemory.core.errors import Invalid
from agentmemory.kube import config
from agentmemory.kube.client import KubeClient

MANAGER = "kubectl-memory"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Flags:
    """What stands on the command line; None is what kubectl takes by itself."""

    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class Reach:
    """A way to the API server, and the namespace that is meant."""

    kube: KubeClient
    namespace: str


@asynccontextmanager
async def reach(flags: Flags, environ: Mapping[str, str]) -> AsyncIterator[Reach]:
    """Does not connect: the first call does. Raises Invalid("BadKubeconfig") with the file and what is wrong."""
    files = _files(flags, environ)
    if files:
        configuration, namespace = await _from_files(files, flags.context)
    elif flags.context is not None or not environ.get("KUBERNETES_SERVICE_HOST"):
        raise Invalid("BadKubeconfig", "there is no kubeconfig: give --kubeconfig, set KUBECONFIG, or run in a pod")
    else:
        configuration, namespace = await config.load({**environ, "KUBECONFIG": ""}), _own_namespace()
    async with KubeClient(configuration, manager=MANAGER) as kube:
        yield Reach(kube, flags.namespace or namespace)


def _files(flags: Flags, environ: Mapping[str, str]) -> list[Path]:
    """The kubeconfig files that exist. Raises Invalid when one was asked for by name and is not there."""
    if flags.kubeconfig is not None:
        file = Path(flags.kubeconfig).expanduser()
        if not file.is_file():
            raise Invalid("BadKubeconfig", f"file {file} does not exist; correct --kubeconfig")
        return [file]
    named = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    found = [file for file in named if file.is_file()]
    if named and not found:
        raise Invalid("BadKubeconfig", f"file {named[0]} does not exist; correct KUBECONFIG")
    usual = Path(environ.get("HOME", "/")) / ".kube" / "config"
    return found or ([usual] if usual.is_file() else [])


async def _from_files(files: list[Path], context: str | None) -> tuple[Configuration, str]:
    configuration = Configuration()
    joined = os.pathsep.join(map(str, files))
    try:
        loader = await library.load_kube_config(
            config_file=joined, context=context, client_configuration=configuration, persist_config=False
        )
        namespace = loader.current_context["context"].get("namespace")
    except (OSError, yaml.YAMLError, library.ConfigException, ValueError) as error:
        raise Invalid("BadKubeconfig", f"kubeconfig {joined} cannot be used: {_line(error)}") from error
    except (TypeError, AttributeError, KeyError) as error:
        raise Invalid("BadKubeconfig", f"kubeconfig {joined} cannot be used: it has not the shape of one") from error
    return configuration, namespace or "default"


def _own_namespace() -> str:
    """The pod's namespace."""
    file = ACCOUNT / "namespace"
    return file.read_text().strip() if file.is_file() else "default"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
